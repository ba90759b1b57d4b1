"""The surface to turn: its data, and that a page needs nothing else."""

import base64
import json
import re
import sys

import numpy as np
import pytest
import vs_plots as vp

SIGMA, PARAMS = np.geomspace(0.5, 16, 6), np.geomspace(1e6, 1e8, 5)
DATA = 2e5 * (1 + (1.5 / SIGMA[:, None]) ** 0.7 + (5e6 / PARAMS) ** 0.5)
SURFACE = vp.Surface(SIGMA, PARAMS, DATA)
MEASURED = vp.Measured(
    np.array([1.0, 2, 4, 8]),
    np.array([1e6, 1e6, 1e7, 1e7]),
    np.array([np.inf, 9e5, np.nan, 4e5]),
    np.array([False, False, False, True]),
)


def numbers(value):
    """An array of the figure, written as a list or as bytes."""
    if isinstance(value, dict):
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        shape = [int(n) for n in value["shape"].split(",")] if "shape" in value else [-1]
        return array.reshape(shape)
    return np.array(value, dtype=float)


def traces_and_layout(html):
    """The two arguments that the fragment's script hands to plotly."""
    start = html.index("[", html.index("Plotly.newPlot("))
    decoder = json.JSONDecoder()
    traces, end = decoder.raw_decode(html, start)
    layout, _ = decoder.raw_decode(html, html.index("{", end))
    return traces, layout


def test_the_surface_and_its_points_are_those_given():
    pytest.importorskip("plotly", reason="needs the extra vs-plots[html]")
    html = vp.surface_html(SURFACE, div_id="one", measured=MEASURED, title="t", include_js=False)
    (law, reached, held, lost), layout = traces_and_layout(html)
    np.testing.assert_allclose(np.exp(numbers(law["x"])), SIGMA)
    np.testing.assert_allclose(np.exp(numbers(law["y"])), PARAMS)
    np.testing.assert_allclose(np.exp(numbers(law["z"])), DATA.T)  # plotly's z is (y, x)
    assert law["customdata"][0][0] == ["0.5", "1M", "1.1M"]
    assert [t["name"] for t in (reached, held, lost)] == ["measured", "held out", "not reached"]
    np.testing.assert_allclose(np.exp(numbers(reached["z"])), [9e5])
    np.testing.assert_allclose(np.exp(numbers(held["x"])), [8])
    np.testing.assert_allclose(np.exp(numbers(lost["y"])), [1e6])
    assert lost["marker"]["symbol"] == "circle-open"
    assert lost["customdata"][0][2] == "not reached"
    assert np.exp(numbers(lost["z"]))[0] > max(DATA.max(), 9e5)
    sigma = layout["scene"]["xaxis"]
    assert sigma["ticktext"] == ["0.5", "1", "2", "4", "8", "16"]
    np.testing.assert_allclose(np.exp(sigma["tickvals"]), [0.5, 1, 2, 4, 8, 16])
    assert layout["title"]["text"] == "t"


def test_a_page_needs_nothing_from_elsewhere_and_plotly_once():
    pytest.importorskip("plotly", reason="needs the extra vs-plots[html]")
    first = vp.surface_html(SURFACE, div_id="one")
    second = vp.surface_html(SURFACE, div_id="two", include_js=False)
    assert first == vp.surface_html(SURFACE, div_id="one")
    assert len(first) > 1e6
    assert len(second) < 1e5
    for html, name in ((first, "one"), (second, "two")):
        assert len(re.findall(rf'<div id="{name}"', html)) == 1
        assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", html)
        assert html.lstrip().startswith("<div")


def test_missing_parts_of_a_law_leave_gaps():
    pytest.importorskip("plotly", reason="needs the extra vs-plots[html]")
    data = DATA.copy()
    data[0, 0], data[1, 0] = np.inf, np.nan
    html = vp.surface_html(vp.Surface(SIGMA, PARAMS, data), div_id="one", include_js=False)
    z = numbers(traces_and_layout(html)[0][0]["z"])
    assert np.isnan(z).sum() == 2
    np.testing.assert_allclose(np.exp(z[1:]), DATA.T[1:])
    nothing = vp.Surface(SIGMA, PARAMS, np.full_like(DATA, np.nan))
    with pytest.raises(ValueError, match=r"surface_html: surface\.data has no finite value"):
        vp.surface_html(nothing, div_id="one")


def test_without_plotly_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ImportError, match=r"surface_html needs plotly.*pip install 'vs-plots\[h"):
        vp.surface_html(SURFACE, div_id="one")
