"""The list of tasks of vs-logging, made from vs-envs: ``uv run python tests/task_list.py``.

Importers and the analysis import no simulator, and so they have a copy of what `vs_envs` knows of each
task, and of what it does not simulate; tests/test_every_task.py compares the two.
"""

import csv
import io
from pathlib import Path

from vs_envs import task, task_names
from vs_logging import benchmark_name

PATH = Path(__file__).parents[1] / "packages/vs-logging/src/vs_logging/tasks.csv"

_SUCCESS = "success_bar of the task in HumanoidBench's code (arXiv:2403.10506)"
_MANIPULATION = {
    "basketball": 1200,
    "bookshelf_hard": 2000,
    "bookshelf_simple": 2000,
    "cabinet": 2500,
    "cube": 370,
    "door": 600,
    "highbar_hard": 750,
    "highbar_simple": 750,
    "insert_normal": 350,
    "insert_small": 350,
    "kitchen": 4,
    "package": 1500,
    "powerlift": 800,
    "push": 700,
    "room": 400,
    "spoon": 650,
    "truck": 3000,
    "window": 650,
}
MORE = [
    ("dmc", "finger-turn", 1000, "the papers' name of a dm_control task, of rewards in [0, 1]"),
    *(("humanoid_bench", f"h1-{env}-v0", bar, _SUCCESS) for env, bar in _MANIPULATION.items()),
]
"""Tasks that people's curves are of, and that vs-envs does not make."""


def task_list() -> str:
    """Return the list as CSV text: the tasks that come with vs-envs, then the others."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("benchmark", "env", "optimal_return", "source"))
    for known in map(task, task_names()):
        benchmark = benchmark_name(known.benchmark)
        writer.writerow((benchmark, known.env, f"{known.optimal_return:g}", known.source))
    writer.writerows(MORE)
    return text.getvalue()


if __name__ == "__main__":
    PATH.write_text(task_list(), encoding="utf-8")
