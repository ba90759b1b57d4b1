"""Means of diagnostics over a window, and the published slopes of the passive critics."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vs_logging import SCHEMA, RunTableError, import_zip, window_means

CURVES = Path(__file__).resolve().parents[4] / "shared" / "curves"
NAN = float("nan")


def table():
    rows = [
        # run, passive width, seed, step, loss
        ("a", 64, 0, 10, 100.0), ("a", 64, 0, 20, 2.0), ("a", 64, 0, 30, 4.0),
        ("a", 64, 0, 40, 100.0), ("a", 64, 1, 20, NAN), ("a", 64, 1, 30, 9.0),
        ("b", 128, 0, 20, None), ("b", 128, 0, 30, NAN), ("c", 256, 0, 10, 5.0),
    ]  # fmt: skip
    keys = ("run", "passive_critic_width", "seed", "env_step", "critic_loss")
    frame = pl.DataFrame(rows, schema=list(keys), orient="row")
    constants = {
        "algo": "bro", "benchmark": "dmc", "env": "dog-run", "utd": 2.0, "batch_size": 64,
        "learning_rate": 3e-4, "critic_params": 9, "critic_width": 3, "return_": 0.0,
    }  # fmt: skip
    frame = frame.with_columns(**{name: pl.lit(value) for name, value in constants.items()})
    return frame.select(*SCHEMA, "passive_critic_width", "critic_loss")


def test_by_seed_and_by_run():
    means = window_means(table(), ["critic_loss"], first_step=20, last_step=30)
    assert means.select("run", "seed", "critic_loss").rows() == [
        ("a", 0, 3.0), ("a", 1, 9.0), ("b", 0, None),
    ]  # fmt: skip
    assert means["passive_critic_width"].to_list() == [64, 64, 128]
    pooled = window_means(table().lazy(), ["critic_loss"], first_step=20, last_step=30, by="run")
    assert pooled.select("run", "seeds", "critic_loss").rows() == [("a", 2, 5.0), ("b", 1, None)]


def test_bad_input_is_one_sentence():
    with pytest.raises(RunTableError, match="loss is no numeric column"):
        window_means(table(), ["loss"], first_step=0, last_step=9)
    with pytest.raises(RunTableError, match="env is no numeric column"):
        window_means(table(), ["env"], first_step=0, last_step=9)
    with pytest.raises(RunTableError, match="no row with env_step from 0 to 9"):
        window_means(table(), ["critic_loss"], first_step=0, last_step=9)
    with pytest.raises(ValueError, match="by is 'task'"):
        window_means(table(), ["critic_loss"], first_step=0, last_step=50, by="task")  # ty: ignore[invalid-argument-type]


def slope(means, over, fixed):
    """Log–log slope over one critic's width at each width of the other, averaged over the latter.

    At one width of the other critic all runs count, whatever their batch size.
    """
    slopes = [
        np.polyfit(np.log(rows[over].to_numpy()), np.log(rows[METRIC].to_numpy()), 1)[0]
        for _, rows in means.group_by(fixed)
    ]
    assert len(slopes) == 3
    return float(np.mean(slopes))


METRIC = "passive_validation_critic_loss"
WIDTHS = ("critic_width", "passive_critic_width")


def test_published_passive_critic_slopes():
    """The passive critic's validation error against the width of the main and its own critic."""
    if not (CURVES / "side_critic.zip").is_file():
        pytest.skip("the published curves (../shared) are not on this machine")
    side = import_zip(CURVES / "side_critic.zip").table
    means = window_means(side, [METRIC], first_step=720_000, last_step=800_000, by="run")
    assert means.height == 31
    found = {}
    for (env,), rows in means.group_by("env"):
        main, passive = slope(rows, *WIDTHS), slope(rows, *WIDTHS[::-1])
        found[env] = (round(main, 2), round(passive, 2))
    assert found == {
        "h1-crawl-v0": (-0.55, -0.33),
        "h1-pole-v0": (-0.27, -0.11),
        "h1-stand-v0": (-0.39, -0.11),
    }
