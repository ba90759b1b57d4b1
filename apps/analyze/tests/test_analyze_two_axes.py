"""Two axes: laws over utd and model size, on curves that follow a known law."""

import json

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.laws_file import read_laws
from vs_analyze.levels import automatic_range
from vs_analyze.measure import measure
from vs_analyze.recommend import Question, recommend
from vs_analyze.runs import AnalysisError, load_runs
from vs_analyze.settings import Settings, published2
from vs_analyze.td_errors import td_errors
from vs_laws.grid import width_of

LEVELS = (300.0, 400.0, 500.0, 600.0, 700.0)
DELTA = 2e10


def best_of(level, objective, limit=None):
    """Brute force on the true laws: the (σ, N) of least objective, under a limit."""
    sigma = np.geomspace(0.5, 16, 900)[:, None]
    params = np.geomspace(5e4, 3.6e7, 1600)[None, :]
    cost = objective(sigma, params)
    if limit is not None:
        cost = np.where(limit(sigma, params), cost, np.inf)
    i, j = np.unravel_index(np.argmin(cost), cost.shape)
    return float(sigma[i, 0]), float(params[0, j])


def test_fit_recovers_the_laws(plane, surface_laws):
    document = json.loads(surface_laws.read_text(encoding="utf-8"))
    assert (document["version"], document["axes"]) == (4, ["utd", "critic_params"])
    assert document["sources"] == ["runs.parquet"]
    (task,) = read_laws(surface_laws).values()
    assert list(task.levels) == pytest.approx(np.linspace(300, 700, 20))
    assert task.ranges == {"sigma": (1, 8), "critic_params": (200_000, 9_000_000)}
    top = task.level(700)
    assert top.parameters["sigma_exponent"].value == pytest.approx(0.9, abs=0.1)
    assert top.parameters["critic_params_exponent"].value == pytest.approx(0.6, abs=0.05)
    assert top.parameters["d_min"].value == pytest.approx(6e4, rel=0.15)
    assert np.shape(top.draws.d_min) == (10, 1)
    assert top.verdict == "checked"
    sigma, params = (v.ravel() for v in np.meshgrid([1.5, 3.0, 6.0], [4e5, 3e6]))
    assert top.law(sigma=sigma, critic_params=params) == pytest.approx(
        plane.data(sigma, params, 700), rel=0.02
    )
    assert task.batch_size.law(sigma=sigma, critic_params=params) == pytest.approx(
        plane.batch_size(sigma, params), rel=0.04
    )
    assert width_of(700_000, task.widths) == pytest.approx(256)
    assert width_of(36_000_000, task.widths) == pytest.approx(2048)
    assert "With ten times the budget" in task.growth


def test_widths_are_those_of_the_depth_that_was_run_most(two_axes):
    sixteen = pl.when(pl.col("critic_width") == 1024)
    deep = two_axes.with_columns(
        critic_depth=sixteen.then(6).otherwise(2),
        critic_width=sixteen.then(512).otherwise(pl.col("critic_width")),
    )
    settings = Settings(bootstraps=4, levels=(700.0,))
    (task,) = analyze(load_runs(deep, settings, source="deep"), settings).tasks
    assert task.laws.depth == 2
    assert width_of(9_000_000, task.laws.widths) == pytest.approx(512 * (9 / 2.5) ** 0.5)
    found = recommend(task.laws, Question(level=700.0))
    assert found.shape.endswith(" x 2")
    assert f"-> width {found.shape}" in str(found)


def asked(surface_laws, capsys, *question):
    main(["recommend", str(surface_laws), *question, "--json"])
    return json.loads(capsys.readouterr().out)


def test_recommended_point_is_that_of_the_true_laws(plane, surface_laws, capsys):
    def total(sigma, params):
        return plane.compute(sigma, params, 700) + DELTA * plane.data(sigma, params, 700)

    sigma, params = best_of(700, total)
    answer = asked(surface_laws, capsys, "--level", "700")
    assert answer["utd"]["value"] == pytest.approx(sigma, rel=0.1)
    assert answer["critic_params"]["value"] == pytest.approx(params, rel=0.1)
    assert answer["budget"]["value"] == pytest.approx(total(sigma, params), rel=0.03)
    assert answer["utd"]["low"] <= answer["utd"]["value"] <= answer["utd"]["high"]
    assert (answer["where"], answer["edges"]) == ("interior", [])
    # the same decision from the other side: that budget buys that level
    back = asked(surface_laws, capsys, "--budget", str(answer["budget"]["value"] * 1.0001))
    assert back["level"]["value"] == pytest.approx(700, rel=0.01)
    assert back["critic_params"]["value"] == pytest.approx(params, rel=0.1)


