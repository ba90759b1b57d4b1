"""Import the CSV of one scalar of one run, which TensorBoard's page offers for download."""

from pathlib import Path

from vs_logging._importer import Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._sources import find_files, is_format, load_numbers
from vs_logging.report import Imported

_NAMES, _BEGINS = r"[^.].*\.csv", b"Wall time,Step,Value"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one process, of seed 0 unless the pattern finds another in its path."""
    return import_processes(
        source,
        find_files(source, _NAMES, begins=_BEGINS),
        options,
        stored=lambda _: {"seed": 0},
        metrics=_scalar,
        return_name="Value",
        grammar="tensorboard-csv",
        expected="files with the columns Wall time,Step,Value",
    )


TENSORBOARD_CSV = Importer(
    name="tensorboard-csv",
    source="a scalar's .csv from TensorBoard",
    example="scalars --pattern 'utd(?P<utd>[0-9]+)_s(?P<seed>[0-9]+)'",
    sniff=lambda source: is_format(source, _NAMES, begins=_BEGINS),
    read=_read,
)


def _scalar(path: Path) -> dict[str, Series]:
    rows, remarks = load_numbers(path, (1, 2), skip=1, separator=",")
    steps, values = rows.T
    return {"return_": Series(checked_steps(steps, "Step"), values, remarks)}
