"""The settings of one training cell: one task, one configuration, lanes of agents."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal

import tyro
from vs_envs import task

type Algo = Literal["sac", "bro", "bro-full", "simbav2"]
type Backend = Literal["python", "envpool", "mjx", "auto"]

SEED_LIMIT = 1_000_000
"""Seeds are below this."""


_WITHOUT_INFLUENCE = ("diagnostics", "lanes_per_program")

CONSTANTS = (
    "discount",
    "n_step",
    "target_rate",
    "pessimism",
    "quantiles",
    "reset_every",
    "reset_steps",
)
"""The algorithms' constants that may be set; None is the algorithm's own, see `TrainConfig`."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The settings whose default is the algorithm's; see `TrainConfig`."""

    utd: float
    batch_size: int
    critic_width: int
    actor_width: int
    action_repeat: int
    warmup_steps: int
    eval_every: int
    eval_episodes: int


_DEFAULTS: dict[str, Choices] = {
    "sac": Choices(
        utd=1.0,
        batch_size=256,
        critic_width=256,
        actor_width=256,
        action_repeat=1,
        warmup_steps=1_000,
        eval_every=2_000,
        eval_episodes=1,
    ),
    # Nauman 2024, as the scaling papers use it
    "bro": Choices(
        utd=2.0,
        batch_size=256,
        critic_width=512,
        actor_width=256,
        action_repeat=1,
        warmup_steps=2_500,
        eval_every=25_000,
        eval_episodes=5,
    ),
    # arXiv:2502.15280; 5 000 random decisions
    "simbav2": Choices(
        utd=2.0,
        batch_size=256,
        critic_width=512,
        actor_width=128,
        action_repeat=2,
        warmup_steps=10_000,
        eval_every=100_000,
        eval_episodes=10,
    ),
}
# Nauman 2024, table of hyperparameters
_DEFAULTS["bro-full"] = replace(_DEFAULTS["bro"], utd=10.0, batch_size=128)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One algorithm on one task; one lane per learning rate and seed.

    Where a default is None it is the algorithm's own: `choices` has them resolved.

    Attributes:
        algo: sac, bro (as in the scaling papers: no optimistic actor), bro-full or simbav2.
        env: task, e.g. ``dmc/cartpole-swingup``; ``module:benchmark/env`` for one that an
            importable module registers (`vs_envs.register_task`).
        utd: critic updates per decision of the agent (sigma); 0.5 is one update every second
            decision. By algorithm: 1, 2, 10, 2.
        batch_size: transitions per update. By algorithm: 256, 256, 128, 256.
        critic_width: units of each of the critics' hidden layers. By algorithm: 256, 512, 512, 512.
        critic_depth: hidden layers of each critic (sac), residual blocks of each (the others).
        actor_width: units of each of the actor's hidden layers. By algorithm: 256, 256, 256, 128.
        action_repeat: environment steps per decision: their rewards add up. Numbers of environment
            steps, here and in the table, count all of them. By algorithm: 1, 1, 1, 2. Other than 1
            with backend python only.
        learning_rates: step sizes of critic and actor; one run table per value. Published: 3e-4,
            3e-4, 3e-4, 1e-4 (simbav2: at start, halved over all updates of a run of ``steps``).
        seeds: agents per learning rate.
        first_seed: they have the seeds first_seed, first_seed + 1, ...
        steps: environment steps of each agent.
        warmup_steps: first steps, with uniformly random actions and no update.
            By algorithm: 1 000, 2 500, 2 500, 10 000.
        eval_every: environment steps between two evaluations.
            By algorithm: 2 000, 25 000, 25 000, 100 000.
        eval_episodes: episodes of the deterministic policy per evaluation.
            By algorithm: 1, 5, 5, 10.
        replay_capacity: transitions kept; never more than ``steps`` are allocated.
        stop_at_success: return of an evaluation at which an agent has succeeded: it has no later rows
            in the table, and training ends once all agents have; None to go on.
        actor_every: update actor and temperature with every critic update, or once per
            environment step.
        discount: gamma per decision. None: 0.99; simbav2's follows from the episode's length.
        n_step: rewards in a target before it bootstraps. None: 1.
        target_rate: step of the target critics towards the critics. None: 0.005.
        pessimism: of bro and bro-full, subtract this part of half the difference of the two critics
            from their mean; 1 is the smaller one. None: 0.
        quantiles: of the return, per critic of bro and bro-full. None: 100.
        reset_every: of bro, critic updates between two resets; 0 for no reset. None: 2 500 000.
        reset_steps: of bro-full, decisions before whose updates it starts afresh. None: the
            published ones, at utd 2 or less the first of them.
        target_entropy_per_action: the temperature steers the policy's entropy to minus this number
            per action dimension: 0.5 or, as in Haarnoja 2018, 1.
        dtype: of matrix products; everything else is float32.
        backend: what steps the environments; auto is EnvPool where it is installed and known to be
            faster, else python.
        passive_critic_width: train critics of this width beside the others, on the same batches and
            targets and without influence on them.
        diagnostics: memory: with every evaluation also parameter norms, the critics' loss on the
            replay memory and on transitions not yet learnt from, and their gradient noise scale;
            validation: also their loss on held-out experience, for which every agent acts in a
            second environment.
        lanes_per_program: agents of one compiled program; None for all of them in one.
    """

    algo: Algo = "sac"
    env: str = "dmc/cartpole-swingup"
    utd: float | None = None
    batch_size: int | None = None
    critic_width: int | None = None
    critic_depth: int = 2
    actor_width: int | None = None
    action_repeat: int | None = None
    learning_rates: Annotated[tuple[float, ...], tyro.conf.arg(name="learning-rate")] = (3e-4,)
    seeds: int = 4
    first_seed: int = 0
    steps: int = 100_000
    warmup_steps: int | None = None
    eval_every: int | None = None
    eval_episodes: int | None = None
    replay_capacity: int = 1_000_000
    stop_at_success: float | None = None
    actor_every: Literal["critic_update", "env_step"] = "critic_update"
    discount: float | None = None
    n_step: int | None = None
    target_rate: float | None = None
    pessimism: float | None = None
    quantiles: int | None = None
    reset_every: int | None = None
    reset_steps: tuple[int, ...] | None = None
    target_entropy_per_action: float = 0.5
    dtype: Literal["float32", "bfloat16"] = "float32"
    backend: Backend = "python"
    passive_critic_width: int | None = None
    diagnostics: Literal["none", "memory", "validation"] = "none"
    lanes_per_program: int | None = None

    def __post_init__(self) -> None:
        if self.algo not in _DEFAULTS:
            raise ValueError(f"algo = {self.algo!r}: expected one of {', '.join(_DEFAULTS)}")
        try:
            task(self.env)
        except ValueError as error:
            raise ValueError(f"env: {error}") from error
        for name, value in asdict(self.choices).items():
            _positive(name, value)
        for name in ("critic_depth", "seeds", "steps", "replay_capacity"):
            _positive(name, getattr(self, name))
        _positive("target_entropy_per_action", self.target_entropy_per_action)
        for name in ("passive_critic_width", "lanes_per_program", "n_step", "quantiles"):
            if getattr(self, name) is not None:
                _positive(name, getattr(self, name))
        for name in ("discount", "target_rate", "pessimism"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} = {value}: expected a number from 0 to 1")
        if self.reset_every is not None and self.reset_every < 0:
            raise ValueError(f"reset_every = {self.reset_every}: expected 0 (never) or more")
        self._check_repeat()
        if not 0 <= self.first_seed <= SEED_LIMIT - self.seeds:
            raise ValueError(
                f"first_seed = {self.first_seed}: expected seeds from 0 to {SEED_LIMIT - 1}"
            )
        if not self.learning_rates or len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError(f"learning_rate = {self.learning_rates}: expected distinct values")
        for rate in self.learning_rates:
            _positive("learning_rate", rate)
        if self.choices.eval_every > self.steps:
            raise ValueError(
                f"eval_every = {self.choices.eval_every} is larger than steps = {self.steps}: "
                "expected at least one evaluation"
            )

    def _check_repeat(self) -> None:
        repeat = self.choices.action_repeat
        if repeat == 1:
            return
        if self.backend not in ("python", "auto"):
            raise ValueError(
                f"action_repeat = {repeat}: {self.backend} has none; expected 1, or backend python"
            )
        counts = {"steps": self.steps, "episode_steps of the task": task(self.env).episode_steps}
        counts |= {name: getattr(self.choices, name) for name in ("warmup_steps", "eval_every")}
        for name, count in counts.items():
            if count % repeat:
                raise ValueError(
                    f"{name} = {count}: expected a multiple of action_repeat = {repeat}"
                )

    @property
    def choices(self) -> Choices:
        """The settings that may be left to the algorithm, resolved."""
        defaults = _DEFAULTS[self.algo]
        given = {name: getattr(self, name) for name in asdict(defaults)}
        return replace(defaults, **{name: v for name, v in given.items() if v is not None})

    @property
    def agent_seeds(self) -> range:
        """The seeds of the agents of each learning rate."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def settings(self, learning_rate: float) -> dict[str, object]:
        """Return every field that shapes the runs of one learning rate.

        Left out are the seeds, ``steps`` (a longer run begins with the same rows), the algorithm's
        constants (`vs_train.cell.agent_config` has them resolved), what is only measured (the
        diagnostics), and what only changes the rounding. A passive critic changes
        nothing either, but tables with passive critics of several widths must tell them apart.
        """
        values = asdict(self) | asdict(self.choices)
        for name in ("passive_critic_width", "stop_at_success"):
            if values[name] is None:
                del values[name]
        for name in (
            "learning_rates",
            "seeds",
            "first_seed",
            "steps",
            *CONSTANTS,
            *_WITHOUT_INFLUENCE,
        ):
            del values[name]
        return values | {"learning_rate": learning_rate}


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} = {value}: expected a positive number")
