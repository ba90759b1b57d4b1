"""Training end to end on tiny cells: what is written, reproducibility, divergence."""

import re
import warnings
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from jax import numpy as jnp
from vs_agents import measured_flops
from vs_logging import read_metadata, read_table, run_id
from vs_train import (
    DivergenceWarning,
    Evaluation,
    TrainConfig,
    columns,
    is_finished,
    train,
    train_and_record,
)
from vs_train import run as run_module
from vs_train.cell import agent_config, reset_due
from vs_train.cli import main
from vs_train.divergence import DivergenceWatch
from vs_train.facts import flops, flops_per_update, metadata
from vs_train.means import Means
from vs_train.run import Trainer

TINY = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=0.5,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=90,  # the shapes of test_train_checkpoint.py: compiled once for both
    warmup_steps=30,
    eval_every=30,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return out, list(train_and_record(TINY, out))


def test_the_run_table(written):
    out, evaluations = written
    table = read_table(out)
    assert table.height == 2 * 2 * 3
    assert table["run"].n_unique() == 2
    assert sorted(table["learning_rate"].unique()) == [1e-3, 3e-3]
    row = table.row(0, named=True)
    assert (row["algo"], row["benchmark"], row["env"]) == ("sac", "dmc", "pendulum-swingup")
    assert (row["utd"], row["batch_size"], row["critic_width"]) == (0.5, 4, 8)
    assert row["critic_depth"] == 2
    assert row["critic_params"] == 2 * ((4 * 8 + 8) + (8 * 8 + 8) + (8 + 1))
    one = table.filter(pl.col("learning_rate") == 3e-3, pl.col("seed") == 1).sort("env_step")
    assert one["env_step"].to_list() == [30, 60, 90]
    assert one["return_"].to_list() == [e.returns[3] for e in evaluations]
    assert one["return_"].is_between(0, 1000).all()


def test_updates_and_flops_are_counted(written):
    out, _ = written
    table = read_table(out).filter(pl.col("seed") == 0, pl.col("learning_rate") == 1e-3)
    table = table.sort("env_step")
    assert table["updates"].to_list() == [0, 15, 30]  # none in the warm-up, then one in two
    expected = 10 * table["critic_params"][0] * 4 * table["updates"]
    assert table["flops"].to_list() == expected.to_list()
    measured = table["measured_flops"]
    assert measured[0] == 0
    assert 0.2 * table["flops"][1] < measured[1] < 5 * table["flops"][1]
    assert measured[2] == 2 * measured[1]
    assert table["critic_loss"].is_null().to_list() == [True, False, False]
    assert table["critic_loss"].is_finite().to_list()[1:] == [True, True]


def test_metadata(written):
    out, _ = written
    facts = read_metadata(out)
    assert set(facts["state"]) == {"finished"}
    assert set(facts["action_repeat"]) == {1}
    assert set(facts["optimal_return"]) == {1000.0}
    assert set(facts["reset_every"]) == {None}
    assert metadata(replace(TINY, algo="bro"))["reset_every"] == 2_500_000
    assert metadata(replace(TINY, algo="bro-full"))["reset_every"] is None
    table = read_table(out)
    assert set(table["action_repeat"]) == {1}
    assert set(table["reset_every"]) == {None}
    names = ("mujoco", "dm-control", "gymnasium", "jax", "jaxlib", "flax", "optax", "numpy")
    assert {f"versions.{n}" for n in names} <= set(facts.columns)
    assert set(facts["actor_every"]) == {"critic_update"}
    assert set(facts["flops_per_update"]) == {flops_per_update(TINY)}
    assert set(facts["steps"]) == {90}
    assert is_finished(TINY, out)
    assert not is_finished(replace(TINY, steps=95), out)


def test_the_same_settings_give_the_same_numbers(written):
    _, first = written
    for one, two in zip(first, train(TINY), strict=True):
        np.testing.assert_array_equal(one.returns, two.returns)
        for name, values in one.metrics.items():
            np.testing.assert_array_equal(values, two.metrics[name])


def test_the_run_is_the_same_whatever_trains_beside_it():
    alone = replace(TINY, learning_rates=(3e-3,), seeds=7)
    assert columns(alone, 3e-3) == columns(TINY, 3e-3)
    assert columns(alone, 3e-3) != columns(TINY, 1e-3)


