"""``vs-analyze import``: any source to one run table, with a word on what was left out."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal

import vs_logging as vslog

from vs_analyze.runs import AnalysisError

type OnError = Literal["raise", "skip"]


def import_curves(
    source: str,
    out: Path,
    *,
    grammar: str = "auto",
    pattern: str | None = None,
    return_key: str | None = None,
    fields: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    on_error: OnError = "raise",
) -> vslog.ImportReport:
    """Import ``source`` and write it to ``out`` (.parquet).

    Args:
        source: a .zip of arrays, a tidy .csv, a folder of TensorBoard event files, or
            ``wandb:ENTITY/PROJECT``.
        out: the file to write; it appears only when whole.
        grammar: of a zip's members.
        pattern: regular expression with named groups over the experiment's name (CSV, TensorBoard).
        return_key: tag or key of the evaluation return (TensorBoard, W&B; a CSV's metric).
        fields: column → key of the run's config (TensorBoard, W&B).
        constants: run table columns that are the same in all rows.
        on_error: a bad member stops the import, or is named and skipped.

    Raises:
        AnalysisError, vs_logging.RunTableError: with one sentence on what is wrong.
    """
    given = dict(constants or {})
    if source.startswith("wandb:"):
        imported = vslog.import_wandb(
            _wandb_api(), source.removeprefix("wandb:"), return_key=_needed(return_key, source),
            fields=fields, constants=given, on_error=on_error,
        )  # fmt: skip
    elif Path(source).is_dir():
        imported = vslog.import_tensorboard(
            source, return_tag=_needed(return_key, source), pattern=pattern, fields=fields,
            constants=given, on_error=on_error,
        )  # fmt: skip
    elif source.endswith(".csv"):
        imported = vslog.import_csv(
            source, pattern=pattern, constants=given, return_metric=return_key, on_error=on_error
        )
    elif source.endswith(".zip"):
        imported = vslog.import_zip(source, grammar=grammar, constants=given, on_error=on_error)
    else:
        raise AnalysisError(
            f"{source}: expected a .zip, a .csv, a folder of TensorBoard event files, or "
            "wandb:ENTITY/PROJECT"
        )
    vslog.write_table(imported.table, out)
    return imported.report


def _needed(return_key: str | None, source: str) -> str:
    if return_key is None:
        raise AnalysisError(f"{source}: give --return-key, the name of the evaluation return")
    return return_key


def _wandb_api() -> vslog.WandbApi:
    try:
        return import_module("wandb").Api()
    except ImportError:
        raise AnalysisError("wandb is not installed: pip install 'vs-analyze[wandb]'") from None
