"""The settings: defaults by algorithm, and the fields that tell two runs apart."""

from dataclasses import replace

import pytest
from vs_logging import run_id
from vs_train import TrainConfig, columns
from vs_train.cell import agent_config, with_backend
from vs_train.config import CONSTANTS

CELL = TrainConfig(env="dmc/cheetah-run")


def identity(config):
    return run_id(columns(config, config.learning_rates[0]))


def test_defaults_are_the_algorithms():
    sac, bro, full = (TrainConfig(algo=algo).choices for algo in ("sac", "bro", "bro-full"))
    assert (sac.utd, sac.batch_size, sac.critic_width, sac.warmup_steps) == (1, 256, 256, 1_000)
    assert (bro.utd, bro.batch_size, bro.critic_width, bro.warmup_steps) == (2, 256, 512, 2_500)
    assert (bro.eval_every, bro.eval_episodes) == (25_000, 5)
    assert (full.utd, full.batch_size) == (10, 128)
    assert TrainConfig(algo="bro", batch_size=64).choices == replace(bro, batch_size=64)


def test_a_default_spelled_out_is_the_same_run():
    assert identity(replace(CELL, utd=1.0, batch_size=256, eval_every=2_000)) == identity(CELL)


@pytest.mark.parametrize(
    "change",
    [
        {"algo": "bro"},
        {"env": "dmc/walker-run"},
        {"utd": 2.0},
        {"batch_size": 128},
        {"critic_width": 128},
        {"critic_depth": 3},
        {"actor_width": 128},
        {"learning_rates": (1e-3,)},
        {"warmup_steps": 500},
        {"eval_every": 1_000},
        {"eval_episodes": 2},
        {"replay_capacity": 50_000},
        {"actor_every": "env_step"},
        {"target_entropy_per_action": 1.0},
        {"dtype": "bfloat16"},
        {"action_repeat": 2},
        {"discount": 0.9},
        {"n_step": 3},
        {"target_rate": 0.01},
        {"passive_critic_width": 64},  # it changes no number but its own
    ],
)
def test_what_changes_the_numbers_makes_another_run(change):
    assert identity(replace(CELL, **change)) != identity(CELL)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 5_000_000},
        {"seeds": 9},
        {"first_seed": 7},
        {"diagnostics": "validation"},
    ],
)
def test_what_does_not_is_the_same_run(change):
    assert identity(replace(CELL, **change)) == identity(CELL)


def test_a_run_records_the_agents_constants():
    bro = columns(TrainConfig(algo="bro"), 3e-4)
    assert (bro["algo"], bro["benchmark"], bro["env"]) == ("bro", "dmc", "cartpole-swingup")
    assert (bro["discount"], bro["target_rate"], bro["reset_every"]) == (0.99, 0.005, 2_500_000)
    assert (bro["actor_every"], bro["dtype"], bro["backend"]) == (
        "critic_update",
        "float32",
        "python",
    )
    assert bro["learning_rate"] == 3e-4
    assert {"steps", "seeds", "first_seed", "learning_rates"}.isdisjoint(bro)


@pytest.mark.parametrize(
    ("algo", "given", "constants"),
    [
        ("sac", {"discount": 0.9, "n_step": 3, "target_rate": 0.01}, {}),
        ("bro", {"pessimism": 1.0, "quantiles": 20, "reset_every": 5}, {}),
        ("bro", {"reset_every": 0}, {"reset_every": None}),
        ("bro-full", {"reset_steps": (7, 9)}, {}),
        ("simbav2", {}, {"critics": 1, "discount": 0.99, "decay_updates": 90_000}),
        ("simbav2", {"env": "gym/Ant-v4", "action_repeat": 1}, {"critics": 2, "discount": 0.995}),
    ],
)
def test_constants_may_be_set_and_are_recorded(algo, given, constants):
    config = TrainConfig(algo=algo, **given)
    agent, recorded = agent_config(config), columns(config, 3e-4)
    expected = {name: value for name, value in given.items() if name in CONSTANTS} | constants
    for name, value in expected.items():
        assert getattr(agent, name) == value
        assert recorded[name] == value


@pytest.mark.parametrize(
    ("algo", "given", "message"),
    [
        ("sac", {"pessimism": 0.5}, "pessimism: sac has none"),
        ("bro-full", {"reset_every": 9}, "reset_every: bro-full has none"),
        ("bro", {"reset_steps": (9,)}, "reset_steps: bro has none"),
        ("simbav2", {"passive_critic_width": 9}, "passive_critic_width: simbav2 has none"),
        ("sac", {"discount": 1.5}, "discount = 1.5: expected a number from 0 to 1"),
        ("bro", {"reset_every": -1}, "reset_every = -1: expected 0"),
        ("sac", {"action_repeat": 3}, "steps = 100000: expected a multiple of action_repeat = 3"),
        ("simbav2", {"backend": "mjx"}, "action_repeat = 2: mjx has none; expected 1, or backend"),
    ],
)
def test_constants_that_an_algorithm_does_not_have_are_refused(algo, given, message):
    with pytest.raises(ValueError, match=message):
        columns(TrainConfig(algo=algo, **given), 3e-4)


def test_auto_is_resolved_without_building_an_environment(monkeypatch):
    def build(*_, **__):
        raise AssertionError("an environment was built")

    monkeypatch.setattr("vs_train.acting.make", build)
    auto = replace(CELL, backend="auto", seeds=3)
    config, why = with_backend(auto)
    assert config == replace(auto, backend="python")  # fewer than four environments
    assert why.startswith("auto: EnvPool is faster than Python with 10 environments of cheetah")
    assert columns(auto, 3e-4)["backend"] == "python"


def test_a_first_seed_past_the_limit():
    with pytest.raises(ValueError, match="first_seed = 999999: expected seeds from 0 to 999999"):
        TrainConfig(first_seed=999_999, seeds=2)