def test_limits_on_data_and_compute_are_met(plane, surface_laws, capsys):
    limit = 1.15e5
    sigma, params = best_of(
        700, lambda s, n: plane.compute(s, n, 700), lambda s, n: plane.data(s, n, 700) <= limit
    )
    answer = asked(surface_laws, capsys, "--level", "700", "--data", str(limit))
    assert answer["data"]["value"] == pytest.approx(limit, rel=0.01)
    assert answer["data"]["value"] <= limit
    assert answer["compute"]["value"] == pytest.approx(plane.compute(sigma, params, 700), rel=0.1)
    spend = 3e15
    sigma, params = best_of(
        700, lambda s, n: plane.data(s, n, 700), lambda s, n: plane.compute(s, n, 700) <= spend
    )
    answer = asked(surface_laws, capsys, "--level", "700", "--compute", str(spend))
    assert answer["compute"]["value"] == pytest.approx(spend, rel=0.01)
    assert answer["data"]["value"] == pytest.approx(float(plane.data(sigma, params, 700)), rel=0.03)


def test_an_optimum_outside_the_runs_is_not_sold_as_interior(surface_laws, capsys):
    answer = asked(surface_laws, capsys, "--level", "700", "--delta", "1e14")
    assert answer["where"] != "interior"
    assert answer["edges"]
    assert any("outside" in warning or "beyond" in warning for warning in answer["warnings"])


def test_recommendations_that_have_no_answer(surface_laws, refused):
    command = ["recommend", str(surface_laws)]
    assert "meets the limit" in refused([*command, "--level", "700", "--data", "100"])
    assert "meets the limit" in refused([*command, "--level", "700", "--compute", "100"])
    assert "does not reach level 300" in refused([*command, "--budget", "1e10"])


def test_best_batch_sizes_come_from_a_grid(plane, two_axes_grid):
    settings = Settings(levels=LEVELS, bootstraps=6)
    (task,) = analyze(load_runs(two_axes_grid, settings, source="grid"), settings).tasks
    assert len(task.cells) == 48
    assert len(task.chosen) == 16
    found = [estimate.value for estimate in task.batch_size.estimates]
    assert found == pytest.approx(plane.batch_size(*task.places.values()), rel=0.02)
    fit, at = task.batch_size.fit, {"sigma": 3.0, "critic_params": 1e6}
    assert fit.law(**at) == pytest.approx(plane.batch_size(3.0, 1e6), rel=0.05)
    assert np.shape(fit.draws(**at)) == (6, 1)
    assert [c.run.batch_size for c in task.chosen] == pytest.approx(
        plane.batch_size(*task.places.values()), rel=0.02
    )


def test_published_batch_size_changes_only_the_flops(plane, two_axes):
    base = Settings(levels=LEVELS, bootstraps=4, delta=DELTA)
    runs = load_runs(two_axes, base, source="table")
    (ours,) = analyze(runs, base).tasks
    (theirs,) = analyze(
        runs, Settings(levels=LEVELS, bootstraps=4, delta=DELTA, batch_size="published")
    ).tasks
    at = {"sigma": 2.0, "critic_params": 1e6}
    mine, other = ours.laws.cost(), theirs.laws.cost()
    assert mine.steps(**at) == pytest.approx(other.steps(**at))
    assert other.per_step(**at) == pytest.approx(10 * 1e6 * 256 * 2.0)
    assert mine.per_step(**at) == pytest.approx(
        10 * 1e6 * plane.batch_size(2.0, 1e6) * 2.0, rel=0.04
    )


def test_stopped_seeds_reach_what_they_passed_and_are_censored_above(plane, two_axes):
    stopping = plane.rows(2.0, 256, 700_000, 64, stop=550.0)
    settings = Settings(levels=(400.0, 500.0, 700.0), bootstraps=5)
    (run,) = load_runs(stopping, settings, source="stopping")
    assert run.stopped is not None
    assert run.stopped.all()
    levels = {plane.env: settings.levels}
    (cell,) = measure([run], levels, bootstraps=5, rng=np.random.default_rng(0))
    truth = plane.data(2.0, 700_000, np.array([400.0, 500.0]))
    assert cell.data[:2] == pytest.approx(truth, rel=0.02)
    assert cell.data[2] == np.inf
    assert cell.last_step[2] <= run.steps[-1] < plane.data(2.0, 700_000, 700.0)
    assert cell.seeds[:2].tolist() == [3, 3]


