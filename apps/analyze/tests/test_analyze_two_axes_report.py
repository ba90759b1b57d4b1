"""`vs-analyze evaluate` and `report` over utd and model size."""

import importlib.util
import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.evaluate import evaluate
from vs_analyze.figures import figures
from vs_analyze.laws_file import read_laws
from vs_analyze.left_out import held_out_runs
from vs_analyze.runs import AnalysisError, load_runs
from vs_analyze.settings import Settings
from vs_analyze.tables import sentences
from vs_laws import median_ratio


@pytest.fixture(scope="module")
def settings(plane):
    return Settings(levels=plane.levels, bootstraps=2, delta=2e10)


@pytest.fixture(scope="module")
def few() -> list[str]:
    """Five levels: a report in seconds."""
    levels = ("300", "400", "500", "600", "700")
    return ["--bootstraps", "10", "--delta", "2e10", "--levels", *levels]


@pytest.fixture(scope="module")
def study(two_axes, settings):
    return analyze(load_runs(two_axes, settings, source="two_axes"), settings)


@pytest.fixture(scope="module")
def between(plane):
    """Runs between the σ and widths that were fitted; one was cut before it could reach much."""
    places = [(1.5, 180, 380_000), (3.0, 360, 1_300_000), (6.0, 720, 4_800_000)]
    whole = [plane.rows(s, w, n, plane.best_batch(s, n)) for s, w, n in places]
    cut = plane.rows(3.0, 180, 380_000, 250)
    level = plane.data(3.0, 380_000, 480)
    return pl.concat([*whole, cut.filter(pl.col("env_step") < level)])


def scores(evaluation, levels):
    return {s.predictor: s for s in evaluation.scores() if s.levels == levels}


def test_held_out_runs_are_predicted_better_than_by_the_nearest_run(
    study, settings, between, plane
):
    found = held_out_runs(study, load_runs(between, settings, source="between"))
    top = scores(found, "top")
    assert top["additive"].n == 3
    assert top["additive"].median < 0.01
    assert top["additive"].p90 < 0.02
    assert top["log_linear"].rms_log > 2 * top["additive"].rms_log
    assert top["nearest"].median > 10 * top["additive"].median
    # the cut run reaches levels 300 and 400 only; nothing is compared where it does not
    assert len(found.checks) == 3 * 5 + 2
    assert found.censored == 3
    for check in found.checks:
        truth = plane.data(*check.place.values(), check.level)
        assert check.measured.value == pytest.approx(truth, rel=0.03)
    # a score is what its definition says
    pairs = [c for c in found.checks if c.top]
    error = np.array([c.predicted["nearest"].value / c.measured.value - 1 for c in pairs])
    assert top["nearest"].median == pytest.approx(np.median(np.abs(error)))
    assert top["nearest"].rms_log == pytest.approx(np.sqrt(np.mean(np.log1p(error) ** 2)))


def test_leave_one_out_does_not_see_what_it_predicts(two_axes, settings):
    def predicted(shift):
        # one run made slower: its own prediction must not change
        run = two_axes["run"][0]
        slower = pl.when(pl.col("run") == run).then(pl.col("return_") * shift)
        table = two_axes.with_columns(return_=slower.otherwise("return_"))
        study = analyze(load_runs(table, settings, source="table"), settings)
        found = evaluate(study)
        return [c for c in found.checks if tuple(c.place.values()) == (1, 200_000)], found

    before, whole = predicted(1.0)
    after, _ = predicted(0.995)
    ours, theirs = (
        [[e.value for e in c.predicted.values()] for c in checks[:5]] for checks in (before, after)
    )
    assert ours == theirs
    assert [c.measured.value for c in before] != [c.measured.value for c in after]
    assert scores(whole, "all")["additive"].median < 0.03
    assert scores(whole, "all")["nearest"].rms_log > 0.1


def test_two_tasks_may_share_exponents(two_axes, settings):
    other = two_axes.with_columns(env=pl.lit("walker-walk"), run=pl.format("{}-walk", "run"))
    table = pl.concat([two_axes, other])
    study = analyze(load_runs(table, settings, source="both"), settings)
    found = scores(evaluate(study), "top")
    assert found["additive, shared exponents"].median < 0.03
    assert found["additive, shared exponents"].n == 32


def test_held_out_runs_of_another_task(study, settings, between):
    walk = between.with_columns(env=pl.lit("walker-walk"))
    with pytest.raises(AnalysisError, match="none is of a fitted task"):
        held_out_runs(study, load_runs(walk, settings, source="walk"))


