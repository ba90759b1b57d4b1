"""Tasks under the names that people use, units of a step, and the choice of tasks at import."""

from dataclasses import replace

import pytest
from vs_logging import ImportOptions, RunTableError, find_task, import_csv

OPTIONS = ImportOptions(constants={"algo": "sac", "learning_rate": 3e-4, "batch_size": 64})


@pytest.mark.parametrize(
    ("name", "benchmark", "env", "optimal_return"),
    [
        ("walker-walk", "dmc", "walker-walk", 1000),
        ("dog_run", "dmc", "dog-run", 1000),
        ("dmc_walker_walk", "dmc", "walker-walk", 1000),
        ("dmc/walker-walk", "dmc", "walker-walk", 1000),
        ("Dmc-walker-walk", "dmc", "walker-walk", 1000),
        ("dm_control/walker-walk-v0", "dmc", "walker-walk", 1000),
        ("cup_catch", "dmc", "ball_in_cup-catch", 1000),
        ("dmc_cup_catch", "dmc", "ball_in_cup-catch", 1000),
        ("finger-turn-easy", "dmc", "finger-turn_easy", 1000),
        ("humanoid_CMU_run", "dmc", "humanoid_CMU-run", 1000),
        ("humanoid-run", "dmc", "humanoid-run", 1000),
        ("humanoid_run", "dmc", "humanoid-run", 1000),
        ("Gym-Ant-v4", "gym", "Ant-v4", 6625),
        ("gym/HalfCheetah-v4", "gym", "HalfCheetah-v4", 8500),
        ("HalfCheetah_v4", "gym", "HalfCheetah-v4", 8500),
        ("h1-reach-v0", "humanoid_bench", "h1-reach-v0", 12000),
        ("h1_maze_v0", "humanoid_bench", "h1-maze-v0", 1200),
        ("hbench/h1-walk-v0", "humanoid_bench", "h1-walk-v0", 700),
        ("humanoid_h1hand-reach-v0", "humanoid_bench", "h1hand-reach-v0", 12000),
        ("h1hand-cabinet-v0", "humanoid_bench", "h1hand-cabinet-v0", 2500),
    ],
)
def test_spellings_of_known_tasks(tmp_path, name, benchmark, env, optimal_return):
    known = find_task(name)
    assert known is not None
    assert (known.benchmark, known.env, known.optimal_return) == (benchmark, env, optimal_return)
    assert known.source
    assert benchmarks(tmp_path, name) == [benchmark]


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        *(
            (name, "unknown")
            for name in ("go2-walk", "panda-grasp", "pen-v0_sparse", "assembly-v2")
        ),
        *((name, "unknown") for name in ("mw-pick-place", "Walker", "walker-walk-v3", "a-b")),
        ("FetchReach-v2", "gym"),
        ("dmc_lqr_lqr", "dmc"),
        ("h1hand-dance-v0", "humanoid_bench"),
        ("push-v2-goal-observable", "metaworld"),
        ("gym/walker-walk", "gym"),
    ],
)
def test_names_of_unknown_tasks(tmp_path, name, benchmark):
    assert find_task(name) is None
    assert benchmarks(tmp_path, name) == [benchmark]


def benchmarks(folder, name):
    table, _ = read(folder / "t.csv", [("a", name, 0, 10, 1.0)])
    assert table["env"].to_list() == [name]  # tables keep the names that people use
    return table["benchmark"].to_list()


def read(path, rows, **given):
    lines = [f"{exp},{env},{seed},return,{step},{value}\n" for exp, env, seed, step, value in rows]
    path.write_text("exp_name,env_name,seed,metric,env_step,value\n" + "".join(lines))
    options = replace(OPTIONS, constants={"utd": 1, **OPTIONS.constants})
    return import_csv(path, replace(options, **given))


MIXED = [
    ("a", "walker_walk", 0, 10, 1.0),
    ("a", "Ant-v4", 0, 10, 2.0),
    ("a", "go2-walk", 0, 10, 3.0),
    ("b", "go2-walk", 0, 10, 8.0),
    ("b", "go2-walk", 0, 20, 5.0),
    ("b", "go2-walk", 1, 20, 7.0),
]


