"""The file-name grammars of the two papers' published data.

Each grammar reads a member's path: its configuration, metric and file layout. Data:
value-scaling.github.io (arXiv:2502.04327 and, on model size, arXiv:2508.14881).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"
_TAIL = rf"utd_(?P<utd>{_NUMBER})/(?P<env>[^/]+)/(?P<metric>[^/]+)"
_ROOT = r"(?:[^/]+/)*?"

RETURN_METRICS = ("return", "episode.return", "avg_return")
_METRIC_NAMES = {
    "val_critic_loss": "validation_critic_loss",
    "separate_critic_loss": "passive_critic_loss",
    "sep_validation_critic_loss": "passive_validation_critic_loss",
} | dict.fromkeys(RETURN_METRICS, "return_")

INPUT_SIZES = {
    "acrobot-swingup": 7,
    "cheetah-run": 23,
    "finger-turn": 14,
    "finger-turn_easy": 14,
    "finger-turn_hard": 14,
    "fish-swim": 29,
    "hopper-hop": 19,
    "quadruped-run": 90,
    "walker-run": 30,
    **dict.fromkeys((f"dog-{verb}" for verb in ("run", "stand", "trot", "walk")), 261),
    **dict.fromkeys((f"humanoid-{verb}" for verb in ("run", "stand", "walk")), 88),
    **dict.fromkeys((f"h1-{verb}-v0" for verb in ("crawl", "pole", "run", "stand", "walk")), 70),
}
"""Observation + action sizes of the papers' tasks."""

BRO_SIZES = {
    "xs": 550_000,
    "s": 1_050_000,
    "sm": 2_830_000,
    "m": 4_920_000,
    "l": 26_310_000,
}
"""Critic parameters by the size letter of the older BRO files, as the BRO paper rounds them."""


@dataclass(frozen=True)
class Member:
    """Facts in a member's path.

    Attributes:
        config: Settings named by the path; ``variant`` holds the rest of the file name, less what
            names the passive critic.
        metric: The column its values go to.
        extra: Optional columns named by the path.
    """

    config: Mapping[str, Any]
    metric: str
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Grammar:
    """One family of files.

    Attributes:
        name: ``grammar`` of `ImportOptions` that picks it.
        example: A path in it, for messages.
        parse: Path → its facts, or None when it is not of this grammar.
        defaults: Settings that the paths leave out.
        step_every: Env steps between rows when the array has no step column.
        forward_filled: Returns continue after a seed's true end, see ``import_zip``.
        notes: For the import's report.
    """

    name: str
    example: str
    parse: Callable[[str], Member | None]
    defaults: Mapping[str, Any]
    step_every: int | None = None
    forward_filled: bool = False
    notes: tuple[str, ...] = ()


def simbav2_params(env: str, width: int) -> int | None:
    """Parameters of SimbaV2's two critics together, None for a task of unknown size.

    Each has an embedding of the inputs and one constant, two blocks that widen fourfold, and a head
    of 101 bins, with a scaler after every hyperspherical layer. Gives the published counts for h1
    tasks: 604362, 2322634, 9101514, 36028618, 143360202 at widths 128 to 2048.
    """
    size = INPUT_SIZES.get(env)
    if size is None:
        return None
    embedding, block, head = (size + 1) * width + width, 8 * width**2 + 5 * width, width**2 + width
    return 2 * (embedding + 2 * block + head + 101 * width + 101)


def _matcher(
    pattern: str, read: Callable[[Mapping[str, str]], Member]
) -> Callable[[str], Member | None]:
    compiled = re.compile(_ROOT + pattern)

    def parse(path: str) -> Member | None:
        match = compiled.fullmatch(path)
        return None if match is None else read(match.groupdict(default=""))

    return parse


def _metric(found: Mapping[str, str]) -> str:
    return _METRIC_NAMES.get(found["metric"], found["metric"])


