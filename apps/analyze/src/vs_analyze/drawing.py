"""Draw the report's figures beside other work: drawing is most of a report's time."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import vs_plots as plots

from vs_analyze.figures import Named

type Maker[S] = Callable[[S], Iterable[Named]]
"""All figures of a study, none drawn yet; a function of a module, so that a process can find it."""


@dataclass(frozen=True)
class Drawn:
    """One figure as its files hold it."""

    name: str
    caption: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Drawings[S]:
    """Figures being drawn by a second process."""

    study: S
    figures: Maker[S]
    tasks: list[Future[Drawn]]

    def finish(self) -> list[Drawn]:
        """All figures in reading order; this process draws those not begun, from the last on."""
        own = {
            number: draw(self.study, self.figures, number)
            for number in reversed(range(len(self.tasks)))
            if self.tasks[number].cancel()
        }
        return [
            own[number] if number in own else task.result()
            for number, task in enumerate(self.tasks)
        ]


@contextmanager
def second_process() -> Generator[Executor]:
    """A process to draw in; it does its imports at once, while this one measures and fits."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_ready)
        yield pool


def begin[S](study: S, figures: Maker[S], pool: Executor) -> Drawings[S]:
    """Begin to draw; take the figures with ``finish()``."""
    numbers = range(len(list(figures(study))))
    return Drawings(study, figures, [pool.submit(draw, study, figures, n) for n in numbers])


def _ready() -> None:
    """Nothing: what matters is that this module was imported."""


def draw[S](study: S, figures: Maker[S], number: int) -> Drawn:
    """Figure ``number`` of the report."""
    item = list(figures(study))[number]
    figure = item.draw()
    svg = plots.to_svg_string(figure)
    return Drawn(item.name, item.caption, svg, plots.to_png_bytes(figure))
