"""The tasks whose optimal return is known, and the ways in which people spell their names."""

import csv
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class KnownTask:
    """One task of ``tasks.csv``, which is made from vs-envs by tests/task_list.py.

    Attributes:
        benchmark: ``dmc``, ``gym`` or ``humanoid_bench``.
        env: Name, as in run tables.
        optimal_return: Raw return that counts as 1000; not above 0 where rewards are costs.
        source: Origin of that number.
    """

    benchmark: str
    env: str
    optimal_return: float
    source: str


_PREFIXES = {
    "dmc": "dmc",
    "dm_control": "dmc",
    "gym": "gym",
    "gymnasium": "gym",
    "mujoco": "gym",
    "hbench": "humanoid_bench",
    "humanoid_bench": "humanoid_bench",
    "humanoid": "humanoid_bench",  # humanoid_h1hand-walk-v0
}
_PREFIX = re.compile(rf"({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})[/_:-](.+)", re.I)
_ROBOT = re.compile(r"(?:humanoid_)?(h1(?:hand|simplehand|strong|touch)|g1)[-_](.+)")
_ALIASES = {"cupcatch": "ballincupcatch"}

# Names that follow a benchmark's style; an unlisted task of such a name has no known optimal return.
_STYLES = (
    (r"(humanoid_)?h1(hand|strong|touch|simplehand)?[-_].+[-_]v\d+", "humanoid_bench"),
    (r".+-v\d+-goal-(observable|hidden)", "metaworld"),
    (r"myo.+", "myosuite"),
    (r"[A-Z].*[-_]v\d+", "gym"),
)


@cache
def tasks() -> tuple[KnownTask, ...]:
    """Return the list, in the order of vs-envs."""
    text = resources.files("vs_logging").joinpath("tasks.csv").read_text(encoding="utf-8")
    return tuple(
        KnownTask(row["benchmark"], row["env"], float(row["optimal_return"]), row["source"])
        for row in csv.DictReader(text.splitlines())
    )


def find_task(name: str) -> KnownTask | None:
    """Find a task by its name, in any of its spellings.

    ``dmc/walker-walk``, ``dmc_walker_walk``, ``dm_control/walker-walk-v0``, ``walker_walk`` and
    ``walker-walk`` are one task; so are ``Gym-Ant-v4``, ``Ant_v4`` and ``Ant-v4``. A prefix that
    names a benchmark limits the search to it. A HumanoidBench task is the same for every robot.
    """
    exact = _by_name().get(name)
    if exact is not None:
        return exact
    prefix = _PREFIX.fullmatch(name)
    if prefix is not None:
        found = _listed(prefix[2], _PREFIXES[prefix[1].lower()])
        if found is not None:
            return found
    robot = _ROBOT.fullmatch(name)
    if robot is not None:
        found = _listed(f"h1-{robot[2]}", "humanoid_bench")
        return found if found is None else replace(found, env=found.env.replace("h1", robot[1], 1))
    return _listed(name, None)


def guess_benchmark(env: str) -> str:
    """Return a task's benchmark: by the list, a prefix, or its style, else ``unknown``."""
    known = find_task(env)
    if known is not None:
        return known.benchmark
    style = next((benchmark for form, benchmark in _STYLES if re.fullmatch(form, env)), None)
    if style is not None:
        return style
    prefix = _PREFIX.fullmatch(env)
    if prefix is not None and prefix[1].lower() != "humanoid":
        return _PREFIXES[prefix[1].lower()]
    return "unknown"


@cache
def _by_name() -> dict[str, KnownTask]:
    return {task.env: task for task in tasks()}


@cache
def _by_letters() -> dict[str, KnownTask]:
    return {_letters(task.env): task for task in tasks()}


def _listed(name: str, benchmark: str | None) -> KnownTask | None:
    letters = _letters(name)
    letters = _ALIASES.get(letters, letters)
    found = _by_letters().get(letters)
    if found is None and benchmark == "dmc":  # gymnasium's names of dm_control tasks have a version
        found = _by_letters().get(_letters(re.sub(r"[-_]v\d+$", "", name)))
    return found if found is None or benchmark in (None, found.benchmark) else None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
