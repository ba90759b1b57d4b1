"""Curves as arrays → one run table, without a Python loop over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vs_logging.table import (
    FACTS,
    IDENTITY_COLUMNS,
    OPTIONAL_SCHEMA,
    SCHEMA,
    run_id,
    validate,
)

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """All seeds of one configuration.

    Attributes:
        config: The completed configuration; hashed into the run's id.
        steps: Shape (T,) env steps.
        returns: Shape (T, S).
        diagnostics: Name → shape (T, S).
        seeds: Shape (S,) the seeds' numbers; their position by default.
        ends: Shape (S,) number of leading rows that are measurements; all by default.
        flags: Name → shape (S,), constant within a seed (``stopped_on_success``).
        extra: Constant optional columns, hashed too (``passive_critic_width``), as are the
            ``IDENTITY_COLUMNS`` of ``config``. ``FACTS`` of either are columns, too, but are
            not hashed.
    """

    config: Mapping[str, Any]
    steps: NDArray[np.int64]
    returns: Floats
    diagnostics: Mapping[str, Floats] = field(default_factory=dict)
    seeds: NDArray[np.int64] | None = None
    ends: NDArray[np.int64] | None = None
    flags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def run(self) -> str:
        """The run's id: a hash of all settings, without the facts of its task."""
        settings = {**self.config, **self.extra}
        return run_id({name: settings[name] for name in settings if name not in FACTS})


def duplicate_seeds(runs: Sequence[Curves]) -> int:
    """Seeds whose returns copy another seed of their run bit by bit (all-NaN ones apart)."""
    keys = [
        (curves.run, curves.steps.tobytes(), column.tobytes())
        for curves in runs
        for column in curves.returns.T
        if not np.isnan(column).all()
    ]
    return len(keys) - len(set(keys))


def assemble(runs: Sequence[Curves], *, source: str) -> pl.DataFrame:
    """Stack curves into a validated run table, seed by seed.

    Rows beyond a seed's ``ends`` are left out; rows before that in which it logged nothing keep
    their place, with a NaN return: a seed that diverged has rows without a number.
    """
    kept = [_measured(curves) for curves in runs]
    counts = [int(mask.sum()) for mask in kept]
    names = list(dict.fromkeys(name for curves in runs for name in curves.diagnostics))
    columns: dict[str, Any] = {}
    columns["seed"] = np.concatenate(
        [np.nonzero(mask)[0] if c.seeds is None else c.seeds[np.nonzero(mask)[0]]
         for c, mask in zip(runs, kept, strict=True)]
    )  # fmt: skip
    columns["env_step"] = np.concatenate(
        [c.steps[np.nonzero(mask)[1]] for c, mask in zip(runs, kept, strict=True)]
    )
    columns["return_"] = np.concatenate(
        [c.returns.T[mask] for c, mask in zip(runs, kept, strict=True)]
    )
    for name in names:
        columns[name] = np.concatenate(
            [c.diagnostics[name].T[mask] if name in c.diagnostics else np.full(count, np.nan)
             for c, mask, count in zip(runs, kept, counts, strict=True)]
        )  # fmt: skip
    for name in dict.fromkeys(name for c in runs for name in c.flags):
        columns[name] = np.concatenate(
            [c.flags[name][np.nonzero(mask)[0]] if name in c.flags else np.zeros(count, bool)
             for c, mask, count in zip(runs, kept, counts, strict=True)]
        )  # fmt: skip
    rows = pl.DataFrame(columns)
    # A metric that no run logged is no column; NaN in a diagnostic means "not logged here".
    unlogged = [name for name in names if rows[name].is_nan().all()]
    rows = rows.drop(unlogged).with_columns(
        pl.col(name).fill_nan(None) for name in names if name not in unlogged
    )
    which = pl.Series(np.repeat(np.arange(len(runs), dtype=np.uint32), counts))
    constants = _constants(runs)[which]
    return validate(pl.concat([constants, rows], how="horizontal"), source=source)


def _measured(curves: Curves) -> NDArray[np.bool_]:
    """Return a mask of shape (S, T): the rows of each seed that go into the table."""
    length = len(curves.steps)
    if curves.ends is None:
        return np.ones(curves.returns.T.shape, bool)
    # A seed that logged nothing keeps its rows: it ran, and the analysis should hear of it.
    end = np.where(np.isnan(curves.returns).all(axis=0), length, curves.ends)
    return np.arange(length) < end[:, None]


def _constants(runs: Sequence[Curves]) -> pl.DataFrame:
    settings = [{**curves.config, **curves.extra} for curves in runs]
    data: dict[str, list[Any]] = {"run": [curves.run for curves in runs]}
    for name in (*IDENTITY_COLUMNS, *FACTS):
        if any(name in one for one in settings):
            data[name] = [one.get(name) for one in settings]
    known = SCHEMA | OPTIONAL_SCHEMA
    return pl.DataFrame(data, schema={name: known[name] for name in data})
