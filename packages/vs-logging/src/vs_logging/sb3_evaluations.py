"""Import ``evaluations.npz``, which Stable-Baselines3's EvalCallback writes."""

from pathlib import Path

from vs_logging._importer import Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._sources import find_files, is_format
from vs_logging._zipfile import open_zip, read_array
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_NAMES = r"evaluations\.npz"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one process, of seed 0 unless the pattern finds another in its path."""
    return import_processes(
        source,
        find_files(source, _NAMES),
        options,
        stored=lambda _: {"seed": 0},
        metrics=_evaluations,
        return_name="results",
        grammar="sb3-evaluations",
        expected="files called evaluations.npz",
        notes=lambda _: ["return_ is the mean over the episodes of an evaluation"],
    )


SB3_EVALUATIONS = Importer(
    name="sb3-evaluations",
    source="an evaluations.npz of Stable-Baselines3",
    example="logs --pattern 'utd(?P<utd>[0-9]+)_s(?P<seed>[0-9]+)'",
    sniff=lambda source: is_format(source, _NAMES),
    read=_read,
)


def _evaluations(path: Path) -> dict[str, Series]:
    with open_zip(path) as archive:
        try:
            found = [archive.getinfo(f"{name}.npy") for name in ("timesteps", "results")]
        except KeyError as error:
            raise RunTableError(f"{error.args[0]}; expected timesteps and results") from None
        steps, results = read_array(archive, found[0], axes=1), read_array(archive, found[1])
    if len(steps) != len(results):
        raise RunTableError(f"it has {len(steps)} timesteps but {len(results)} rows of results")
    return {"return_": Series(checked_steps(steps, "timesteps"), results.mean(axis=1))}
