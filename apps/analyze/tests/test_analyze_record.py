"""Forecasts on record and schedules of hyperparameters, through the command line."""

import csv
import json

import numpy as np
import polars as pl
import pytest
from vs_analyze.cli import main
from vs_analyze.laws_file import read_laws


@pytest.fixture(scope="module")
def laws(tmp_path_factory, paths, options):
    out = tmp_path_factory.mktemp("record") / "laws.json"
    main(["fit", paths["grid"], "--fitted", paths["fitted"], *options, "--out", str(out)])
    return out


@pytest.fixture
def env(tasks):
    return tasks[0].env


def test_a_forecast_is_written_once_and_scored(laws, env, fitted, tmp_path, capsys, refused):
    out, runs = tmp_path / "forecast.json", tmp_path / "runs.parquet"
    utd = float(fitted["utd"].max())
    command = ["forecast", str(laws), "--env", env, "--utd", str(utd), "--out", str(out)]
    main(command)
    assert "on record in" in capsys.readouterr().out
    assert "is not replaced" in refused(command)
    document = json.loads(out.read_text(encoding="utf-8"))
    task = read_laws(laws)[env]
    for entry in document["forecast"]["levels"]:
        known = task.steps(entry["level"], {"sigma": utd})
        assert entry["data"]["value"] == pytest.approx(known.value, rel=1e-7)
        assert entry["data"]["low"] < entry["data"]["value"] < entry["data"]["high"]
    fitted.write_parquet(runs)
    main(["check", str(out), str(runs), "--json"])
    scores = json.loads(capsys.readouterr().out)
    measured = {c["level"]: c for c in scores["checks"] if c["quantity"] == "data"}
    assert set(measured) == {entry["level"] for entry in document["forecast"]["levels"]}
    for check in measured.values():
        law = check["predicted"]["law"]
        inside = law["low"] <= check["measured"]["value"] <= law["high"]
        assert check["covered"] == inside
    main(["check", str(out), str(runs)])
    share = sum(check["covered"] for check in measured.values())
    assert f"{share} of {len(measured)} measured levels" in capsys.readouterr().out


def test_a_changed_forecast_is_refused(laws, env, fitted, tmp_path, capsys, refused):
    out, runs = tmp_path / "forecast.json", tmp_path / "runs.parquet"
    main(["forecast", str(laws), "--env", env, "--utd", "3", "--out", str(out)])
    fitted.write_parquet(runs)
    capsys.readouterr()
    assert "0 runs are at the forecast's place" in refused(["check", str(out), str(runs)])
    document = json.loads(out.read_text(encoding="utf-8"))
    document["forecast"]["levels"][0]["data"]["high"] *= 2
    out.write_text(json.dumps(document), encoding="utf-8")
    assert "changed after it was written" in refused(["check", str(out), str(runs)])
    assert "no such file" in refused(["check", str(tmp_path / "none.json"), str(runs)])
    out.write_text("{}", encoding="utf-8")
    assert "not a forecast" in refused(["check", str(out), str(runs)])


def test_two_configurations_at_the_place_are_refused(laws, env, grid, tmp_path, capsys, refused):
    out, runs = tmp_path / "forecast.json", tmp_path / "runs.parquet"
    utd = float(grid["utd"].max())
    main(["forecast", str(laws), "--env", env, "--utd", str(utd), "--out", str(out)])
    grid.write_parquet(runs)
    capsys.readouterr()
    assert "expected one configuration" in refused(["check", str(out), str(runs)])


def test_a_schedule_over_utd(laws, env, tmp_path, capsys):
    out = tmp_path / "schedule.csv"
    utds = [0.25, 2.0, 16.0]
    main(["recommend", str(laws), "--env", env, "--utd", *map(str, utds), "--out", str(out)])
    shown = capsys.readouterr().out
    assert shown.count("vs-train --env dmc/") == len(utds)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    task = read_laws(laws)[env]
    sizes = [float(row["batch_size"]) for row in rows]
    assert [float(row["utd"]) for row in rows] == utds
    assert np.all(np.diff(sizes) <= 0)
    for row, utd in zip(rows, utds, strict=True):
        best = task.batch_size.predict(sigma=utd)
        assert float(row["batch_size"]) % 16 == 0
        assert float(row["batch_size"]) == pytest.approx(best.value, abs=8)
        assert float(row["data"]) == pytest.approx(task.steps(800.0, {"sigma": utd}).value)
        assert f"--utd {utd:g} --batch-size {row['batch_size']}" in row["command"]
    main(["recommend", str(laws), "--env", env, "--utd", "2", "--json"])
    (only,) = json.loads(capsys.readouterr().out)
    assert only["utd"] == 2
    assert pl.DataFrame(rows).height == 3