def test_lanes_whose_episodes_end_at_different_steps_do_not_touch_each_other(toy):
    cell = replace(TINY, utd=1.0, eval_episodes=2)
    together = list(train(cell))
    alone = list(train(replace(cell, learning_rates=(3e-3,), seeds=1, first_seed=1)))
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(many.returns[3], one.returns[0], rtol=1e-4)
    assert len(set(together[-1].returns)) == 4


def test_a_diverged_agent_is_recorded_as_nan_and_the_others_go_on():
    mad = replace(TINY, learning_rates=(1e-3, 1e30), utd=1.0)
    *_, last = train(mad)
    for steps in last.nan_from.values():
        assert steps.tolist() == [0, 0, 61, 61]  # NaN already, at the first update after step 60
    assert np.isfinite(last.returns[:2]).all()
    assert np.isnan(last.returns[2:]).all()
    assert np.isfinite(last.metrics["critic_loss"][:2]).all()
    assert np.isnan(last.metrics["critic_loss"][2:]).all()


def test_a_metric_that_becomes_nan_is_recorded_and_said_once_per_agent(toy, tmp_path):
    mad = replace(TINY, learning_rates=(1e-3, 1e30), utd=1.0)
    with pytest.warns(DivergenceWarning) as said:
        list(train_and_record(mad, tmp_path))
    assert len(said) == 2  # not again at the next evaluation
    for one, seed in zip(said, (0, 1), strict=True):
        assert str(one.message).startswith(
            f"dmc/pendulum-swingup, seed {seed}, learning rate 1e+30: NaN in critic_loss from "
        )
        first = re.search(r"critic_loss from env step (\d+)", str(one.message))
        assert first is not None
        assert 31 <= int(first[1]) <= 33  # the first updates
    table = read_table(tmp_path).filter(pl.col("env_step") > 30)
    diverged = pl.col("learning_rate") == 1e30
    assert table.filter(diverged)["critic_loss"].is_nan().all()
    assert table.filter(~diverged)["critic_loss"].is_finite().all()


def test_the_command_says_it_in_one_line(monkeypatch, capsys, tmp_path):
    def record(config, out, **_):
        nan_from = {"critic_loss": np.array([0, 7]), "entropy": np.array([0, 9])}
        DivergenceWatch(config).look(Evaluation(
            env_step=10, updates=9, returns=np.zeros(2), metrics={}, nan_from=nan_from,
        ))  # fmt: skip
        yield from ()

    monkeypatch.setattr("vs_train.cli.train_and_record", record)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        main(["--seeds", "2", "--out", str(tmp_path / "runs")])
    assert capsys.readouterr().err == (
        "vs-train: dmc/cartpole-swingup, seed 1, learning rate 0.0003: NaN in critic_loss from env "
        "step 7, entropy from env step 9\n"
    )