def test_evaluate_command(two_axes_path, few, between, tmp_path, capsys):
    held = tmp_path / "between.parquet"
    vslog.write_table(between, held)
    command = ["evaluate", two_axes_path, *few, "--held-out-runs", str(held)]
    main([*command, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [each["hold_out"] for each in document["evaluations"]] == [
        "leave one out",
        "held-out runs",
    ]
    assert document["evaluations"][1]["censored"] > 0
    main(command)
    assert "more censored and left out" in " ".join(capsys.readouterr().out.split())


def test_held_out_runs_over_utd_alone(paths, options, tasks, capsys):
    main(["evaluate", paths["grid"], *options, "--held-out-runs", paths["fitted"], "--json"])
    document = json.loads(capsys.readouterr().out)["evaluations"][1]
    assert document["hold_out"] == "held-out runs"
    score = {s["predictor"]: s for s in document["scores"] if s["levels"] == "all"}
    assert score["additive"]["n"] == 2 * 7 * 6  # two tasks, seven utd, six levels
    assert score["additive"]["median"] < 0.02 < score["nearest"]["p90"]


def test_median_of_ratios_with_infinities():
    assert median_ratio(np.array([1.4, np.nan, 1.1, 1.2])) == 1.2
    assert median_ratio(np.array([1.4, 1.1, np.inf, 1.2])) == pytest.approx(1.3)
    assert median_ratio(np.array([np.inf, 1.1, np.inf, 1.2])) == np.inf
    assert median_ratio(np.array([np.inf, 1.1, np.inf])) == np.inf
    assert np.isnan(median_ratio(np.array([np.nan])))


def test_the_table_and_the_figure_show_one_median(study):
    (task,) = study.tasks
    ratios = np.array([1.1, 1.2, 1.4, np.inf, np.nan])  # an even number of them is known
    alone = {"sigma": replace(task.alone["sigma"], data_ratio=ratios)}
    task = replace(task, alone=task.alone | alone)
    (sentence,) = [s for s in sentences(task) if s.startswith("utd alone")]
    assert "data 30.0% more within the same FLOPs" in sentence
    drawn = {figure.name: figure for figure in figures(replace(study, tasks=(task,)))}
    assert "σ: +30 %, " in drawn["strategies"].draw().axes[0].get_title()


def test_overfitting_command(two_axes_grid, two_axes_path, tmp_path, capsys, refused):
    path = tmp_path / "grid.parquet"
    vslog.write_table(two_axes_grid, path)
    main(["overfitting", str(path)])
    shown = capsys.readouterr().out
    assert "batch_size -0.400" in shown
    assert "batch_size:critic_params -0.050" in shown
    assert "bigger batches raise it at N = 200,000" in shown
    assert "critic_loss" in refused(["overfitting", two_axes_path])


@pytest.fixture(scope="module")
def report(tmp_path_factory, two_axes_grid, few):
    folder = tmp_path_factory.mktemp("surface_report")
    logged = pl.when(pl.col("utd") == 1).then("validation_critic_loss")  # one heat map is enough
    table = two_axes_grid.with_columns(validation_critic_loss=logged)
    vslog.write_table(table, folder / "grid.parquet")
    out = folder / "report"
    main(["report", str(folder / "grid.parquet"), *few, "--out", str(out)])
    return out, (out / "index.html").read_text(encoding="utf-8")


def test_report_page(report):
    out, text = report
    words = " ".join(re.sub(r"<(svg|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL).split())
    for phrase in ("Held out: leave one out", "One axis alone", "TD-overfitting", "With ten times the budget",
                   "seeds in the mean", "11% more", "26% more", "10 bootstraps"):  # fmt: skip
        assert phrase in words
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert names == {path.stem for path in (out / "figures").glob("*.png")}
    assert names == {
        "contours", "data_along_sigma", "data_along_params", "compute_along_params",
        "batch_size_along_params", "batch_size_along_sigma", "budget_walker_run", "partition",
        "strategies", "td_train_walker_run", "td_validation_walker_run",
    }  # fmt: skip
    page = re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert not re.findall(r"""(?:src|href)=["'](?![#])(?!data:)""", page)
    assert list(read_laws(out / "laws.json")) == ["walker-run"]


def test_surfaces_that_turn_or_what_to_install(report):
    _, text = report
    if importlib.util.find_spec("plotly") is None:
        assert "vs-plots[html]" in text
        assert "<script" not in text
    else:
        assert 'id="surface-0"' in text
        assert not re.findall(r"<script[^>]*\bsrc=", text)