def test_evaluations_after_the_last_step_are_left_out(plane):
    curves = plane.rows(2.0, 256, 700_000, 64)
    assert published2().last_steps["h1-pole-v0"] == 1_500_000
    at = float(plane.data(2.0, 700_000, 500.0))
    settings = Settings(levels=(400.0, 600.0), last_steps={plane.env: int(at), "other": 1})
    (run,) = load_runs(curves, settings, source="cut")
    assert 0.99 * at < run.steps[-1] <= at
    levels = {plane.env: settings.levels}
    (cell,) = measure([run], levels, bootstraps=5, rng=np.random.default_rng(0))
    assert cell.data[0] == pytest.approx(plane.data(2.0, 700_000, 400.0), rel=0.02)
    assert cell.data[1] == np.inf


def test_levels_are_per_task(plane):
    ranges = published2().level_ranges
    assert ranges["h1-crawl-v0"] == (450, 788.887)
    assert ranges["dog-walk"] == (200, 860)
    slow = plane.rows(1.0, 128, 200_000, 64, slower=6.0)
    quick = plane.rows(8.0, 1024, 9_000_000, 64)
    settings = Settings()
    low, high = automatic_range(
        plane.env, load_runs(pl.concat([slow, quick]), settings, source="two runs")
    )
    assert high == pytest.approx(slow["return_"].to_numpy().max(), rel=0.01)
    assert low == pytest.approx(0.375 * high)


def test_refusals(plane, two_axes, two_axes_path, tmp_path, refused):
    assert "three sizes and more" in refused(["fit", two_axes_path, "--axes", "utd"])
    assert "--fitted" in refused(["fit", two_axes_path, "--fitted", two_axes_path])
    assert "level_ranges" in refused(
        ["fit", two_axes_path, "--level-ranges", plane.env, "700", "300"]
    )

    def fit(broken, *options):
        vslog.write_table(broken, tmp_path / "broken.parquet")
        return refused(["fit", str(tmp_path / "broken.parquet"), *options])

    unknown = two_axes.with_columns(critic_params=pl.lit(None, pl.Int64))
    assert "does not record critic_params" in fit(unknown, "--axes", "utd", "params")
    two = two_axes.filter(pl.col("critic_width") < 512)
    assert "2 distinct critic_params" in fit(two, "--axes", "utd", "params")
    assert "several critic_params" in fit(two)
    twice = two_axes.filter(pl.col("run") == two_axes["run"][0]).with_columns(run=pl.lit("again"))
    labelled = pl.concat(
        [two_axes.with_columns(variant=pl.lit("a")), twice.with_columns(variant=pl.lit("b"))]
    )
    assert "differ in" in fit(labelled)


def test_laws_of_the_other_kind(plane, surface_laws, tmp_path, refused):
    document = json.loads(surface_laws.read_text(encoding="utf-8"))
    del document["tasks"][plane.env]["ranges"]
    (tmp_path / "laws.json").write_text(json.dumps(document))
    message = refused(["recommend", str(tmp_path / "laws.json"), "--level", "700"])
    assert "damaged" in message
    assert "ranges" in message


def test_td_errors_follow_their_law(two_axes_grid):
    (found,) = td_errors(two_axes_grid)
    assert found.has_grid()
    assert found.window == (720_000, 800_000)
    train = found.fits["train"].coefficients
    assert train["batch_size"].value == pytest.approx(-0.4, abs=1e-6)
    assert train["batch_size:critic_params"].value == pytest.approx(0, abs=1e-6)
    validation = found.fits["validation"]
    assert validation.coefficients["batch_size:critic_params"].value == pytest.approx(-0.05)
    slope = validation.batch_slope(np.array([200_000, 9_000_000]))
    assert slope.value == pytest.approx(0.1 - 0.05 * np.log(np.array([0.2, 9.0])))
    assert td_errors(two_axes_grid.drop("critic_loss")) == []


def test_passive_slopes_are_those_of_each_width(two_axes_grid):
    main_, passive = pl.col("critic_width"), pl.col("passive_critic_width")
    base = two_axes_grid.filter(pl.col("utd") == 1).unique(
        "critic_width", keep="first", maintain_order=True
    )
    frames = []
    for width in (256, 512, 1024):
        run = pl.format("{}-{}", "run", pl.lit(width))
        frames.append(
            base.with_columns(run=run, env_step=pl.lit(790_000), passive_critic_width=pl.lit(width))
        )
    table = pl.concat(frames).with_columns(
        passive_validation_critic_loss=main_ ** (-0.4) * passive ** (-0.15)
    )
    (found,) = td_errors(table)
    assert found.slopes == pytest.approx({"main": -0.4, "passive": -0.15})


def test_no_runs():
    with pytest.raises(AnalysisError, match="no runs"):
        analyze([], Settings())
