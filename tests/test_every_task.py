"""Every task that trains can be analysed: those of vs-envs, and those that a user registers."""

import runpy
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vs_analyze import AnalysisError, Settings, load_runs
from vs_analyze.settings import published2, task_facts
from vs_envs import registry, task, task_names
from vs_logging import read_metadata, run_id, scan
from vs_train import TrainConfig, columns
from vs_train.cli import main

COSTS = ("gym/Reacher-v4", "gym/Reacher-v5", "gym/Pusher-v5")  # no return above 0


def table(name: str, *, optimal_return: float | None = None) -> pl.DataFrame:
    """One run of two seeds that reaches the task's optimal return at env step 2000."""
    known = task(name)
    constants = {
        "run": name, "algo": "sac", "benchmark": known.benchmark, "env": known.env, "utd": 1.0,
        "batch_size": 256, "learning_rate": 3e-4, "critic_params": 1000, "critic_width": 16,
    }  # fmt: skip
    rows = pl.DataFrame(
        {"seed": [0, 0, 1, 1], "env_step": [1000, 2000] * 2,
         "return_": [value * known.optimal_return for value in (0.1, 1, 0.2, 1)]}
    )  # fmt: skip
    if optimal_return is not None:
        constants["optimal_return"] = optimal_return
    return rows.with_columns(pl.lit(value).alias(key) for key, value in constants.items())


def test_the_list_of_the_analysis_is_that_of_vs_envs():
    made = runpy.run_path(str(Path(__file__).with_name("task_list.py")))
    text = made["PATH"].read_text(encoding="utf-8")
    assert text == made["task_list"](), "out of date: uv run python tests/task_list.py"


@pytest.mark.parametrize("name", [name for name in task_names() if name not in COSTS])
def test_every_task_of_vs_envs_can_be_analysed(name):
    (run,) = load_runs(table(name), Settings(), source="table")
    np.testing.assert_allclose(run.returns, [[100, 200], [1000, 1000]])
    assert run.benchmark == name.split("/")[0].replace("hbench", "humanoid_bench")


def test_what_a_run_says_of_its_task_comes_before_the_list():
    (run,) = load_runs(table("gym/Ant-v5", optimal_return=3000.0), Settings(), source="table")
    assert run.optimal_return == 3000.0
    assert run.returns.max() == pytest.approx(1000 * task("gym/Ant-v5").optimal_return / 3000)


@pytest.mark.parametrize("name", COSTS)
def test_tasks_that_pay_costs_say_why_not(name):
    for frame in (table(name), table(name, optimal_return=0.0)):
        with pytest.raises(AnalysisError) as error:
            load_runs(frame, Settings(), source="table")
        env = task(name).env
        assert f"the optimal return of gym/{env} is 0, and returns are divided by it" in str(
            error.value
        )
        assert f"--optimal-returns {env} VALUE" in str(error.value)
    (run,) = load_runs(
        table(name).with_columns(return_=pl.col("env_step") / 100 + pl.col("seed")),
        Settings(optimal_returns={task(name).env: 50.0}),
        source="shifted",
    )
    np.testing.assert_allclose(run.returns, [[200, 220], [400, 420]])


def test_paper_2_takes_returns_of_humanoid_bench_as_they_are():
    facts = task_facts("humanoid_bench", "h1-crawl-v0")
    assert facts is not None
    assert (facts.optimal_return, facts.delta) == (700.0, 1e11)
    for name in task_names():
        if name.startswith("hbench/"):
            frame = table(name, optimal_return=task(name).optimal_return)
            (run,) = load_runs(frame, published2(), source="table")
            assert run.optimal_return == 1000.0
            np.testing.assert_allclose(run.returns.max(), task(name).optimal_return)


def test_a_humanoid_bench_run_keeps_its_id():
    config = columns(TrainConfig(env="hbench/h1-walk-v0"), 3e-4)
    assert config["benchmark"] == "hbench"
    assert run_id(config) == "2ba4c3156b22"


OWN_TASKS = """
import numpy as np
from dm_control.rl import control
from dm_control.suite import cartpole
from gymnasium.envs.mujoco.inverted_pendulum_v5 import InvertedPendulumEnv
from vs_envs import Task, register_task


def build(seed):
    physics = cartpole.Physics.from_xml_string(*cartpole.get_model_and_assets())
    task = cartpole.Balance(swing_up=False, sparse=False, random=seed)
    return control.Environment(physics, task, control_timestep=0.01)


sizes = {"action_size": 1, "episode_steps": 20, "optimal_return": 20.0, "source": "20 steps"}
register_task(Task(benchmark="mine", env="cart", observation_size=5, **sizes), build)
register_task(
    Task(benchmark="mine", env="pendulum", observation_size=4, **sizes),
    lambda seed: InvertedPendulumEnv(),
)
"""


@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy:DeprecationWarning")
@pytest.mark.parametrize("env", ["cart", "pendulum"])  # dm_control, gymnasium
def test_a_registered_task_goes_from_the_command_to_the_analysis(env, tmp_path, monkeypatch):
    (tmp_path / "own_tasks.py").write_text(OWN_TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTERED", {})
    monkeypatch.delitem(sys.modules, "own_tasks", raising=False)
    out = tmp_path / "runs"
    main(
        f"--env own_tasks:mine/{env} --backend auto --batch-size 4 --critic-width 8 --seeds 2 "
        f"--actor-width 8 --warmup-steps 5 --steps 20 --eval-every 10 --out {out}".split()
    )
    facts = read_metadata(out).row(0, named=True)
    assert (facts["optimal_return"], facts["backend"]) == (20.0, "python")
    rows = scan(out).collect()
    (run,) = load_runs(rows, Settings(), source="runs")
    assert (run.benchmark, run.env, run.optimal_return) == ("mine", env, 20.0)
    raw = rows.pivot(on="seed", index="env_step", values="return_").sort("env_step")
    np.testing.assert_allclose(run.returns, raw.drop("env_step").to_numpy() * 50)
    assert run.returns.max() > 0
