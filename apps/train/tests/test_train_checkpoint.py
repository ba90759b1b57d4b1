"""Checkpoints: going on bit for bit, and every way in which that cannot be."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from vs_envs import VectorEnv
from vs_logging import read_metadata, read_table
from vs_train import Stopped, StopRequest, TrainConfig, checkpoint_step, is_finished
from vs_train import train_and_record as record
from vs_train.checkpoint import Checkpoints
from vs_train.programs import Programs
from vs_train.run import Trainer
from vs_train.snapshot import pack, restored

pytestmark = pytest.mark.usefixtures("toy")

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=90,  # the shapes of test_train_run.py: compiled once for both
    warmup_steps=20,
    eval_every=30,
)
KEYS = ["run", "seed", "env_step"]


def stopping_at(step):
    stop = StopRequest()

    def on_step(env_step):
        if env_step == step:
            stop.signum = signal.SIGTERM

    return {"stop": stop, "on_step": on_step}


def stopped(out, config=CELL, *, step=50):
    with pytest.raises(Stopped):
        list(record(config, out, **stopping_at(step)))
    return out


def table(out):
    return read_table(out).sort(KEYS)


@pytest.fixture
def whole(tmp_path_factory, toy):
    out = tmp_path_factory.mktemp("whole")
    list(record(CELL, out))
    return out


def advanced(trainer, steps):
    for _ in range(steps):
        trainer.advance(trainer.env_step + 1)
    return trainer.state()


WATCHED = replace(CELL, diagnostics="validation", passive_critic_width=4)


# in the warm-up; after updates and several episodes
@pytest.mark.parametrize(("config", "at"), [(CELL, 7), (CELL, 44), (WATCHED, 44)])
def test_every_array_goes_on_bit_for_bit(tmp_path, config, at):
    checkpoints = Checkpoints(tmp_path, ["a"], config)
    checkpoints.begin(keep=None)
    first = Programs(config)
    checkpoints.save(at, advanced(first, at))
    second = Programs(config)
    checkpoints.restore(second, at)
    assert second.env_step == at
    expected, found = advanced(first, 30), advanced(second, 30)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_stopped_training_resumes_to_the_same_table(tmp_path, whole):
    stopped(tmp_path, step=50)
    facts = read_metadata(tmp_path)
    assert set(facts["state"]) == {"failed"}
    assert set(facts["error"]) == {"Stopped: SIGTERM at env step 50: --resume goes on from there"}
    assert checkpoint_step(CELL, tmp_path) == 50
    assert table(tmp_path)["env_step"].to_list() == [30] * 4
    list(record(CELL, tmp_path, resume=True))
    assert table(tmp_path).equals(table(whole), null_equal=True)
    assert is_finished(CELL, tmp_path)


def test_rows_after_the_checkpoint_come_again(tmp_path, whole):
    evaluations = record(CELL, tmp_path, checkpoint_every=40)
    for _ in range(2):
        next(evaluations)
    evaluations.close()  # cut off at 60, after the checkpoint of 40
    assert checkpoint_step(CELL, tmp_path) == 40
    assert set(table(tmp_path)["env_step"]) == {30, 60}
    list(record(CELL, tmp_path, resume=True))
    assert table(tmp_path).equals(table(whole), null_equal=True)


def test_more_steps_later_are_the_same_numbers(tmp_path, whole):
    short = replace(CELL, steps=60)
    list(record(short, tmp_path))
    assert is_finished(short, tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint there at env step 60; expected --resume"):
        list(record(CELL, tmp_path))
    list(record(CELL, tmp_path, resume=True))
    assert table(tmp_path).equals(table(whole), null_equal=True)


def test_the_memory_is_stored_as_far_as_it_is_filled():
    trainer = Trainer(replace(CELL, steps=1_000))
    state = advanced(trainer, 10)
    assert state["lanes/replay/data/observation"].shape == (4, 10, 3)
    small = Trainer(replace(CELL, replay_capacity=8))
    assert advanced(small, 10)["lanes/replay/data/observation"].shape == (4, 8, 3)


def test_only_the_newest_checkpoint_is_kept_and_half_a_one_does_not_count(tmp_path):
    stopped(tmp_path, step=50)
    (cell,) = (tmp_path / "checkpoints").iterdir()
    assert [path.name for path in sorted(cell.glob("step_*"))] == ["step_000000000050"]
    for step, half in (
        ("000000000040", "part_0.orbax-checkpoint-tmp-1"),
        ("000000000090", "part_0"),
    ):
        (cell / f"step_{step}" / half).mkdir(parents=True)  # killed before the checksums
    assert checkpoint_step(CELL, tmp_path) == 50
    list(record(CELL, tmp_path, resume=True, checkpoint_every=25))
    assert [path.name for path in sorted(cell.glob("step_*"))] == ["step_000000000090"]
    assert checkpoint_step(CELL, tmp_path) == 90


def test_a_backend_without_a_state_goes_on_with_a_new_episode(tmp_path, monkeypatch):
    monkeypatch.setattr("vs_envs.python_loop.LoopEnv.state", VectorEnv.state)
    stopped(tmp_path / "a", step=50)
    stopped(tmp_path / "b", step=50)
    for out in (tmp_path / "a", tmp_path / "b"):
        list(record(CELL, out, resume=True))
    assert table(tmp_path / "a").equals(table(tmp_path / "b"), null_equal=True)
    assert set(table(tmp_path / "a")["env_step"]) == {30, 60, 90}


def test_a_cell_cut_off_without_a_checkpoint_starts_again(tmp_path, whole):
    evaluations = record(CELL, tmp_path)
    next(evaluations)
    evaluations.close()
    assert set(read_metadata(tmp_path)["state"]) == {"failed"}
    assert checkpoint_step(CELL, tmp_path) is None
    list(record(CELL, tmp_path))
    assert table(tmp_path).equals(table(whole), null_equal=True)


def refused(out, config=CELL, **options):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(ValueError) as error:
        list(record(config, out, **options))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_would_lose_work_or_cannot_be_resumed_is_refused(tmp_path, whole):
    assert "already finished there" in refused(whole)
    assert "already finished there" in refused(whole, resume=True)
    for seeds in ({"first_seed": 2}, {"seeds": 3}):
        further = replace(CELL, **seeds)
        assert not is_finished(further, whole)
        assert "holds the seeds [0, 1] of these settings" in refused(whole, further)
    assert is_finished(replace(CELL, seeds=1), whole)
    stopped(tmp_path)
    assert "has a checkpoint there at env step 50; expected --resume" in refused(tmp_path)
    other = replace(CELL, batch_size=8)
    assert "(the nearest one there has batch_size 4, here 8)" in refused(
        tmp_path, other, resume=True
    )
    more = replace(CELL, first_seed=2)
    assert "holds the seeds [0, 1] of these settings" in refused(tmp_path, more)
    assert "first_seed 0, here 2" in refused(tmp_path, more, resume=True)
    short = replace(CELL, steps=40)
    assert "steps = 40: the checkpoint is at 50 already" in refused(tmp_path, short, resume=True)
    assert "written by --processes 1, here 2" in refused(tmp_path, resume=True, processes=2)


def test_a_shorter_finished_run_without_its_checkpoint_is_not_overwritten(tmp_path):
    list(record(replace(CELL, steps=60), tmp_path))
    for path in sorted((tmp_path / "checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert "already finished, after 60 steps and without a checkpoint" in refused(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "one byte", "missing", "checksums", "cell"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, damage):
    stopped(tmp_path)
    (part,) = (tmp_path / "checkpoints").glob("*/step_*/part_0")
    data = next(path for path in part.rglob("*") if path.parent.name == "d")
    content = data.read_bytes()
    if damage == "cut":
        data.write_bytes(content[:-20])
    elif damage == "one byte":
        data.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif damage == "missing":
        data.unlink()
    elif damage == "checksums":
        part.with_suffix(".json").write_text("{")
    else:
        (part.parent.parent / "cell.json").write_text("{")
    sentence = refused(tmp_path, resume=True)
    assert "the checkpoint cannot be read" in sentence
    assert "remove its folder to start the cell again" in sentence


def test_a_checkpoint_of_other_agents_is_one_sentence(tmp_path):
    stopped(tmp_path)
    sentence = refused(tmp_path, replace(CELL, diagnostics="validation"), resume=True)
    assert "it has no stream/replay/data/observation" in sentence
    sentence = refused(tmp_path, WATCHED, resume=True)
    assert "the nearest one there has passive_critic_width None, here 4" in sentence


def test_lanes_of_another_shape_are_named():
    lanes = Trainer(CELL)._lanes
    arrays = pack(lanes, "lanes")
    name = next(name for name in arrays if name.startswith("lanes/agent/critic/params"))
    wrong = arrays | {name: arrays[name].astype(np.float64)}
    with pytest.raises(ValueError, match=f"{name} is float64 of shape"):
        restored(lanes, wrong, "lanes")
    del wrong[name]
    with pytest.raises(ValueError, match=f"it has no {name}"):
        restored(lanes, wrong, "lanes")


def test_the_settings_of_a_checkpoint_can_be_read(tmp_path):
    stopped(tmp_path, step=3)
    cell = json.loads(next((tmp_path / "checkpoints").glob("*/cell.json")).read_text())
    assert cell["env"] == "dmc/pendulum-swingup"
    assert (cell["seeds"], cell["first_seed"], cell["learning_rate"]) == (2, 0, [1e-3, 3e-3])
