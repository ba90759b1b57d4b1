"""The schema and its messages."""

import polars as pl
import pytest
from vs_logging import SCHEMA, RunTableError, run_id, validate


def good(n=3, **changes):
    columns = {
        "run": ["a"] * n,
        "algo": ["sac"] * n,
        "benchmark": ["dmc"] * n,
        "env": ["cheetah-run"] * n,
        "utd": [1.0] * n,
        "batch_size": [256] * n,
        "learning_rate": [3e-4] * n,
        "critic_params": [None] * n,
        "critic_width": [512] * n,
        "seed": [0] * n,
        "env_step": [1000 * i for i in range(n)],
        "return_": [1.0, float("nan"), None][:n],
    }
    schema = dict(SCHEMA)
    for name in changes:
        schema.pop(name)
    return pl.DataFrame(columns | changes, schema_overrides=schema)


def test_good_table_keeps_rows_and_gets_canonical_order_and_types():
    frame = good()
    frame = frame.with_columns(critic_loss=pl.lit(0.5), seed=pl.col("seed").cast(pl.Int32))
    shuffled = frame.select(reversed(frame.columns))
    table = validate(shuffled)
    assert table.columns == [*SCHEMA, "critic_loss"]
    assert table.schema["seed"] == pl.Int64()
    assert table["env_step"].to_list() == [0, 1000, 2000]
    assert validate(good().lazy()).height == 3


def test_integer_utd_and_untyped_null_params_convert():
    frame = good().with_columns(
        utd=pl.lit(2), critic_params=pl.lit(None), algo=pl.col("algo").cast(pl.Categorical)
    )
    table = validate(frame)
    assert table.schema["utd"] == pl.Float64()
    assert table.schema["critic_params"] == pl.Int64()
    assert table.schema["algo"] == pl.String()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "utd",
            [1.0, 0.0, -1.0],
            r"t.parquet: row 2, column utd is 0.0; expected a finite number above 0",
        ),
        ("utd", [1.0, 1.0, float("nan")], r"row 3, column utd is nan"),
        ("utd", [None, 1.0, 1.0], r"row 1, column utd is null"),
        (
            "batch_size",
            [256, 256, 0],
            r"row 3, column batch_size is 0; expected an integer of at least 1",
        ),
        ("learning_rate", [1e-3, -1e-3, 1e-3], r"row 2, column learning_rate is -0.001"),
        ("critic_params", [None, 0, 1], r"row 2, column critic_params is 0; .* or null"),
        ("env_step", [0, -5, 1], r"row 2, column env_step is -5"),
        ("env_step", [0, 1, None], r"row 3, column env_step is null"),
        ("seed", [0, None, 1], r"row 2, column seed is null; expected an integer"),
        (
            "return_",
            [1.0, float("inf"), 1.0],
            r"row 2, column return_ is inf; expected a finite number, NaN",
        ),
        ("env", ["x", "", "x"], r"row 2, column env is ''; expected a non-empty string"),
        ("env_step", [0, 1000, 0], r"row 3 repeats row 1 \(run a, seed 0, env_step 0\)"),
        ("utd", [1.0, 2.0, 2.0], r"run a has utd 1.0 in one row and 2.0 in another"),
    ],
)
def test_a_bad_row_is_named(column, values, message):
    frame = good().with_columns(pl.Series(column, values, dtype=SCHEMA[column]))
    with pytest.raises(RunTableError, match=message):
        validate(frame, source="t.parquet")


def test_the_first_bad_row_wins_over_the_first_bad_column():
    frame = good().with_columns(
        utd=pl.Series([1.0, 1.0, 0.0]), env_step=pl.Series([0, -1, 2], dtype=pl.Int64)
    )
    with pytest.raises(RunTableError, match="row 2, column env_step"):
        validate(frame)


def test_missing_mistyped_and_empty():
    with pytest.raises(RunTableError, match=r"x: missing columns utd, seed; a run table has run"):
        validate(good().drop("utd", "seed"), source="x")
    with pytest.raises(RunTableError, match=r"x: column utd has type String; expected Float64"):
        validate(good().with_columns(utd=pl.lit("1")), source="x")
    with pytest.raises(RunTableError, match=r"column batch_size has type Float64; expected Int64"):
        validate(good().with_columns(batch_size=pl.lit(1.5)))
    with pytest.raises(RunTableError, match=r"column stopped_on_success has type Int"):
        validate(good().with_columns(stopped_on_success=pl.lit(1)))
    with pytest.raises(RunTableError, match="the table is empty"):
        validate(good().clear())


def test_run_id_is_stable_and_ignores_seed_order_and_number_type():
    config = {"algo": "sac", "utd": 1, "nested": {"b": [1, 2.5], "a": None}}
    assert run_id(config) == "ed77542d26d8"
    same = {"seed": 7, "nested": {"a": None, "b": [1.0, 2.5]}, "utd": 1.0, "algo": "sac"}
    assert run_id(same) == run_id(config)
    assert run_id(config | {"utd": 2}) != run_id(config)
    assert run_id(config | {"flag": True}) != run_id(config | {"flag": 1})
    with pytest.raises(RunTableError, match=r"nested.a is nan"):
        run_id({"nested": {"a": float("nan")}})