@pytest.mark.parametrize(
    ("given", "envs"),
    [
        ({"envs": ["dmc/walker-walk"]}, ["walker_walk"]),
        ({"envs": ["go2-walk", "Gym-Ant-v4"]}, ["Ant-v4", "go2-walk"]),
        ({"benchmarks": ["dmc", "gym"]}, ["Ant-v4", "walker_walk"]),
        ({"benchmarks": ["unknown"], "envs": ["go2-walk"]}, ["go2-walk"]),
    ],
)
def test_tasks_of_a_mixed_table(tmp_path, given, envs):
    broken = [*MIXED, ("a", "broken", 0, "x", 1.0)]
    table, report = read(tmp_path / "t.csv", broken, **given)
    assert sorted(table["env"].unique()) == envs
    assert report.rows == table.height


def test_no_task_of_the_choice(tmp_path):
    with pytest.raises(RunTableError, match=r"nothing to import; .* of --env dog-run"):
        read(tmp_path / "t.csv", MIXED, envs=["dog-run"])


def test_normalise_by_the_best_run(tmp_path):
    table, report = read(tmp_path / "t.csv", MIXED, normalise="best-run")
    found = dict(table.select("env", "optimal_return").rows())
    assert found == {"walker_walk": None, "Ant-v4": None, "go2-walk": 6.0}
    assert any(note.startswith("go2-walk: 1000 is 6, the mean return") for note in report.notes)
    with pytest.raises(RunTableError, match=r"go2-walk: its best run ends at -1, .* best-run"):
        read(tmp_path / "t.csv", [("a", "go2-walk", 0, 10, -1.0)], normalise="best-run")


@pytest.mark.parametrize(
    ("given", "steps", "action_repeat"),
    [
        ({}, [10, 20], None),
        ({"action_repeat": 2}, [10, 20], 2),
        ({"action_repeat": 2, "step_unit": "decisions"}, [20, 40], 2),
        ({"steps_scale": 1000}, [10000, 20000], None),
        ({"steps_scale": 0.5, "step_unit": "decisions", "action_repeat": 4}, [20, 40], 4),
        ({"pattern": r"r(?P<action_repeat>\d)", "step_unit": "decisions"}, [30, 60], 3),
    ],
)
def test_units_of_a_step(tmp_path, given, steps, action_repeat):
    rows = [("utd1_r3", "walker-walk", 0, step, 1.0) for step in (10, 20)]
    table, report = read(tmp_path / "t.csv", rows, **given)
    assert table["env_step"].to_list() == steps
    recorded = table["action_repeat"].unique().to_list() if action_repeat else [None]
    assert recorded == [action_repeat]
    assert ("action_repeat" in table.columns) == bool(action_repeat)
    assert any(f"action_repeat is {action_repeat} " in n for n in report.notes) == bool(
        action_repeat
    )
    if "pattern" not in given:  # a fact of the task, no setting that tells runs apart
        assert table["run"][0] == read(tmp_path / "t.csv", rows).table["run"][0]


def test_units_that_cannot_be(tmp_path):
    rows = [("a", "walker-walk", 0, 10, 1.0)]
    for given, message in (
        ({"step_unit": "decisions"}, "action repeat is not known; give --action-repeat"),
        ({"steps_scale": 0}, "--steps-scale is 0; expected a number above 0"),
        ({"action_repeat": 0}, "--action-repeat is 0; expected at least 1"),
        ({"repeats": "first"}, "--repeats is 'first'; expected None, last, mean"),
    ):
        with pytest.raises(RunTableError, match=message):
            read(tmp_path / "t.csv", rows, **given)


def test_steps_in_millions_are_whole_env_steps(tmp_path):
    rows = [("a", "walker-walk", 0, step, 1.0) for step in (0.025, 0.05, 0.1)]
    table, report = read(tmp_path / "t.csv", rows, steps_scale=1e6)
    assert table["env_step"].to_list() == [25000, 50000, 100000]
    assert not any("rounded" in note for note in report.notes)
