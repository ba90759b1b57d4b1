"""The settings of one training cell: one task, one configuration, lanes of agents."""

from dataclasses import asdict, dataclass

from vs_envs import task_names


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Soft actor-critic on one task; one lane per learning rate and seed.

    Attributes:
        env: task, e.g. ``dmc/cartpole-swingup``.
        utd: critic updates per environment step (sigma); 0.5 is one update every second step.
        batch_size: transitions per update.
        critic_width: units of each of the critics' two hidden layers.
        actor_width: units of each of the actor's two hidden layers.
        learning_rates: Adam step sizes of critic, actor and temperature; one run table per value.
        seeds: agents per learning rate, with the seeds 0, 1, 2, ...
        steps: environment steps of each agent.
        warmup_steps: first steps, with uniformly random actions and no update.
        eval_every: environment steps between two evaluations.
        eval_episodes: episodes of the deterministic policy per evaluation.
        replay_capacity: transitions kept; never more than ``steps`` are allocated.
    """

    env: str = "dmc/cartpole-swingup"
    utd: float = 1.0
    batch_size: int = 256
    critic_width: int = 256
    actor_width: int = 256
    learning_rates: tuple[float, ...] = (3e-4,)
    seeds: int = 4
    steps: int = 100_000
    warmup_steps: int = 1_000
    eval_every: int = 2_000
    eval_episodes: int = 1
    replay_capacity: int = 1_000_000

    def __post_init__(self) -> None:
        if self.env not in task_names():
            raise ValueError(f"env = {self.env!r}: expected a task such as 'dmc/cartpole-swingup'")
        for name in ("utd", "batch_size", "critic_width", "actor_width", "seeds", "steps"):
            _positive(name, getattr(self, name))
        for name in ("warmup_steps", "eval_every", "eval_episodes", "replay_capacity"):
            _positive(name, getattr(self, name))
        if not self.learning_rates or len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError(f"learning_rates = {self.learning_rates}: expected distinct values")
        for rate in self.learning_rates:
            _positive("learning_rates", rate)
        if self.eval_every > self.steps:
            raise ValueError(
                f"eval_every = {self.eval_every} is larger than steps = {self.steps}: "
                "expected at least one evaluation"
            )

    def settings(self, learning_rate: float) -> dict[str, object]:
        """Return everything but the seeds that shapes the runs of one learning rate.

        Besides the fields there is ``actor_every``: actor and temperature are updated with every
        critic update.
        """
        values = asdict(self) | {"actor_every": "critic_update"}
        del values["learning_rates"], values["seeds"]
        return values | {"learning_rate": learning_rate}


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} = {value}: expected a positive number")
