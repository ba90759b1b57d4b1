"""Import ``progress.csv``, which the logger of Stable-Baselines3 writes (format ``csv``)."""

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files
from vs_logging._text import is_table, read_text
from vs_logging.report import Imported

_NAMES = r"[^.]*progress\.csv"
_STEP = "time/total_timesteps"
_RETURNS = ("eval/mean_reward", "rollout/ep_rew_mean")


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one process; its return is that of evaluations, if it has those."""
    return import_rows(
        source,
        find_files(source, _NAMES),
        lambda name, path: [Rows(name, read_text(path))],
        options,
        grammar="sb3-progress",
        expected=f"files called progress.csv with the columns {_STEP} and {_RETURNS[0]}",
        steps=(_STEP,),
        returns=_RETURNS,
        notes=["rollout/… are returns of training episodes, eval/… of evaluations"],
    )


SB3_PROGRESS = Importer(
    name="sb3-progress",
    source="a progress.csv of Stable-Baselines3",
    example="logs --pattern 'utd(?P<utd>[0-9]+)_s(?P<seed>[0-9]+)'",
    sniff=lambda source: is_table(source, _NAMES, lambda names: _STEP in names),
    read=_read,
)
