"""The list of tasks that the analysis carries, made from vs-envs: ``uv run python tests/task_list.py``.

The analysis imports no simulator, and so it has a copy of what `vs_envs` knows of each task;
tests/test_every_task.py compares the two.
"""

import csv
import io
from pathlib import Path

from vs_envs import task, task_names
from vs_logging import benchmark_name

PATH = Path(__file__).parents[1] / "apps/analyze/src/vs_analyze/tasks.csv"


def task_list() -> str:
    """Return the list as CSV text, one row per task that comes with vs-envs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("benchmark", "env", "optimal_return", "source"))
    for known in map(task, task_names()):
        benchmark = benchmark_name(known.benchmark)
        writer.writerow((benchmark, known.env, f"{known.optimal_return:g}", known.source))
    return text.getvalue()


if __name__ == "__main__":
    PATH.write_text(task_list(), encoding="utf-8")
