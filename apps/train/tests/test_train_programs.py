from dataclasses import replace

import numpy as np
import pytest
from vs_train import Stopped, StopRequest, TrainConfig, train, train_and_record

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=3,
    steps=40,
    warmup_steps=20,
    eval_every=20,
)


def test_programs_of_fewer_lanes_train_the_same_agents(toy):
    whole = list(train(CELL))
    for size in (1, 4):
        parts = list(train(replace(CELL, lanes_per_program=size)))
        for one, other in zip(parts, whole, strict=True):
            assert one.env_step == other.env_step
            np.testing.assert_allclose(one.returns, other.returns, rtol=1e-3)
            for name, values in other.metrics.items():
                np.testing.assert_allclose(one.metrics[name], values, rtol=1e-3)


def test_a_checkpoint_keeps_its_programs(toy, tmp_path):
    cell = replace(CELL, lanes_per_program=2)
    expected = list(train(cell))
    stop = StopRequest()
    evaluations = train_and_record(cell, tmp_path, stop=stop)
    next(evaluations)
    stop.signum = 15
    with pytest.raises(Stopped):
        next(evaluations)
    found = list(train_and_record(replace(cell, lanes_per_program=None), tmp_path, resume=True))
    np.testing.assert_array_equal(found[-1].returns, expected[-1].returns)


def test_a_program_has_at_least_one_lane():
    with pytest.raises(ValueError, match="lanes_per_program = 0: expected a positive number"):
        replace(CELL, lanes_per_program=0)
