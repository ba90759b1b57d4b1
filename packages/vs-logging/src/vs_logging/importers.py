"""The registry of importers: a new format is one module, and its `Importer` one entry here."""

from pathlib import Path

from vs_logging._grammars import GRAMMARS
from vs_logging._importer import Importer
from vs_logging.jaxrl import JAXRL
from vs_logging.sb3_evaluations import SB3_EVALUATIONS
from vs_logging.sb3_monitor import SB3_MONITOR
from vs_logging.table import RunTableError
from vs_logging.tabular import CSV
from vs_logging.tensorboard import TENSORBOARD
from vs_logging.tensorboard_csv import TENSORBOARD_CSV
from vs_logging.wandb import WANDB
from vs_logging.zips import ZIP

IMPORTERS: tuple[Importer, ...] = (
    ZIP,
    CSV,
    TENSORBOARD,
    WANDB,
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
    *kinds, last = (importer.source for importer in IMPORTERS)
    absent = "" if Path(source).exists() else "no such file; "
    raise RunTableError(f"{source}: {absent}expected {', '.join(kinds)}, or {last}")
