"""Experience that no agent learns from, to measure the critics on."""

import numpy as np
from vs_agents import Agent, AgentState, Stream, init_stream, step_stream

from vs_train.acting import Acting
from vs_train.config import SEED_LIMIT, TrainConfig
from vs_train.snapshot import Arrays, pack, part, restored, under


class Holdout:
    """Every agent acts in a second environment as well, of another seed.

    Attributes:
        stream: what happened there.
    """

    def __init__(
        self, config: TrainConfig, agent: Agent, seeds: np.ndarray, *, capacity: int
    ) -> None:
        """Begin; the arguments are those of the training."""
        self._agent = agent
        self._acting = Acting(config, 2 * SEED_LIMIT + seeds, action_size=agent.action_size)
        self.stream: Stream = init_stream(agent, seeds=seeds, capacity=capacity)

    def advance(self, state: AgentState, *, random: bool) -> None:
        """Do one environment step with the agents as they are."""
        transition, observation = self._acting.step(random=random)
        self.stream, action = step_stream(
            self.stream, state, transition, observation, config=self._agent
        )
        self._acting.choose(np.asarray(action))

    def state(self) -> Arrays:
        """Return what `restore` takes."""
        return pack(self.stream, "stream") | under("acting", self._acting.state())

    def restore(self, state: Arrays, env_step: int) -> None:
        """Go on from a `state`."""
        self.stream = restored(self.stream, state, "stream")
        self._acting.restore(part(state, "acting"), env_step)
