"""The walk that every importer shares: try each part, hold its seeds, assemble, report."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from vs_logging._assemble import Curves, assemble, duplicate_seeds
from vs_logging._importer import ImportOptions
from vs_logging.report import Imported, ImportReport, Problems
from vs_logging.table import RunTableError
from vs_logging.tasks import find_task


@dataclass(frozen=True)
class Part:
    """The curves of one part of a source: a file, a seed of an experiment, a tracked run.

    Attributes:
        curves: One entry per configuration, or per seed of it.
        unnamed: Curves of seeds without a number, which get the next free ones of their run.
        repeats: Number of exactly repeated rows that were left out.
        remarks: What else was done → number of rows.
    """

    curves: Sequence[Curves]
    unnamed: Sequence[Curves] = ()
    repeats: int = 0
    remarks: Mapping[str, int] = field(default_factory=dict)


def read_parts[P](
    parts: Iterable[tuple[str, P]],
    read: Callable[[str, P], Part],
    problems: Problems,
) -> list[tuple[P, Part]]:
    """Read the parts of a source; a seed of a configuration belongs to the first that holds it.

    Args:
        parts: Name and content of each.
        read: From name and content to curves; a ``RunTableError`` makes the part a bad one.
        problems: Collects bad parts.

    Returns:
        The good parts that have curves, each with these.

    Raises:
        RunTableError: A part is bad, or holds a configuration and seed of an earlier one
            (``on_error="raise"``).
    """
    holders: dict[tuple[str, int], str] = {}

    def attempt(name: str, content: P) -> Part:
        part = read(name, content)
        places = [place for curves in part.curves for place in _places(curves)]
        for place in places:
            if place in holders:
                raise RunTableError(
                    f"same configuration and seed {place[1]} as {holders[place]}; leave one out, "
                    "or name in --fields or --pattern the setting (or seed) in which they differ"
                )
        holders.update(dict.fromkeys(places, name))
        return part

    found = []
    for name, content in parts:
        part = problems.attempt(name, lambda n=name, c=content: attempt(n, c))
        if part is not None and part.curves:
            found.append((content, part))
    return found


def tabulate(
    parts: Sequence[Part],
    problems: Problems,
    options: ImportOptions,
    *,
    grammar: str,
    expected: str,
    after_end: int = 0,
    notes: Sequence[str] = (),
) -> Imported:
    """Assemble the run table and its report.

    Args:
        parts: All that was read.
        problems: The source's name, and what was skipped.
        options: ``envs``, ``benchmarks`` and ``normalise`` are used.
        grammar: Format of the source.
        expected: Contents of such a source, for the message if nothing was read.
        after_end: Number of rows dropped after the true ends of seeds.
        notes: For the report.

    Raises:
        RunTableError: There is no part, or a row fails :func:`vs_logging.validate`.
    """
    unnamed = _numbered(parts)
    curves = [one for part in parts for one in part.curves] + unnamed
    curves = [one for one in curves if options.selects(one.config)]
    if not curves:
        raise problems.nothing_left(f"{expected}{options.selection}")
    table = assemble(curves, source=problems.source)
    remarks: Counter[str] = Counter()
    for part in parts:
        remarks.update(part.remarks)
    counted = [f"{count} {what}" for what, count in remarks.items()]
    if unnamed:
        counted.append(
            f"{len(unnamed)} seeds have no number of their own in the source: whole curves after one "
            "another, numbered after the named seeds (--repeats restart keeps the last of each)"
        )
    if repeat := sorted({one.config.get("action_repeat") or 1 for one in curves} - {1}):
        counted.append(f"action_repeat is {', '.join(map(str, repeat))} env steps per decision")
    if options.normalise == "best-run":
        table, best = _normalised(table)
        counted += best
    report = ImportReport(
        source=problems.source,
        grammar=grammar,
        runs=table["run"].n_unique(),
        seeds=sum(one.returns.shape[1] for one in curves),
        rows=table.height,
        duplicate_seeds=duplicate_seeds(curves),
        deduplicated_rows=sum(part.repeats for part in parts),
        after_end_rows=after_end,
        skipped=tuple(problems.skipped),
        notes=(*notes, *counted),
    )
    return Imported(table, report)


def _places(curves: Curves) -> list[tuple[str, int]]:
    numbers = range(curves.returns.shape[1]) if curves.seeds is None else curves.seeds.tolist()
    return [(curves.run, number) for number in numbers]


def _numbered(parts: Sequence[Part]) -> list[Curves]:
    """Give the curves without a seed's number the next free ones of their run."""
    free: dict[str, int] = {}
    for part in parts:
        for run, number in (place for curves in part.curves for place in _places(curves)):
            free[run] = max(free.get(run, 0), number + 1)
    found = []
    for curves in (one for part in parts for one in part.unnamed):
        found.append(replace(curves, seeds=np.array([free[curves.run]])))
        free[curves.run] += 1
    return found


def _normalised(table: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Take the final return of its best run as the optimal return of each unknown task."""
    if "optimal_return" not in table.columns:
        table = table.with_columns(optimal_return=pl.lit(None, pl.Float64))
    finals = (
        table.filter(pl.col("return_").is_finite())
        .sort("env_step")
        .group_by("benchmark", "env", "run", "seed")
        .agg(pl.col("return_").last(), pl.col("optimal_return").first())
        .group_by("benchmark", "env", "run")
        .agg(pl.col("return_").mean(), pl.col("optimal_return").first())
        .group_by("benchmark", "env")
        .agg(pl.col("return_").max(), pl.col("optimal_return").count())
        .sort("benchmark", "env")
    )
    notes = []
    for benchmark, env, best, given in finals.iter_rows():
        known = find_task(env)
        if given or (known is not None and known.benchmark == benchmark):
            continue
        if best <= 0:
            raise RunTableError(
                f"{env}: its best run ends at {best:g}, and returns are divided by that; expected a "
                "number above 0 for --normalise best-run"
            )
        here = (pl.col("benchmark") == benchmark) & (pl.col("env") == env)
        table = table.with_columns(
            optimal_return=pl.when(here).then(best).otherwise("optimal_return")
        )
        notes.append(
            f"{env}: 1000 is {best:g}, the mean return at which its best run ends "
            "(--normalise best-run), not the optimal return of the task"
        )
    return table, notes
