"""A sweep's specification: one algorithm, tasks, axes and seeds, as a short TOML file."""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from vs_envs import task

from vs_train.config import Algo, TrainConfig
from vs_train.sweep._toml import Table

WITH_CRITIC = "critic_width"
"""The actor's width that follows the critic's."""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The axes of a sweep; every combination is run.

    Attributes:
        utd: critic updates per environment step (sigma).
        batch_size: transitions per update.
        learning_rate: step sizes of critic and actor.
        critic_width: units of each of the critics' hidden layers.
        critic_depth: how many of these layers (sac), or residual blocks (bro).
        actor_width: the same of the actor's: one number, "critic_width" for the
            critics', None for the algorithm's own.
    """

    utd: tuple[float, ...]
    batch_size: tuple[int, ...]
    learning_rate: tuple[float, ...]
    critic_width: tuple[int, ...]
    critic_depth: tuple[int, ...] = (2,)
    actor_width: int | Literal["critic_width"] | None = None


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task of a sweep.

    Attributes:
        env: its name, e.g. ``dmc/cartpole-swingup``.
        steps: environment steps of each agent.
        eval_every: environment steps between two evaluations.
        steps_at_utd: other numbers of steps by utd: more updates per step need fewer steps.
        learning_rate: this task's own axis, None for the common one.
    """

    env: str
    steps: int
    eval_every: int
    steps_at_utd: dict[float, int] = field(default_factory=dict)
    learning_rate: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Settings common to all cells; None is `TrainConfig`'s default, or the algorithm's own."""

    warmup_steps: int | None = None
    eval_episodes: int | None = None
    replay_capacity: int | None = None
    stop_at_success: float | None = None
    action_repeat: int | None = None
    discount: float | None = None
    n_step: int | None = None
    target_rate: float | None = None
    pessimism: float | None = None
    quantiles: int | None = None
    reset_every: int | None = None
    actor_every: Literal["critic_update", "env_step"] | None = None
    target_entropy_per_action: float | None = None
    dtype: Literal["float32", "bfloat16"] | None = None
    backend: Literal["python", "envpool", "mjx"] | None = None
    passive_critic_width: int | None = None
    diagnostics: Literal["none", "memory", "validation"] | None = None
    lanes_per_program: int | None = None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A sweep. Its seeds are first_seed, first_seed + 1, ... in every configuration."""

    algo: Algo
    seeds: int
    axes: Axes
    tasks: tuple[TaskSpec, ...]
    first_seed: int = 0
    constants: Constants = field(default_factory=Constants)

    def cells(self) -> list[TrainConfig]:
        """Return one cell per task, utd, batch size, critic width and depth, the last one fastest.

        Its lanes are the learning rates times the seeds.
        """
        given = {name: v for name, v in asdict(self.constants).items() if v is not None}
        axes = self.axes
        return [
            TrainConfig(
                algo=self.algo,
                env=task.env,
                utd=utd,
                batch_size=batch_size,
                critic_width=width,
                critic_depth=depth,
                actor_width=width if axes.actor_width == WITH_CRITIC else axes.actor_width,
                learning_rates=task.learning_rate or axes.learning_rate,
                seeds=self.seeds,
                first_seed=self.first_seed,
                steps=task.steps_at_utd.get(utd, task.steps),
                eval_every=task.eval_every,
                **given,
            )
            for task in self.tasks
            for utd in axes.utd
            for batch_size in axes.batch_size
            for width in axes.critic_width
            for depth in axes.critic_depth
        ]


def preset_names() -> list[str]:
    """Return the names of the specs that come with the package."""
    entries = (files("vs_train.sweep") / "presets").iterdir()
    return sorted(Path(entry.name).stem for entry in entries if entry.name.endswith(".toml"))


