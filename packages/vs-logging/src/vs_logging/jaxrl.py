"""Import folders of text files, ``SEED.txt`` with lines ``step return``, as jaxrl writes them.

Its descendants (SR-SAC, BRO, rl_with_resets) keep the layout: a folder for each configuration.
"""

from pathlib import Path

from vs_logging._importer import Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._sources import find_files, is_format, load_numbers
from vs_logging.report import Imported

_NAMES = r"[0-9]+\.txt"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one process, of the seed that is its name."""
    return import_processes(
        source,
        find_files(source, _NAMES),
        options,
        stored=lambda path: {"seed": path.stem},
        metrics=_evaluations,
        return_name="returns",
        grammar="jaxrl",
        expected="files called SEED.txt with lines 'step return'",
    )


JAXRL = Importer(
    name="jaxrl",
    source="a folder of SEED.txt files with lines 'step return'",
    example="results --pattern 'updates_per_step_(?P<utd>[0-9]+)'",
    sniff=lambda source: is_format(source, _NAMES),
    read=_read,
)


def _evaluations(path: Path) -> dict[str, Series]:
    rows, remarks = load_numbers(path, (0, 1))
    steps, returns = rows.T
    return {"return_": Series(checked_steps(steps, "the step"), returns, remarks)}
