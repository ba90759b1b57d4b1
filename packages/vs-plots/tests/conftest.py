"""Fixtures of the layout tests."""

import pytest


@pytest.fixture(scope="session")
def texts():
    """The function (figure, renderer) -> [(text, box)] of all visible text, boxes in pixels."""
    return _texts


def _texts(figure, renderer):
    """All visible text of the figure with its bounding box in pixels."""
    found = []
    for ax in figure.axes:
        for axis, low_high in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = sorted(low_high)
            found += [
                tick.label1
                for tick in axis.get_major_ticks()
                if tick.label1.get_visible() and low <= tick.get_loc() <= high
            ]
            found += [
                tick.label2
                for tick in axis.get_major_ticks()
                if tick.label2.get_visible() and low <= tick.get_loc() <= high
            ]
            found.append(axis.label)
        found += [ax.title, *ax.texts]
    found += [text for text in figure.texts if text.get_text()]
    for name in ("_supxlabel", "_supylabel"):
        found.append(getattr(figure, name))
    for legend in figure.legends:
        found += [*legend.get_texts(), legend.get_title()]
    unique = {id(text): text for text in found if text is not None}.values()
    return [(text, text.get_window_extent(renderer)) for text in unique if text.get_text().strip()]
