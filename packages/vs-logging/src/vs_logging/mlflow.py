"""Import runs of MLflow's file store: ``mlruns/EXPERIMENT/RUN/metrics/NAME``."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files, is_format, load_numbers
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_RUN = r"meta\.yaml"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each run as one process; its settings are its parameters. Deleted ones are left out.

    The pattern is searched in the path below the store, then the run's name. The step of
    ``log_metric`` is the env step.
    """
    key = options.return_key or options.columns.get("value") or options.needed_key(source)
    columns = {name: column for name, column in options.columns.items() if name != "value"}
    return import_rows(
        source,
        [(name, path) for name, path in find_files(source, _RUN) if _is_run(path)],
        lambda name, path: [_run(name, path.parent, key)],
        replace(options, return_key=None, columns=columns),
        grammar="mlflow",
        expected=f"folders of runs that logged the metric {key}",
        notes=["the step of log_metric is the env step"],
    )


MLFLOW = Importer(
    name="mlflow",
    source="a file store of MLflow (mlruns)",
    example="mlruns --return-key eval/return",
    sniff=lambda source: (
        is_format(source, _RUN) and any(_is_run(path) for _, path in find_files(source, _RUN))
    ),
    read=_read,
)


def _is_run(path: Path) -> bool:
    """Tell whether the folder is a run, and not a deleted one."""
    if not (path.parent / "metrics").is_dir():
        return False
    return "lifecycle_stage: deleted" not in path.read_text(encoding="utf-8", errors="replace")


def _run(name: str, folder: Path, key: str) -> Rows:
    metrics = folder / "metrics"
    if not (metrics / key).is_file():
        names = sorted(p.relative_to(metrics).as_posix() for p in metrics.rglob("*") if p.is_file())
        raise RunTableError(f"it has no metric {key}; it has {', '.join(names[:20]) or 'none'}")
    rows, _ = load_numbers(metrics / key, (1, 2))
    values, steps = rows.T
    title = folder / "tags" / "mlflow.runName"
    shown = f", {title.read_text(encoding='utf-8').strip()}" if title.is_file() else ""
    parameters = folder / "params"
    stored = {
        path.relative_to(parameters).as_posix(): path.read_text(encoding="utf-8").strip()
        for path in sorted(parameters.rglob("*"))
        if path.is_file()
    }
    return Rows(f"{name}{shown}", pl.DataFrame({"env_step": steps, "return_": values}), stored)
