"""Plans: sums that can be done by hand, and a calibration that measures what it says."""

from dataclasses import replace

import pytest
from vs_agents import measured_flops
from vs_train import TrainConfig
from vs_train.cell import agent_config
from vs_train.sweep import calibrate as calibration
from vs_train.sweep.calibrate import Speed, kind, measure, seconds_of
from vs_train.sweep.plan import make_plan

CELL = TrainConfig(
    env="dmc/pendulum-swingup",  # 3 observations, 1 action, 1000 steps per episode
    utd=2.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3, 1e-2),
    seeds=2,
    steps=100,
    warmup_steps=40,
    eval_every=30,
    eval_episodes=2,
)
PARAMS = 2 * ((4 * 8 + 8) + (8 * 8 + 8) + (8 + 1))


def test_time_is_steps_updates_and_evaluations():
    speed = Speed(step=0.5, update=10.0, start=7.0)
    # 3 evaluations of 2 episodes, 60 steps with 2 updates each
    assert seconds_of(CELL, speed) == 7 + (100 + 3 * 2 * 1000) * 0.5 + 60 * 2 * 10


def test_one_kind_for_what_is_equally_fast():
    assert kind(CELL) == kind(replace(CELL, utd=0.5, steps=70, eval_every=10, first_seed=3))
    for name, value in (("batch_size", 8), ("critic_width", 16), ("seeds", 3), ("algo", "bro")):
        assert kind(CELL) != kind(replace(CELL, **{name: value}))


def test_a_plan_without_calibration():
    small = replace(CELL, utd=1.0, steps=1000, replay_capacity=50, diagnostics="validation")
    plan = make_plan([CELL, small], cores=3)
    assert [cell.utd for cell in plan.cells] == [1.0, 2.0]  # 960 updates, 120 updates
    first, second = plan.cells
    assert second.flops == 10 * PARAMS * 4 * 120 * 6
    assert first.flops == 10 * PARAMS * 4 * 960 * 6
    assert (second.runs, second.lanes, second.env_steps) == (3, 6, 600)
    transition = 4 * (3 + 1 + 1 + 1 + 3)
    assert second.replay_bytes == 6 * transition * 100
    assert first.replay_bytes == 6 * transition * 50 * 2
    assert [w.workers for w in plan.workers] == [1, 2, 3]
    assert [w.replay_bytes for w in plan.workers] == [6 * transition * n for n in (100, 200, 200)]
    assert {w.seconds for w in plan.workers} == {None}
    total = plan.total()
    assert (total["cells"], total["runs"], total["lanes"], total["env_steps"]) == (2, 6, 12, 6600)
    assert (total["measured_flops"], total["seconds"]) == (None, None)


def test_a_plan_with_speeds():
    cells = [CELL, replace(CELL, utd=1.0), replace(CELL, utd=0.5, actor_every="env_step")]
    speed = Speed(step=0.01, update=1.0, start=0.0)
    plan = make_plan(cells, cores=2, speeds={kind(cell): speed for cell in cells})
    base = (100 + 3 * 2 * 1000) * 0.01
    assert [cell.seconds for cell in plan.cells] == [base + 120, base + 60, base + 30]
    by = {w.workers: w.seconds for w in plan.workers}
    assert by == {
        1: pytest.approx(3 * base + 210),
        2: pytest.approx(max(base + 120, 2 * base + 90)),
    }
    flops = measured_flops(agent_config(CELL), 4)
    assert plan.cells[0].measured_flops == pytest.approx(6 * 120 * (flops.critic + flops.actor))
    rare = plan.cells[2].measured_flops  # 30 critic updates, an actor's at each of 60 steps
    assert rare == pytest.approx(6 * (30 * flops.critic + 60 * flops.actor))
    assert plan.to_dict()["total"] == plan.total()


def test_a_calibration_tells_steps_from_updates(monkeypatch):
    clock, steps = [0.0], []

    class Pretend:
        def __init__(self, config):
            self._config, self.env_step = config, 0
            clock[0] += 5

        def advance(self, until):
            assert until == self.env_step + 1
            self.env_step = until
            steps.append(len(steps))
            clock[0] += 1.0 if len(steps) <= self._config.warmup_steps else 1.25
            clock[0] += (
                30.0 if len(steps) in (1, self._config.warmup_steps + 1) else 0.0
            )  # compiles

    monkeypatch.setattr(calibration, "Programs", Pretend)
    monkeypatch.setattr(calibration.time, "perf_counter", lambda: clock[0])
    speed = measure(kind(CELL))
    assert speed == Speed(step=1.0, update=0.25, start=5 + 3 + 30 + 3 * 1.25 + 30)


def test_a_real_calibration(toy):
    speed = measure(kind(CELL))
    assert 0 < speed.step < speed.start
    assert 0 <= speed.update < speed.start  # 0 where noise on the machine hides it
