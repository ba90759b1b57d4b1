"""Draw the report's figures beside other work: drawing is most of a report's time."""

from collections.abc import Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import vs_plots as plots

from vs_analyze.figures import figures
from vs_analyze.study import Study


@dataclass(frozen=True)
class Drawn:
    """One figure as its files hold it."""

    name: str
    caption: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Drawings:
    """Figures being drawn by a second process."""

    study: Study
    tasks: list[Future[Drawn]]

    def finish(self) -> list[Drawn]:
        """Return all figures in reading order; this process draws those not begun, from the last on."""
        own = {
            number: draw(self.study, number)
            for number in reversed(range(len(self.tasks)))
            if self.tasks[number].cancel()
        }
        return [
            own[number] if number in own else task.result()
            for number, task in enumerate(self.tasks)
        ]


@contextmanager
def second_process() -> Generator[Executor]:
    """Yield a process to draw in; it does its imports at once, while this one measures and fits."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_ready)
        yield pool


def begin(study: Study, pool: Executor) -> Drawings:
    """Begin to draw; take the figures with ``finish()``."""
    numbers = range(len(list(figures(study))))
    return Drawings(study, [pool.submit(draw, study, n) for n in numbers])


def _ready() -> None:
    """Do nothing: importing this module is the point."""


def draw(study: Study, number: int) -> Drawn:
    """Draw figure ``number`` of the report."""
    item = list(figures(study))[number]
    figure = item.draw()
    svg = plots.to_svg_string(figure)
    return Drawn(item.name, item.caption, svg, plots.to_png_bytes(figure))
