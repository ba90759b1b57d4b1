"""Ownership of rows: steps that repeat within a seed, seeds read from names, one seed in two tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_logging import (
    ImportOptions,
    RunTableError,
    find_importer,
    import_csv,
    read_table,
    write_table,
)

HEADER = "exp_name,env_name,seed,metric,env_step,value\n"
OPTIONS = ImportOptions(
    constants={"algo": "sac", "learning_rate": 3e-4, "batch_size": 64, "utd": 1}
)


def curves(path, pairs, *, seed=0, exp="a", metric="return", header=HEADER):
    lines = [f"{exp},walker-walk,{seed},{metric},{step},{value}\n" for step, value in pairs]
    with path.open("a") as file:
        file.writelines([header, *lines] if header else lines)
    return path


def pairs_of(table, *, seed=0):
    mine = table.filter(seed=seed).sort("env_step")
    return mine.select("env_step", "return_").rows()


RESUMED = [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0), (30, 3.5), (40, 4.5), (50, 5.5)]
RESTARTED = [(10, 1.0), (20, 2.0), (10, 1.5), (20, 2.5), (30, 3.5)]
EPISODES = [(10, 1.0), (10, 3.0), (20, 4.0), (20, 4.0), (20, 7.0)]
TWICE = [(0, 0.0), (0, -3.5), (10, 1.0)]


@pytest.mark.parametrize(
    ("pairs", "repeats", "expected", "note"),
    [
        (
            RESUMED,
            None,
            [(10, 1.0), (20, 2.0), (30, 3.5), (40, 4.5), (50, 5.5)],
            "2 rows of resumed runs",
        ),
        (RESTARTED, "restart", [(10, 1.5), (20, 2.5), (30, 3.5)], "2 rows of earlier attempts"),
        (RESTARTED, "last", [(10, 1.5), (20, 2.5), (30, 3.5)], "2 rows left out because"),
        (EPISODES, "mean", [(10, 2.0), (20, 5.0)], "5 rows at a step"),
        (EPISODES, "last", [(10, 3.0), (20, 7.0)], "3 rows left out"),
        (TWICE, "last", [(0, -3.5), (10, 1.0)], "1 rows left out"),
        # a resumed run that stopped again before the first attempt's end, at other steps
        (
            [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0), (21, 9.0), (30, 9.5)],
            None,
            [(10, 1.0), (20, 2.0), (21, 9.0), (30, 9.5)],
            "2 rows of resumed runs",
        ),
        # a resumed run within the last attempt
        (
            [*RESTARTED, (20, 2.75), (30, 3.75)],
            "restart",
            [(10, 1.5), (20, 2.75), (30, 3.75)],
            "4 rows of earlier attempts",
        ),
        (
            [(30, 3.0), (10, 1.0), (20, 2.0)],
            None,
            [(10, 1.0), (20, 2.0), (30, 3.0)],
            "1 rows that were not in the order",
        ),
    ],
)
def test_one_value_per_step(tmp_path, pairs, repeats, expected, note):
    path = curves(tmp_path / "t.csv", pairs)
    table, report = import_csv(path, replace(OPTIONS, repeats=repeats))
    assert pairs_of(table) == expected
    assert table["seed"].unique().to_list() == [0]
    assert any(text.startswith(note) for text in report.notes)


@pytest.mark.parametrize(
    ("pairs", "repeats", "message"),
    [
        (RESTARTED, None, "env_step 10 .* started again .* --repeats restart"),
        (EPISODES, None, "env_step 10 has 2 different values .* --repeats mean"),
        (TWICE, None, r"env_step 0 has 2 different values \(0, -3.5\)"),
        (RESUMED, "refuse", "env_step 30 has 2 different values"),
    ],
)
def test_what_is_ambiguous_is_refused_in_words(tmp_path, pairs, repeats, message):
    path = curves(tmp_path / "t.csv", pairs)
    with pytest.raises(RunTableError, match=f"t.csv: a, walker-walk, seed 0: return: {message}"):
        import_csv(path, replace(OPTIONS, repeats=repeats))


def test_every_importer_follows_the_rule(tmp_path):
    """A text file of one seed, whose run was resumed."""
    path = tmp_path / "7.txt"
    path.write_text("".join(f"{step} {value}\n" for step, value in RESUMED))
    options = replace(OPTIONS, constants={**OPTIONS.constants, "env": "walker-walk"})
    table, report = find_importer(str(path)).read(str(path), options)
    assert pairs_of(table, seed=7) == [(10, 1.0), (20, 2.0), (30, 3.5), (40, 4.5), (50, 5.5)]
    assert any("2 rows of resumed runs" in note for note in report.notes)
    with pytest.raises(RunTableError, match="env_step 30 has 2 different values"):
        find_importer(str(path)).read(str(path), replace(options, repeats="refuse"))


def test_a_seed_in_the_name_is_the_seed(tmp_path):
    path = tmp_path / "t.csv"
    for seed in (3, 4):
        pairs = [(10 + seed, 1.0), (20 + seed, 2.0 + seed)]
        curves(path, pairs, exp=f"a_s{seed}", header=HEADER if seed == 3 else "")
    options = replace(OPTIONS, pattern=r"_s(?P<seed>\d+)")
    table, report = import_csv(path, options)
    assert table["run"].n_unique() == 1
    assert report.seeds == 2
    assert pairs_of(table, seed=3) == [(13, 1.0), (23, 5.0)]
    assert pairs_of(table, seed=4) == [(14, 1.0), (24, 6.0)]
    curves(path, [(10, 1.0)], exp="a_s4", seed=1, header="")
    with pytest.raises(
        RunTableError, match="reads seed 4 in exp_name, but the column seed has 0, 1"
    ):
        import_csv(path, options)


def test_seeds_without_a_number_avoid_those_of_other_experiments(tmp_path):
    path = tmp_path / "t.csv"
    curves(path, [(10, 1.0), (20, 2.0), (10, 3.0), (20, 4.0)], exp="a_s0")
    curves(path, [(10, 5.0), (20, 6.0)], exp="a_s1", header="")
    table, report = import_csv(path, replace(OPTIONS, pattern=r"_s(?P<seed>\d+)"))
    assert {seed: pairs_of(table, seed=seed)[-1] for seed in (0, 1, 2)} == {
        0: (20, 2.0),
        1: (20, 6.0),
        2: (20, 4.0),
    }
    assert any("1 seeds have no number of their own" in note for note in report.notes)


def test_one_seed_in_two_tables_is_not_woven_into_one_curve(tmp_path):
    tables = []
    for name, shift in (("a", 0), ("b", 5)):
        path = curves(tmp_path / f"{name}.csv", [(10 + shift, 1.0), (20 + shift, 2.0)])
        tables.append(import_csv(path, OPTIONS).table)
        write_table(tables[-1], tmp_path / f"{name}.parquet")
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    with pytest.raises(RunTableError, match=r"seed 0 of run .* is in .*a.parquet and in .*b.parq"):
        read_table(paths)
    write_table(tables[1].with_columns(seed=pl.lit(1)), paths[1])
    assert read_table(paths)["seed"].to_list() == [0, 0, 1, 1]


@st.composite
def interrupted(draw):
    """A run in rows of (step, value), killed and resumed several times, and its true history."""
    rows, step = [], 0
    truth: dict[int, float] = {}
    for value in range(draw(st.integers(1, 4))):
        step = 0 if not truth else draw(st.integers(2, max(truth)))
        truth = {at: v for at, v in truth.items() if at < step}
        for at in range(max(step, 1), max(step, 1) + draw(st.integers(2, 6))):
            truth[at] = value + at / 100
            rows.append((at, truth[at]))
    return rows, sorted(truth.items())


@settings(max_examples=30, deadline=None)
@given(interrupted())
def test_runs_killed_and_resumed_have_the_history_that_counted(tmp_path_factory, run):
    rows, truth = run
    path = curves(tmp_path_factory.mktemp("t") / "t.csv", rows)
    table, _ = import_csv(path, replace(OPTIONS, repeats="last"))
    assert pairs_of(table) == truth


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_order_of_rows_and_exact_copies_do_not_matter(tmp_path_factory, data):
    steps = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
    truth = sorted((step, step / 7) for step in steps)
    copies = data.draw(st.lists(st.sampled_from(truth), max_size=4))
    rows = data.draw(st.permutations([*truth, *copies]))
    path = curves(tmp_path_factory.mktemp("t") / "t.csv", rows)
    table, report = import_csv(path, OPTIONS)
    assert pairs_of(table) == truth
    assert report.deduplicated_rows == len(copies)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_means_over_episodes(tmp_path_factory, rows):
    path = curves(tmp_path_factory.mktemp("t") / "t.csv", rows)
    table, _ = import_csv(path, replace(OPTIONS, repeats="mean"))
    expected = (
        pl.DataFrame(rows, schema=["step", "value"], orient="row")
        .group_by("step")
        .agg(pl.col("value").mean())
        .sort("step")
    )
    np.testing.assert_allclose(pairs_of(table), expected.rows())
