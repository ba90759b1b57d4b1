"""Progress from the folder alone, and the time left from measured speeds."""

from dataclasses import replace

import pytest
from vs_train import TrainConfig
from vs_train.sweep.cells import Cell
from vs_train.sweep.records import Record, pool_lock, write_record
from vs_train.sweep.status import sweep_status

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    seeds=2,
    steps=100,
    warmup_steps=20,
    eval_every=20,
)


def note(out, batch_size, state, *, env_step=0, seconds=0.0, first_step=0, error=None):
    cell = Cell(replace(CELL, batch_size=batch_size), done=False)
    record = Record(
        cell=cell.label,
        state=state,
        first_step=first_step,
        env_step=env_step,
        seconds=seconds,
        error=error,
    )
    write_record(out, cell.name, record)


def test_states_and_time_left(tmp_path):
    configs = [replace(CELL, batch_size=size) for size in (4, 8, 12, 16)]
    fresh = sweep_status(configs, tmp_path)
    assert fresh.counts() == {"done": 0, "running": 0, "failed": 0, "waiting": 4}
    assert (fresh.seconds_left, fresh.workers, fresh.at_work) == (None, None, False)

    note(tmp_path, 16, "running", first_step=20, env_step=60, seconds=80.0)  # 2 s per step
    note(tmp_path, 8, "failed", env_step=10, seconds=10.0, error="the simulator exploded")  # 1 s
    with pool_lock(tmp_path, workers=2):
        status = sweep_status(configs, tmp_path)
    assert [cell.state for cell in status.cells] == ["running", "waiting", "failed", "waiting"]
    assert [cell.cell.split()[4] for cell in status.cells] == ["16", "12", "8", "4"]
    assert [cell.env_step for cell in status.cells] == [60, 0, 0, 0]
    # by FLOPs per step 12 is half-way between 8 and 16; 4 is as slow as 8, the nearest known
    left = [cell.seconds_left for cell in status.cells]
    assert left == pytest.approx([80, 150, 100, 100])
    assert status.seconds_left == pytest.approx(250)  # 80 + 100 beside 150, then 100
    assert status.cells[2].error == "the simulator exploded"
    assert (status.workers, status.at_work) == (2, True)

    after = sweep_status(configs, tmp_path)  # the pool is gone: what it ran waits
    assert [cell.state for cell in after.cells] == ["waiting", "waiting", "failed", "waiting"]
    assert not after.at_work
    document = after.to_dict()
    assert document["counts"] == {"done": 0, "running": 0, "failed": 1, "waiting": 3}


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="runs: no such folder; expected that of a sweep"):
        sweep_status([CELL], tmp_path / "runs")
