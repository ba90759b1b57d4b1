"""From curves to env steps: resets, spacing, seeds that ended."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.cli import main
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings

SETTINGS = Settings(optimal_returns={"walker-run": 1000.0})


def curves(returns, steps, **columns) -> pl.DataFrame:
    """One run of walker-run at UTD 2 from an array (T, S); NaN stays in."""
    values = np.asarray(returns, float)
    seeds = values.shape[1]
    return pl.DataFrame(
        {
            "run": "a", "algo": "bro", "benchmark": "dmc", "env": "walker-run", "utd": 2.0,
            "batch_size": 128, "learning_rate": 3e-4, "critic_params": 1_000_000,
            "critic_width": 512, "seed": np.tile(np.arange(seeds), len(values)),
            "env_step": np.repeat(np.asarray(steps, int), seeds), "return_": values.ravel(),
        }
        | columns
    )  # fmt: skip


DIP = np.repeat([[100.0], [500], [700], [10], [400], [720], [800]], 3, axis=1)
STEPS = np.arange(1, 8) * 100


@pytest.mark.parametrize(
    ("columns", "reset_every", "resets"),
    [
        ({}, None, []),
        ({}, 600, [300, 600]),
        ({"reset_every": 600}, None, [300, 600]),
        ({"reset_every": 600}, 0, []),
        ({"reset_every": 100}, 600, [300, 600]),
        ({"reset_every": None}, None, []),
        ({"action_repeat": 2, "reset_every": 300}, None, [300, 600]),  # one update per env step
        # 50 steps of warm-up: 100 updates at the first evaluation, 1300 at the last
        ({"reset_every": 600, "updates": np.repeat(STEPS * 2.0 - 100, 3)}, None, [350, 650]),
        ({"reset_every": 600, "updates": np.nan}, None, [300, 600]),
    ],
)
def test_env_steps_of_resets(columns, reset_every, resets):
    table = curves(DIP, STEPS, **columns)
    (run,) = load_runs(table, replace(SETTINGS, reset_every=reset_every), source="t")
    assert run.resets.tolist() == resets


def test_the_dip_after_a_reset_is_left_out():
    (whole,) = load_runs(curves(DIP, STEPS), SETTINGS, source="t")
    (run,) = load_runs(curves(DIP, STEPS, reset_every=600), SETTINGS, source="t")
    assert whole.crossings([600.0]).step == 600
    assert run.crossings([600.0]).step == 300
    assert run.fit().tolist() == [100, 500, 700, 700, 700, 720, 800]
    found = run.crossings([710.0])
    assert (found.step, found.spacing) == (600, 300)  # the evaluations of the dip do not count


def test_reset_every_on_the_command_line(small, tmp_path, capsys):
    vslog.write_table(small, tmp_path / "small.parquet")
    out = tmp_path / "laws.json"
    arguments = ["fit", str(tmp_path / "small.parquet"), "--bootstraps", "5", "--out", str(out)]
    main([*arguments, "--reset-every", "150000"])
    assert "12 of 16 runs were reset; the dips after their resets are left out" in (
        capsys.readouterr().out
    )
    assert json.loads(out.read_text(encoding="utf-8"))["settings"]["reset_every"] == 150_000
    main([*arguments, "--preset", "published2", "--axes", "utd"])
    assert json.loads(out.read_text(encoding="utf-8"))["settings"]["reset_every"] == 2.5e6
    with pytest.raises(ValueError, match="reset_every must not be negative, got -1"):
        Settings(reset_every=-1)
