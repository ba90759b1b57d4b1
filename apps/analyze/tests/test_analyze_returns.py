"""``vs-analyze returns``: how far each run goes, and the end of its curve predicted from its beginning."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_laws as laws
import vs_logging as vslog
from vs_analyze import AnalysisError, Settings, load_runs
from vs_analyze.cli import main
from vs_analyze.returns import returns_of

DATA = Path(__file__).resolve().parents[3] / "data/sac-mjx-cartpole"
FITTED = DATA / "cartpole-swingup-fitted.parquet"
STEPS = np.arange(1_000, 60_001, 1_000)
TRUTH = laws.ReturnLaw(20.0, 800.0, 12_000.0, 1.8, axes=("env_step",))


def table(
    *, benchmark: str = "dmc", env: str = "walker-run", utd: float = 1.0, seeds: int = 4, noise: float = 10.0,
    steps: np.ndarray = STEPS, dip: float = 0.0, stops: int | None = None,
) -> pl.DataFrame:  # fmt: skip
    """One run that follows a known law; ``dip`` at the two evaluations from 20 000 and 40 000 on."""
    rng = np.random.default_rng(0)
    frames = []
    for seed in range(seeds):
        returns = TRUTH(env_step=steps) + noise * rng.standard_normal(steps.size)
        returns = returns - dip * np.isin(steps, [20_000, 21_000, 40_000, 41_000])
        kept = steps.size if stops is None or seed % 2 else stops
        frames.append(
            pl.DataFrame(
                {"seed": seed, "env_step": steps[:kept], "return_": returns[:kept]}
            ).with_columns(stopped_on_success=pl.lit(kept < steps.size))
        )
    constants = {
        "run": f"{env}-{utd:g}", "algo": "sac", "benchmark": benchmark, "env": env, "utd": utd,
        "batch_size": 256, "learning_rate": 3e-4, "critic_params": 100_000, "critic_width": 256,
    }  # fmt: skip
    return pl.concat(frames).select(
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        pl.col("seed").cast(pl.Int64),
        pl.col("env_step").cast(pl.Int64),
        "return_",
        *(["stopped_on_success"] if stops is not None else []),
    )


def found_in(frame: pl.DataFrame, settings: Settings = Settings(), **options):  # noqa: B008
    return returns_of(load_runs(frame, settings, source="table"), **options)


@pytest.fixture
def saved(tmp_path):
    """Write a table to a file, and return its path as text."""

    def save(frame: pl.DataFrame) -> str:
        vslog.write_table(frame, tmp_path / "runs.parquet")
        return str(tmp_path / "runs.parquet")

    return save


def test_own_runs_in_text_and_json_are_the_same(capsys):
    main(["returns", str(FITTED)])
    text = capsys.readouterr().out
    main(["returns", str(FITTED), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert len(document["runs"]) == 5
    for run in document["runs"]:
        (line,) = [
            number for number, shown in enumerate(text.splitlines())
            if shown.startswith(f"cartpole-swingup at utd {run['utd']:g}, ")
        ]  # fmt: skip
        head, verdict, last = text.splitlines()[line : line + 3]
        top = run["parameters"]["asymptote"]
        assert f"asymptote {top['value']:.3g} [{top['low']:.3g}, {top['high']:.3g}]" in head
        assert verdict == f"  {run['verdict']} -- {run['reason']}"
        assert top["low"] <= top["value"] <= top["high"]
        held = run["held_out"]
        if held is None:
            assert last == f"  {run['notes'][-1]}"
        else:
            assert (
                f"error {held['rms']:.3g} rms (last value {held['rivals']['last value']:.3g}"
                in last
            )
            assert f"{100 * held['coverage_90']:.0f}% of {held['evaluations']} evaluations" in last
    assert text.splitlines()[-1].startswith("last 50% of 4 runs, median rms error: the law ")


def test_own_runs_are_predicted_as_the_package_does_from_the_mean_curve():
    runs = load_runs(vslog.scan([FITTED]), Settings(), source="fitted")
    found = returns_of(runs[:2], share=0.4)
    for run, one in zip(runs, found.runs, strict=False):
        alone = laws.hold_out_returns(
            run.returns.mean(axis=1), share=0.4, bootstraps=2, env_step=run.steps
        )
        assert one.held_out is not None
        assert one.held_out.x[0] > 0.6 * run.steps[-1]
        np.testing.assert_allclose(one.held_out.forecast.value, alone.forecast.value, rtol=1e-6)
        assert one.fit.bootstraps == 100


def test_a_known_law_is_found_and_its_last_half_predicted():
    (one,) = found_in(table()).runs
    assert one.fit.verdict is laws.Verdict.SUPPORTED
    assert one.fit.parameters["asymptote"].value == pytest.approx(800, rel=0.05)
    assert one.fit.parameters["midpoint"].value == pytest.approx(12_000, rel=0.1)
    assert one.held_out is not None
    assert one.held_out.rms() < 25 < one.held_out.rms("last value")
    assert one.held_out.coverage() >= 0.8


def test_one_task_of_several_and_its_own_share(saved, capsys):
    path = saved(pl.concat([table(), table(env="walker-walk")]))
    main(["returns", path, "--env", "walker-walk", "--hold-out", "0.25", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [run["env"] for run in document["runs"]] == ["walker-walk"]
    assert document["runs"][0]["held_out"]["from_env_step"] == 46_000


def test_dips_after_resets_are_left_out(saved, capsys):
    path = saved(table(dip=500.0))
    errors = {}
    for every in ("0", "20000"):
        main(["returns", path, "--reset-every", every, "--json"])
        (run,) = json.loads(capsys.readouterr().out)["runs"]
        errors[every] = run["held_out"]["rms"]
    assert errors["20000"] < 25 < 50 < errors["0"]


def test_seeds_that_stopped_on_success_go_on_in_the_mean():
    (one,) = found_in(table(stops=45, noise=0.0)).runs
    level = 0.5 * (TRUTH(env_step=45_000) + TRUTH(env_step=60_000))
    assert one.run.mean()[-1] == pytest.approx(level)
    assert one.held_out is not None
    assert one.held_out.measured[-1] == pytest.approx(level)
    drawn = one.fit.draws(env_step=np.array([60_000.0]))
    assert np.ptp(drawn) > 1  # resamples hold more or fewer of the stopped seeds


def test_one_seed_has_intervals_from_its_own_noise():
    (one,) = found_in(table(seeds=1)).runs
    assert "no bootstraps over seeds" in one.to_dict()["notes"][0]
    top = one.fit.parameters["asymptote"]
    assert top.low < 800 < top.high


def test_a_run_too_short_is_a_note_and_a_short_beginning_is_no_prediction():
    short = table(utd=2.0, steps=STEPS[:6])
    middle = table(utd=4.0, steps=STEPS[:14])
    found = found_in(pl.concat([table(), short, middle]))
    assert [one.run.utd for one in found.runs] == [1.0, 4.0]
    assert "utd 2, batch_size 256" in found.notes[0]
    assert "6 evaluations are known; a law of returns needs at least 8" in found.notes[0]
    assert found.runs[1].held_out is None
    assert "7 evaluations" in str(found.runs[1])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--env", "dog-run"], "no runs of 'dog-run'; the table holds walker-run (--env)"),
        (["--hold-out", "1"], "--hold-out must be between 0 and 1, got 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(saved, refused, arguments, sentence):
    assert sentence in refused(["returns", saved(table()), *arguments])


def test_only_short_runs_and_unknown_tasks_are_refused(saved, refused):
    message = refused(["returns", saved(table(steps=STEPS[:5]))])
    assert "walker-run at utd 1, batch_size 256, learning_rate 0.0003: 5 evaluations" in message
    message = refused(["returns", saved(table(benchmark="gym", env="mine"))])
    assert "--optimal-returns mine VALUE" in message


def test_no_runs_are_refused_in_python_too():
    with pytest.raises(AnalysisError, match="no runs"):
        returns_of([])