def spec_text(name: str | Path) -> str:
    """Return the text of a spec: a TOML file's, or a preset's.

    Raises:
        ValueError: if there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if str(name) in preset_names():
        return (files("vs_train.sweep") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    raise ValueError(
        f"{name}: no such file; expected a TOML file or a preset ({', '.join(preset_names())})"
    )


def load_spec(name: str | Path) -> Spec:
    """Read a spec from a TOML file, or take a preset.

    Raises:
        ValueError: naming file, table and key, if something is missing, unknown or out of range.
    """
    return parse_spec(spec_text(name), source=str(name))


def parse_spec(text: str, *, source: str) -> Spec:
    """Read a spec from its text; ``source`` names it in messages.

    Raises:
        ValueError: as `load_spec` does.
    """
    try:
        top = Table(source, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source}: not TOML ({error})") from error
    top.done(tuple(f.name for f in fields(Spec)))
    tasks = top.table("tasks")
    if not tasks.names():
        raise top.wrong("tasks", "at least one task")
    own_rates = all("learning_rate" in tasks.table(env, quoted=True) for env in tasks.names())
    axes = _axes(top.table("axes"), need_learning_rate=not own_rates)
    spec = Spec(
        algo=_choice(top, "algo", get_args(Algo.__value__)),
        seeds=top.integer("seeds"),
        first_seed=top.integer("first_seed", least=0) if "first_seed" in top else 0,
        axes=axes,
        tasks=tuple(_task(tasks, env, axes) for env in tasks.names()),
        constants=_constants(top.table("constants")) if "constants" in top else Constants(),
    )
    try:
        spec.cells()  # TrainConfig's own rules
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return spec


def _axes(table: Table, *, need_learning_rate: bool) -> Axes:
    table.done(tuple(f.name for f in fields(Axes)))
    rates: tuple[float, ...] = ()
    if need_learning_rate or "learning_rate" in table:
        rates = table.numbers("learning_rate")
    actor: int | Literal["critic_width"] | None = Axes.actor_width
    if "actor_width" in table:
        try:
            actor = table.integer("actor_width")
        except ValueError:
            if table.text("actor_width") != WITH_CRITIC:
                raise table.wrong("actor_width", f'an integer or "{WITH_CRITIC}"') from None
            actor = WITH_CRITIC
    depths = table.integers("critic_depth") if "critic_depth" in table else Axes.critic_depth
    return Axes(
        utd=table.numbers("utd"),
        batch_size=table.integers("batch_size"),
        learning_rate=rates,
        critic_width=table.integers("critic_width"),
        critic_depth=depths,
        actor_width=actor,
    )


def _task(tasks: Table, env: str, axes: Axes) -> TaskSpec:
    try:
        task(env)
    except ValueError as error:
        raise tasks.wrong(env, f"the name of a task ({error})") from error
    table = tasks.table(env, quoted=True)
    table.done(tuple(f.name for f in fields(TaskSpec) if f.name != "env"))
    steps, eval_every = table.integer("steps"), table.integer("eval_every")
    other = _steps_at_utd(table, axes) if "steps_at_utd" in table else {}
    if eval_every > min([steps, *other.values()]):
        raise table.wrong("eval_every", "no more than the steps")
    rates = table.numbers("learning_rate") if "learning_rate" in table else None
    return TaskSpec(
        env=env, steps=steps, eval_every=eval_every, steps_at_utd=other, learning_rate=rates
    )


def _steps_at_utd(task: Table, axes: Axes) -> dict[float, int]:
    table = task.table("steps_at_utd")
    steps = {}
    for key in table.names():
        if table.is_table(key):
            keys = ", ".join(f'"{key}.{rest}"' for rest in table.table(key).names())
            raise table.wrong(
                key, f"a number; quote the key ({keys}): TOML takes a bare dot for a nested table"
            )
        try:
            utd = float(key)
        except ValueError:
            utd = 0.0
        if utd not in axes.utd:
            raise table.wrong(key, "as key one of the axis utd")
        steps[utd] = table.integer(key)
    return steps


def _constants(table: Table) -> Constants:
    table.done(tuple(f.name for f in fields(Constants)))
    given: dict[str, object] = {}
    for key in table.names():
        kind = Constants.__annotations__[key]
        literal = [part for part in get_args(kind) if get_args(part)]
        if literal:
            given[key] = _choice(table, key, get_args(literal[0]))
        elif int in get_args(kind):
            given[key] = table.integer(key, least=0 if key == "reset_every" else 1)
        else:
            given[key] = table.number(key)
    return Constants(**given)  # ty: ignore[invalid-argument-type]


def _choice(table: Table, key: str, choices: tuple[str, ...]) -> Any:
    value = table.text(key)
    if value not in choices:
        raise table.wrong(key, f"one of {', '.join(choices)}")
    return value
