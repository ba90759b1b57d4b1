"""Unfinished cells of a folder: none twice, none left out."""

import signal
from dataclasses import replace

import pytest
from vs_train import StopRequest, TrainConfig, train_and_record
from vs_train.stop import Stopped
from vs_train.sweep.cells import Cell, agent_updates, cell_flops, survey

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=0.5,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=60,
    warmup_steps=30,
    eval_every=30,
)


def begin(config, out):
    """Train until the first evaluation and leave a checkpoint."""
    stop = StopRequest()
    evaluations = train_and_record(config, out, stop=stop)
    next(evaluations)
    stop.signum = signal.SIGTERM
    with pytest.raises(Stopped):
        next(evaluations)


def test_the_papers_count():
    params = 2 * ((4 * 8 + 8) + (8 * 8 + 8) + (8 + 1))
    assert agent_updates(CELL) == 15
    assert cell_flops(CELL) == 10 * params * 4 * 15 * 4


def test_changing_a_spec_adds_cells_and_repeats_none(tmp_path, toy):
    assert survey([CELL], tmp_path / "none") == [Cell(CELL, done=False)]
    list(train_and_record(CELL, tmp_path))
    assert survey([CELL], tmp_path) == [Cell(CELL, done=True)]
    wider = replace(CELL, learning_rates=(1e-2, 3e-3, 1e-3), batch_size=4)
    other = replace(CELL, batch_size=8)
    assert survey([wider, other], tmp_path) == [
        Cell(replace(CELL, learning_rates=(3e-3, 1e-3)), done=True),
        Cell(replace(CELL, learning_rates=(1e-2,)), done=False),
        Cell(other, done=False),
    ]
    longer = replace(wider, steps=90)
    assert survey([longer], tmp_path) == [
        Cell(replace(CELL, steps=90), done=False, start=60),
        Cell(replace(CELL, steps=90, learning_rates=(1e-2,)), done=False),
    ]
    with pytest.raises(
        ValueError, match=r"holds the seeds 0 to 1 .* wanted with the seeds 0 to 4;"
    ):
        survey([replace(CELL, seeds=5)], tmp_path)


def test_what_has_begun_goes_on_as_it_was_begun(tmp_path, toy):
    begin(CELL, tmp_path)
    (cell,) = survey([CELL], tmp_path)
    assert (cell.config, cell.done) == (CELL, False)
    assert cell.start is not None
    assert 30 <= cell.start < 60
    assert survey([replace(CELL, learning_rates=(3e-3, 1e-2))], tmp_path) == [
        cell,
        Cell(replace(CELL, learning_rates=(1e-2,)), done=False),
    ]