def test_metrics_are_means_since_the_last_evaluation():
    means = Means()
    means.add({"loss": np.array([1.0, 3.0, 1.0])}, env_step=4)
    means.add({"loss": np.array([4.0, 2.0, np.nan]), "entropy": np.ones(3)}, env_step=5)
    means = Means(means.state())  # as after a restart
    means.add({"loss": np.array([4.0, 2.5, 6.0])}, env_step=6)
    taken = means.take()
    np.testing.assert_array_equal(taken.means["loss"], [3.0, 2.5, np.nan])
    np.testing.assert_array_equal(taken.means["entropy"], [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(taken.nan_from["loss"], [0, 0, 5])
    np.testing.assert_array_equal(taken.nan_from["entropy"], [0, 0, 0])
    assert means.take() == ({}, {})


def test_a_step_without_an_update_is_no_nan():
    """Inside jit every step has a value: NaN in all lanes where nothing was updated."""
    nothing, one = [np.nan, np.nan], [1.0, 2.0]
    means = Means()
    rows = {
        "loss": np.array([nothing, one, nothing, [3.0, np.nan], nothing]),
        "entropy": np.array([nothing, one, one, nothing, one]),  # updated in every step but one
    }
    means.add_rows(rows, first_step=11, updates=np.array([-1, 1, 0, 1]))  # the last row is padding
    taken = means.take()
    np.testing.assert_array_equal(taken.means["loss"], [2.0, np.nan])
    np.testing.assert_array_equal(taken.nan_from["loss"], [0, 14])
    np.testing.assert_array_equal(taken.means["entropy"], [np.nan, np.nan])
    np.testing.assert_array_equal(taken.nan_from["entropy"], [14, 14])


def test_means_do_not_depend_on_when_they_were_fetched_or_interrupted():
    rng = np.random.default_rng(0)
    losses = rng.lognormal(size=(700, 3)).astype(np.float32)
    losses[432:, 2] = np.nan
    straight, interrupted, rows, plain = Means(), Means(), Means(), np.zeros(3)
    for k in range(len(losses)):
        loss = losses[k]
        metrics = {"loss": jnp.asarray(loss)} | ({"rare": loss} if k % 100 == 0 else {})
        straight.add(metrics, env_step=k + 1)
        interrupted.add(metrics, env_step=k + 1)
        if k % 90 == 0:
            interrupted = Means(interrupted.state())
        plain += loss.astype(np.float64)
        rows.add_rows(
            {name: np.asarray(value)[None] for name, value in metrics.items()},
            first_step=k + 1,
            updates=np.ones(1),
        )
    for means in (straight, interrupted, rows):
        taken = means.take()
        np.testing.assert_array_equal(taken.means["loss"], plain / 700)
        np.testing.assert_allclose(taken.means["rare"], losses[::100].mean(0), rtol=1e-6)
        assert taken.nan_from["loss"].tolist() == [0, 0, 433]
        assert taken.nan_from["rare"].tolist() == [0, 0, 501]


def test_bro_trains_and_starts_afresh_before_the_updates_of_a_step(toy, monkeypatch):
    bro = replace(
        TINY,
        algo="bro",
        utd=1.0,
        learning_rates=(1e-3,),
        seeds=1,
        warmup_steps=5,
        eval_every=9,
        eval_episodes=1,
    )
    judged = []

    def with_resets(config):
        return replace(agent_config(config), quantiles=5, reset_every=4)

    def evaluate(self, lanes):
        judged.append(int(lanes.agent.critic.optimizer[0].count[0]))
        return np.zeros(1)

    monkeypatch.setattr(run_module, "agent_config", with_resets)
    monkeypatch.setattr(Trainer, "_evaluate", evaluate)
    trainer = Trainer(bro)
    updates = []
    for _ in range(15):
        trainer.advance(trainer.env_step + 1)
        updates.append(trainer.state()["lanes/agent/critic/optimizer/0/count"].item())
    assert updates == [0, 0, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    assert judged == [4]  # the evaluation after step 9 precedes the reset
    assert all(np.isfinite(value).all() for value in trainer.state().values())


def test_the_actors_share_of_the_flops_follows_how_often_it_is_updated():
    config = replace(TINY, actor_every="env_step")
    both = flops(TINY, env_step=90, updates=30)
    often = flops(config, env_step=90, updates=30)
    assert both["flops"] == often["flops"] == 30 * flops_per_update(TINY)
    once = measured_flops(agent_config(TINY), 4)
    assert both["measured_flops"] == 30 * (once.critic + once.actor)
    assert often["measured_flops"] == 30 * once.critic + 60 * once.actor
    assert flops(config, env_step=10, updates=0)["measured_flops"] == 0


def test_what_is_only_measured_changes_nothing_else(toy, tmp_path):
    cell = replace(TINY, utd=1.0)
    watched = replace(cell, passive_critic_width=4, diagnostics="validation")
    list(train_and_record(cell, tmp_path / "plain"))
    list(train_and_record(watched, tmp_path / "watched"))
    keys = ["learning_rate", "seed", "env_step"]
    plain, more = (
        read_table(tmp_path / name).drop("run").sort(keys) for name in ("plain", "watched")
    )
    assert more.select(plain.columns).equals(plain, null_equal=True)
    extra = set(more.columns) - set(plain.columns)
    assert extra >= {
        "critic_param_norm",
        "train_critic_loss",
        "fresh_critic_loss",
        "validation_critic_loss",
        "grad_noise_scale",
        "passive_critic_loss",
        "passive_validation_critic_loss",
    }
    assert set(more["passive_critic_width"]) == {4}
    assert set(more["passive_critic_params"]) == {2 * ((4 * 4 + 4) + (4 * 4 + 4) + (4 + 1))}
    assert more["validation_critic_loss"].is_finite().all()
    assert (more["validation_critic_loss"] != more["train_critic_loss"]).all()


class Notes:
    """A sink that remembers."""

    def __init__(self):
        self.rows, self.closed = [], []

    def write(self, config, **row):
        self.rows.append({"run": run_id(config)} | row)

    def close(self, *, error=None):
        self.closed.append(error)


def test_sinks_are_given_the_rows_of_the_table(toy, tmp_path):
    notes = Notes()
    list(train_and_record(TINY, tmp_path, sinks=(notes,)))
    assert notes.closed == [None]
    keys = ["run", "seed", "env_step"]
    table = read_table(tmp_path).sort(keys)
    assert len(notes.rows) == table.height == 12
    sent = pl.DataFrame(notes.rows, infer_schema_length=None).sort(keys)
    for name in sent.columns:
        expected = table[name].cast(sent.schema[name])
        assert sent[name].equals(expected, null_equal=True), name
    evaluations = train_and_record(TINY, tmp_path / "again", sinks=(notes,))
    next(evaluations)
    evaluations.close()
    assert notes.closed[1].startswith("GeneratorExit")


def test_agents_stop_at_success_and_stay_stopped(toy, tmp_path, monkeypatch):
    """Seed 0 succeeds at env step 20, seed 1 at 40, also where a checkpoint lies between."""
    config = replace(TINY, learning_rates=(1e-3,), eval_every=10, stop_at_success=5.0)
    found = {10: [0.0, 9.0], 20: [6.0, 1.0], 30: [0.0, np.nan], 40: [0.0, 5.0], 50: [0.0, 0.0]}
    monkeypatch.setattr(Trainer, "_evaluate", lambda self, _: np.array(found[self.env_step]))
    found[10][1] = 4.0
    assert [one.env_step for one in train(config)] == [10, 20, 30, 40]

    rows = [(10, 0), (10, 1), (20, 0), (20, 1), (30, 1), (40, 1)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(train_and_record(config, whole))
    with closing(train_and_record(config, parts, checkpoint_every=25)) as first:
        for evaluation in first:
            if evaluation.env_step == 30:
                break
    list(train_and_record(config, parts, resume=True))
    for out in (whole, parts):
        table = read_table(out).sort("env_step", "seed")
        assert list(zip(table["env_step"], table["seed"], strict=True)) == rows
        stopped = table.filter(table["stopped_on_success"].fill_null(value=False))
        assert list(zip(stopped["env_step"], stopped["seed"], strict=True)) == [(20, 0), (40, 1)]
        assert is_finished(config, out)


def test_simbav2_counts_environment_steps_under_action_repeat():
    """Ten random decisions, then ten of two updates each; statistics from the second decision on."""
    config = TrainConfig(
        algo="simbav2",
        env="dmc/pendulum-swingup",
        batch_size=4,
        critic_width=8,
        critic_depth=1,
        actor_width=8,
        seeds=2,
        steps=40,
        warmup_steps=20,
        eval_every=20,
        eval_episodes=1,
    )
    trainer = Trainer(config)
    found = []
    while trainer.env_step < 40:
        found.append(trainer.advance(40))
    evaluations = [evaluation for evaluation in found if evaluation is not None]
    assert len(found) == 20
    assert [(one.env_step, one.updates) for one in evaluations] == [(20, 0), (40, 20)]
    assert set(evaluations[1].metrics) == {"critic_loss", "entropy", "temperature"}
    state = trainer.state()
    assert state["lanes/agent/critic/optimizer/count"].tolist() == [20, 20]
    np.testing.assert_allclose(state["lanes/agent/extra/observation/count"], 20, rtol=1e-4)
    assert int(state["lanes/replay/inserted"]) == 20
    assert flops(config, env_step=40, updates=20)["flops"] == 20 * flops_per_update(config)


@pytest.mark.parametrize(("utd", "resets"), [(2.0, [15_001]), (10.0, [15_001, 50_001])])
def test_the_full_bro_resets_as_published_for_its_utd(utd, resets):
    config = TrainConfig(algo="bro-full", utd=utd)
    agent = agent_config(config)
    near = [step for at in (15_001, 50_001) for step in (at - 1, at, at + 1)]
    assert [step for step in near if reset_due(agent, config.choices, step)] == resets
