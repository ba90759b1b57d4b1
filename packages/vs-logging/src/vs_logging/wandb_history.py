"""Import the history of runs of Weights & Biases as CSV, a file per run (``run.history()``)."""

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files
from vs_logging._text import TABLES, is_table, read_text
from vs_logging.report import Imported

_STEPS = ("env_step", "global_step")


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one process; W&B's own ``_step`` is an env step only if it is said so."""
    return import_rows(
        source,
        find_files(source, TABLES),
        lambda name, path: [Rows(name, read_text(path))],
        options,
        grammar="wandb-history",
        expected="tables with the columns _step, an env step and a return",
        steps=_STEPS,
    )


WANDB_HISTORY = Importer(
    name="wandb-history",
    source="the .csv of a W&B run's history",
    example="history.csv --columns step=global_step value=eval/return",
    sniff=lambda source: is_table(
        source,
        TABLES,
        lambda names: "_step" in names and {"_runtime", "_timestamp"} & {*names} != set(),
    ),
    read=_read,
)
