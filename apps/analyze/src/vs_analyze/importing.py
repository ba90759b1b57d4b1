"""``vs-analyze import``: any sources to one run table, with a report of what was left out."""

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import tyro
import vs_logging as vslog
from tyro.conf import Positional

from vs_analyze.runs import AnalysisError


@dataclass(frozen=True)
class Import:
    """Turn curves of any origin into a run table (one Parquet file)."""

    source: Positional[tuple[str, ...]] = ()
    """Files, folders or glob patterns of one of the formats that --list shows, or
    wandb:ENTITY/PROJECT."""
    out: Path | None = None
    """The .parquet file to write."""
    dry_run: bool = False
    """Read and print the preview, and write nothing."""
    formats: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Print the formats, each with an example."""
    grammar: str = "auto"
    """Names of a zip's members (qscaled, bro, simbav2, bro-ablations), or the format of a source
    that could be several (--list shows them)."""
    columns: tuple[str, ...] = ()
    """Columns of a table, NAME=COLUMN: step, value (the return), seed, env and any setting; a NAME
    that the run table does not have tells runs apart."""
    pattern: str | None = None
    """Regular expression with named groups (utd, batch_size, seed, …) that reads the hyperparameters
    out of exp_name (CSV) or the path of a file or folder."""
    mapping: Path | None = None
    """Table (.csv) whose first column is exp_name, or a name in the path, and whose other columns are
    the settings that it stands for."""
    axis: int | None = None
    """Axis of an array that counts the evaluations, 0 or 1; the other counts the seeds."""
    step_every: int | None = None
    """Env steps between the evaluations of an array that has no steps."""
    return_key: str | None = None
    """Metric, tag or key of the evaluation return [a CSV's return, episode.return or avg_return]."""
    step_key: str | None = None
    """Key of the env step in a W&B history [env_step]; tag of a TensorBoard scalar that counts env
    steps [the events' own step]."""
    diagnostics: dict[str, str] = field(default_factory=dict)
    """Further metrics, COLUMN KEY pairs, e.g. critic_loss losses/qf_loss [all metrics of a CSV, none of
    TensorBoard and W&B]."""
    fields: dict[str, str] = field(default_factory=dict)
    """COLUMN KEY pairs, where a run's stored configuration keeps a column (TensorBoard, W&B, RLlib,
    Optuna, MLflow, Trackio, JSON)."""
    config_file: str = "config.json"
    """JSON file with a run's configuration beside its TensorBoard event files."""
    filters: str | None = None
    """MongoDB query on the runs of a W&B project, as JSON: '{"state": "finished"}'."""
    tags: tuple[str, ...] = ()
    """W&B runs that have one of these tags [all]."""
    constants: dict[str, str] = field(default_factory=dict)
    """Run table columns that are the same for all rows, NAME VALUE pairs."""
    env: tuple[str, ...] = ()
    """Tasks to import, in any spelling [all]."""
    benchmark: tuple[str, ...] = ()
    """Benchmarks to import, e.g. dmc gym humanoid_bench [all]."""
    repeats: Literal["last", "mean", "restart", "refuse"] | None = None
    """Steps that a seed has several times: keep what came last, average (several episodes), or keep
    the last attempt of a run that began again [exact copies are dropped, of resumed runs the last
    value is kept, the rest is refused]."""
    action_repeat: int | None = None
    """Env steps per decision of the agent; updates, and so FLOPs, are counted per decision [what a
    run's configuration says, else 1]."""
    step_unit: Literal["frames", "decisions"] = "frames"
    """Unit of the source's steps: frames of the simulator, or decisions of the agent."""
    steps_scale: float = 1.0
    """Env steps per step of the source: 1e6 for steps in millions."""
    normalise: Literal["best-run"] | None = None
    """For tasks of unknown optimal return: take the return at which the task's best run ends."""
    on_error: Literal["raise", "skip"] = "raise"
    """Stop the import at a bad part, or name it and skip the smallest part that is bad."""

    def options(self) -> vslog.ImportOptions:
        """Return the flags as the importers' options.

        Raises:
            ValueError: ``--filters`` is no JSON object.
        """
        return vslog.ImportOptions(
            grammar=self.grammar, columns=_pairs(self.columns), pattern=self.pattern,
            mapping=None if self.mapping is None else str(self.mapping), axis=self.axis,
            step_every=self.step_every, return_key=self.return_key,
            step_key=self.step_key, diagnostics=self.diagnostics, fields=self.fields,
            config_file=self.config_file, filters=_json_object(self.filters), tags=self.tags,
            constants=self.constants, envs=self.env, benchmarks=self.benchmark, repeats=self.repeats,
            action_repeat=self.action_repeat, step_unit=self.step_unit,
            steps_scale=self.steps_scale, normalise=self.normalise, on_error=self.on_error,
        )  # fmt: skip


def import_curves(sources: Sequence[str], options: vslog.ImportOptions) -> vslog.Imported:
    """Read sources into one run table; several are files (or folders) of one format or of many.

    Args:
        sources: paths, glob patterns or ``wandb:ENTITY/PROJECT``; `vs_logging.IMPORTERS` lists the
            formats.
        options: facts that the sources do not hold. With ``on_error="skip"`` a bad source among
            several is left out and named in the report.

    Raises:
        ImportError: the format needs an optional install.
        vs_logging.RunTableError: with one sentence on what is wrong.
    """
    names = [name for source in sources for name in _expand(source)]
    if not names:
        raise vslog.RunTableError("no source is given; vs-analyze import --list shows the formats")
    if len(names) == 1:
        return _read(names[0], options)
    found: list[vslog.Imported] = []
    skipped: list[vslog.Skipped] = []
    holders: dict[tuple[str, int], str] = {}
    for name in names:
        try:
            imported = _read(name, options)
            _register(name, imported.table, holders)
        except vslog.RunTableError as error:
            if options.on_error == "raise":
                raise
            skipped.append(vslog.Skipped(name, str(error).removeprefix(f"{name}: ")))
        else:
            found.append(imported)
    if not found:
        raise vslog.RunTableError(
            f"{' '.join(sources)}: nothing to import (first problem: {': '.join(skipped[0])})"
        )
    source = " ".join(sources) if len(sources) < 4 else f"{sources[0]} … {sources[-1]}"
    return _merge(source, found, skipped)


def read_curves(
    frame: Any,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, object] | None = None,
    return_key: str | None = None,
    pattern: str | None = None,
    mapping: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> vslog.Imported:
    """Turn a frame with an evaluation in each row into a run table, for `load_runs`.

    Args:
        frame: a polars or pandas frame of any columns.
        columns: column of the run table → column of the frame, as ``{"step": "frame", "value":
            "episode_reward", "env": "task"}``; columns with the table's own names need no entry.
        constants: settings of all rows, as ``{"algo": "sac"}``.
        return_key: the column (or the value of a column ``metric``) that is the return.
        pattern: regular expression with named groups, searched in a column ``exp_name``.
        mapping: file whose first column is ``exp_name`` and whose others are settings.
        on_error: stop at a bad curve, or leave it out and name it in the report.

    Returns:
        The table and the report.

    Raises:
        AnalysisError: the object is no frame.
        vs_logging.RunTableError: with one sentence on what is wrong.
    """
    options = vslog.ImportOptions(
        columns=columns or {}, constants=constants or {}, return_key=return_key,
        pattern=pattern, mapping=mapping, on_error=on_error,
    )  # fmt: skip
    return vslog.import_frame(to_polars(frame, source="frame"), options)


def to_polars(frame: Any, *, source: str) -> pl.DataFrame:
    """Return a polars or pandas frame as a polars DataFrame.

    Raises:
        AnalysisError: the object is neither.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not hasattr(frame, "columns") or not hasattr(frame, "to_dict"):
        raise AnalysisError(
            f"{source}: expected a polars or pandas DataFrame, got {type(frame).__name__}"
        )
    data = {str(name): frame[name].to_list() for name in frame.columns}
    return pl.DataFrame(data, strict=False)


def _expand(source: str) -> list[str]:
    """Return the paths that a glob pattern stands for; a source that is no pattern is itself."""
    if Path(source).exists() or not glob.has_magic(source):
        return [source]
    found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (absolute patterns, too)
    if not found:
        raise vslog.RunTableError(f"{source}: no file matches this pattern")
    return found


def _read(source: str, options: vslog.ImportOptions) -> vslog.Imported:
    return vslog.find_importer(source, options.grammar).read(source, options)


def _register(name: str, table: pl.DataFrame, holders: dict[tuple[str, int], str]) -> None:
    """Note the seeds of a source, and refuse one that an earlier source has."""
    seeds = [(run, seed) for run, seed in table.select("run", "seed").unique().rows()]
    for run, seed in sorted(seeds):
        if (run, seed) in holders:
            raise vslog.RunTableError(
                f"{name}: same configuration and seed {seed} as {holders[run, seed]}; leave one out, "
                "or name in --columns, --pattern or --mapping the setting in which they differ"
            )
    holders.update(dict.fromkeys(seeds, name))


def _merge(
    source: str, found: Sequence[vslog.Imported], skipped: Sequence[vslog.Skipped]
) -> vslog.Imported:
    reports = [imported.report for imported in found]
    table = vslog.validate(
        pl.concat([imported.table for imported in found], how="diagonal"), source=source
    )
    counts = ("seeds", "duplicate_seeds", "deduplicated_rows", "after_end_rows")
    report = replace(
        reports[0],
        source=source,
        grammar=", ".join(dict.fromkeys(report.grammar for report in reports)),
        runs=table["run"].n_unique(),
        rows=table.height,
        skipped=(*(entry for report in reports for entry in report.skipped), *skipped),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        **{name: sum(getattr(report, name) for report in reports) for name in counts},
    )
    return vslog.Imported(table, report)


def _json_object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--filters {text!r} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(
            f'--filters {text!r} is no JSON object; expected e.g. {{"state": "finished"}}'
        )
    return found


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    """Return ``NAME=COLUMN`` as a mapping."""
    for pair in columns:
        if not all(pair.partition("=")):
            raise ValueError(f"--columns {pair}: expected NAME=COLUMN, e.g. step=global_step")
    return dict(pair.split("=", 1) for pair in columns)
