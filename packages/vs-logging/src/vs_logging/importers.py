"""The registry of importers: a new format is one module, and its `Importer` one entry here."""

from pathlib import Path

from vs_logging._grammars import GRAMMARS
from vs_logging._importer import Importer
from vs_logging.arrays import ARRAYS
from vs_logging.jaxrl import JAXRL
from vs_logging.json_arrays import JSON_ARRAYS
from vs_logging.mlflow import MLFLOW
from vs_logging.optuna import OPTUNA
from vs_logging.rllib import RLLIB
from vs_logging.sb3_evaluations import SB3_EVALUATIONS
from vs_logging.sb3_monitor import SB3_MONITOR
from vs_logging.sb3_progress import SB3_PROGRESS
from vs_logging.table import RunTableError
from vs_logging.tables import PARQUET, TABLE
from vs_logging.tabular import CSV
from vs_logging.tensorboard import TENSORBOARD
from vs_logging.tensorboard_csv import TENSORBOARD_CSV
from vs_logging.trackio import TRACKIO
from vs_logging.wandb import WANDB
from vs_logging.wandb_chart import WANDB_CHART
from vs_logging.wandb_history import WANDB_HISTORY
from vs_logging.zips import ZIP

IMPORTERS: tuple[Importer, ...] = (
    ZIP,
    TENSORBOARD,
    PARQUET,
    TABLE,
    JSON_ARRAYS,
    ARRAYS,
    CSV,
    WANDB,
    WANDB_CHART,
    WANDB_HISTORY,
    MLFLOW,
    TRACKIO,
    OPTUNA,
    RLLIB,
    SB3_PROGRESS,
    SB3_EVALUATIONS,
    SB3_MONITOR,
    TENSORBOARD_CSV,
    JAXRL,
)
"""All formats, general ones first; they are tried from the last to the first."""


def find_importer(source: str, grammar: str = "auto") -> Importer:
    """Return the importer that ``grammar`` names, else the one that recognises a source.

    Raises:
        RunTableError: There is no such grammar, or no importer recognises the source.
    """
    named = {importer.name: importer for importer in IMPORTERS}
    if grammar in named:
        return named[grammar]
    if grammar not in (known := ["auto", *named, *(member.name for member in GRAMMARS)]):
        raise RunTableError(f"--grammar is {grammar!r}; expected {', '.join(known)}")
    for importer in reversed(IMPORTERS):
        if importer.sniff(source):
            return importer
    absent = "" if Path(source).exists() else "no such file; "
    raise RunTableError(
        f"{source}: {absent}expected a source of one of the formats {', '.join(named)} "
        "(vs-analyze import --list describes them; --grammar names one)"
    )
