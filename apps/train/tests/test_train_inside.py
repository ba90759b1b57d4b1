"""Environments inside jit, against the same simulator behind its vector interface."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from vs_agents import evaluate
from vs_train import TrainConfig, train, train_and_record
from vs_train.acting import derived_seeds
from vs_train.config import SEED_LIMIT
from vs_train.programs import Programs

pytest.importorskip("mujoco_playground", reason="needs the extra mjx")

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    backend="mjx",
    utd=0.5,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=1,
    steps=60,
    warmup_steps=20,
    eval_every=30,
)


def inside_trainer(programs: Programs) -> Any:
    (trainer,) = programs._trainers
    return trainer


@pytest.fixture(scope="module")
def whole():
    return list(train(CELL))


def test_updates_are_counted_and_metrics_are_means(whole):
    assert [e.env_step for e in whole] == [30, 60]
    assert [e.updates for e in whole] == [5, 20]
    for evaluation in whole:
        assert evaluation.returns.shape == (2,)
        assert np.isfinite(evaluation.returns).all()
        assert np.isfinite(evaluation.metrics["critic_loss"]).all()


def test_it_goes_on_from_its_state_bit_for_bit(whole):
    first = Programs(CELL)
    first.advance(25)
    second = Programs(CELL)
    second.restore(first.state())
    assert second.env_step == 25
    for expected in whole:
        found = second.advance(60)
        assert found is not None
        np.testing.assert_array_equal(found.returns, expected.returns)
        for name, values in expected.metrics.items():
            np.testing.assert_array_equal(found.metrics[name], values)


def test_an_evaluation_is_the_episodes_return_in_the_vector_environment(whole):
    from vs_envs.mjx import MJXVectorEnv

    programs = Programs(CELL)
    while programs.env_step < 60:
        programs.advance(60)
    trainer = inside_trainer(programs)
    seeds = SEED_LIMIT + np.zeros(2, int)
    environments = MJXVectorEnv(CELL.env, seeds=seeds)
    observation, _ = environments.reset(seed=derived_seeds(seeds, 60, 0))
    total = np.zeros(2)
    for _ in range(1000):
        action = evaluate(
            trainer._inside.lanes.agent, observation.astype(np.float32), config=trainer._agent
        )
        observation, reward, *_ = environments.step(np.asarray(action))
        total += reward
    np.testing.assert_allclose(whole[-1].returns, total, rtol=0.02, atol=0.5)


def test_what_is_kept_is_what_the_simulator_did():
    programs = Programs(CELL)
    programs.advance(30)
    trainer = inside_trainer(programs)
    data = jax.device_get(trainer._inside.lanes.replay.data)
    assert int(trainer._inside.lanes.replay.inserted) == 30
    np.testing.assert_array_equal(data.observation[:, 1:30], data.next_observation[:, :29])
    assert not data.terminated.any()
    assert len(np.unique(data.action[0, :20])) == 20
    np.testing.assert_array_equal(data.action[0, :20], data.action[1, :20])  # of one seed


def test_a_table_is_written_and_a_checkpoint_cuts_the_pieces(tmp_path, whole):
    found = list(train_and_record(CELL, tmp_path, checkpoint_every=7))
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_array_equal(one.returns, other.returns)
    longer = replace(CELL, steps=90)
    more = list(train_and_record(longer, tmp_path, resume=True))
    assert [e.env_step for e in more] == [90]