def _common(found: Mapping[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "env": found["env"],
        "utd": float(found["utd"]),
        "batch_size": int(found["batch_size"]),
    }
    if found.get("learning_rate"):
        config["learning_rate"] = float(found["learning_rate"])
    if found.get("variant"):
        config["variant"] = found["variant"]
    return config


def _qscaled(found: Mapping[str, str]) -> Member:
    return Member(config=_common(found), metric=_metric(found))


def _bro(found: Mapping[str, str]) -> Member:
    config = _common(found)
    config |= {"critic_width": int(found["width"]), "critic_params": int(found["params"])}
    extra: dict[str, object] = {}
    # sep_True_w512p2286792: a passive critic of that size; sep_False_w512p1 is a placeholder.
    passive = re.search(r"(?:^|_)sep_(True|False)_w(\d+)p(\d+)", found["variant"])
    if passive is not None:
        config["variant"] = found["variant"].replace(passive[0], "")
        if passive[1] == "True":
            extra = {
                "passive_critic_width": int(passive[2]),
                "passive_critic_params": int(passive[3]),
            }
    return Member(config=config, metric=_metric(found), extra=extra)


def _simbav2(found: Mapping[str, str]) -> Member:
    width = int(found["width"])
    size = {"critic_width": width, "critic_params": simbav2_params(found["env"], width)}
    return Member(config=_common(found) | size, metric=_metric(found))


def _ablations(found: Mapping[str, str]) -> Member:
    config = {
        "env": found["env"],
        "utd": float(found["utd"]),
        "critic_params": BRO_SIZES[found["size"]],
        "size": found["size"],
    }
    return Member(config=config, metric="return_")


_BATCH = r"bs_(?P<batch_size>[0-9]+)"
_RATE = rf"_lr_(?P<learning_rate>{_NUMBER})"
_VARIANT = r"(?:_(?P<variant>.+))?\.npy"

GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        name="bro",
        example="ROOT/w1024p8767688/utd_1/h1-pole-v0/return/bs_288_lr_0.0003_….npy",
        parse=_matcher(rf"w(?P<width>\d+)p(?P<params>\d+)/{_TAIL}/{_BATCH}{_RATE}{_VARIANT}", _bro),
        defaults={"algo": "bro"},
        forward_filled=True,
    ),
    Grammar(
        name="simbav2",
        example="ROOT/w256/utd_1/h1-stand-v0/avg_return/bs_2048.npy",
        parse=_matcher(rf"w(?P<width>\d+)/{_TAIL}/{_BATCH}(?:{_RATE})?{_VARIANT}", _simbav2),
        defaults={"algo": "simbav2", "learning_rate": 1e-4},
        forward_filled=True,
        notes=(
            "in the published SimbaV2 files each seed column is already a mean over five seeds",
            "learning_rate is the published 1e-4 wherever the file name does not say; critic_params "
            "follows from the width and the task's observation and action size",
        ),
    ),
    Grammar(
        name="qscaled",
        example="ROOT/utd_1/Ant-v4/episode.return/bs_128_lr_0.0001.npy",
        parse=_matcher(rf"{_TAIL}/{_BATCH}{_RATE}{_VARIANT}", _qscaled),
        defaults={"algo": "sac"},
        notes=("critic_params and critic_width are not in the file names: null",),
    ),
    Grammar(
        name="bro-ablations",
        example="ROOT/rr10_s/push-v2-goal-observable.npy",
        parse=_matcher(
            rf"rr(?P<utd>{_NUMBER})_(?P<size>{'|'.join(BRO_SIZES)})/(?P<env>[^/]+)\.npy", _ablations
        ),
        defaults={"algo": "bro", "batch_size": 128, "learning_rate": 3e-4},
        step_every=25_000,
        notes=(
            "the arrays have no step column: row i is env step (i + 1)·25 000",
            "critic_params is the rounded published count of the size letter; batch_size and "
            "learning_rate are BRO's defaults, 128 and 3e-4, unless given as constants",
        ),
    ),
)
