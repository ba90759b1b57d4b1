"""The walk that every importer shares: try each part, hold its seeds, assemble, report."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vs_logging._assemble import Curves, assemble, duplicate_seeds
from vs_logging.report import Imported, ImportReport, Problems
from vs_logging.table import RunTableError, run_id


@dataclass(frozen=True)
class Part:
    """The curves of one part of a source: a file, an experiment, a tracked run.

    Attributes:
        curves: One entry per configuration, or per seed of it.
        repeats: Number of exactly repeated rows that were left out.
    """

    curves: Sequence[Curves]
    repeats: int = 0


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
        The good parts, each with its curves.

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
                    "or name in fields or pattern the setting in which they differ"
                )
        holders.update(dict.fromkeys(places, name))
        return part

    found = []
    for name, content in parts:
        part = problems.attempt(name, lambda n=name, c=content: attempt(n, c))
        if part is not None:
            found.append((content, part))
    return found


def tabulate(
    parts: Sequence[Part],
    problems: Problems,
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
        grammar: Format of the source.
        expected: Contents of such a source, for the message if nothing was read.
        after_end: Number of rows dropped after the true ends of seeds.
        notes: For the report.

    Raises:
        RunTableError: There is no part, or a row fails :func:`vs_logging.validate`.
    """
    curves = [one for part in parts for one in part.curves]
    if not curves:
        raise problems.nothing_left(expected)
    table = assemble(curves, source=problems.source)
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
        notes=tuple(notes),
    )
    return Imported(table, report)


def _places(curves: Curves) -> list[tuple[str, int]]:
    run = run_id({**curves.config, **curves.extra})
    numbers = range(curves.returns.shape[1]) if curves.seeds is None else curves.seeds.tolist()
    return [(run, number) for number in numbers]
