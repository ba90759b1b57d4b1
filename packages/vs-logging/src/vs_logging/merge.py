"""Put several imports into one table."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl

from vs_logging.report import Imported, ImportReport
from vs_logging.table import RunTableError


def merge_imports(imports: Sequence[Imported]) -> Imported:
    """Concatenate imported tables; the same configuration in two sources becomes one run.

    A seed whose returns copy, bit by bit, those that an earlier source holds for the same run is
    dropped (the published files round the steps of one seed differently, so steps are compared
    only for constant returns); any other seed of that run is new, and gets the next free number.
    The report counts both. Copies within one source stay, as the importers leave them.

    Raises:
        RunTableError: There is nothing to merge.
    """
    if not imports:
        raise RunTableError("nothing to merge; expected at least one import")
    return reduce(_add, imports)


def _add(left: Imported, right: Imported) -> Imported:
    shared = sorted(set(left.table["run"].unique()) & set(right.table["run"].unique()))
    in_both = pl.col("run").is_in(shared)
    held = {run: _curves(rows) for (run,), rows in left.table.filter(in_both).group_by("run")}
    again = right.table.filter(in_both)
    parts = [left.table, right.table.filter(~in_both)]
    copies = copied_twice = dropped_rows = 0
    for (run,), rows in again.group_by("run", maintain_order=True):
        earlier = set(held[run].values())
        number = max(held[run]) + 1
        curves = _curves(rows)
        dropped = [curve for curve in curves.values() if curve in earlier]
        copied_twice += len(dropped) - len(set(dropped))
        for seed, curve in curves.items():
            mine = rows.filter(pl.col("seed") == seed)
            if curve in earlier:
                copies += 1
                dropped_rows += mine.height
            else:
                parts.append(mine.with_columns(seed=pl.lit(number, pl.Int64)))
                number += 1
    a, b = left.report, right.report
    notes = [*a.notes, *(note for note in b.notes if note not in a.notes)]
    if shared:
        notes.append(
            f"{len(shared)} runs of {b.source} were there already: {copies} of their seeds are "
            "exact copies and dropped, the others added as new seeds"
        )
    report = ImportReport(
        source=f"{a.source}, {b.source}",
        grammar=a.grammar if a.grammar == b.grammar else f"{a.grammar}, {b.grammar}",
        runs=a.runs + b.runs - len(shared),
        seeds=a.seeds + b.seeds - copies,
        rows=a.rows + b.rows - dropped_rows,
        duplicate_seeds=a.duplicate_seeds + b.duplicate_seeds - copied_twice,
        deduplicated_rows=a.deduplicated_rows + b.deduplicated_rows + dropped_rows,
        after_end_rows=a.after_end_rows + b.after_end_rows,
        skipped=a.skipped + b.skipped,
        notes=tuple(notes),
    )
    return Imported(pl.concat(parts, how="diagonal_relaxed"), report)


def _curves(rows: pl.DataFrame) -> dict[int, bytes]:
    """Seed → its returns as bytes, every NaN alike; with its steps where they are constant."""
    curves = {}
    for (seed,), one in rows.sort("env_step").group_by("seed", maintain_order=True):
        values = one["return_"].fill_null(float("nan")).to_numpy().copy()
        values[np.isnan(values)] = np.nan
        curves[seed] = values.tobytes()
        if len(np.unique(values)) == 1:
            curves[seed] += one["env_step"].to_numpy().tobytes()
    return curves
