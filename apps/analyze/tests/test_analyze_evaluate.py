"""`vs-analyze evaluate` and `report`."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.evaluate import evaluate
from vs_analyze.laws_file import read_laws
from vs_analyze.runs import AnalysisError, load_runs
from vs_analyze.settings import Settings

LEVELS = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0)


def studied(grid, fitted):
    settings = Settings(levels=LEVELS, bootstraps=10)
    return analyze(
        load_runs(grid, settings, source="grid"),
        settings,
        fitted=load_runs(fitted, settings, source="fitted"),
    )


@pytest.fixture(scope="module")
def study(grid, fitted):
    return studied(grid, fitted)


@pytest.mark.parametrize(("hold_out", "sigma"), [("largest", 16.0), ("smallest", 0.25)])
def test_held_out_utd_is_predicted_better_than_by_the_nearest_run(study, tasks, hold_out, sigma):
    found = evaluate(study, hold_out=hold_out)
    assert hold_out in found.hold_out
    scores = {(score.quantity, score.predictor): score for score in found.scores()}
    for quantity in ("batch_size", "learning_rate", "data", "compute"):
        law, nearest = scores[quantity, "law"], scores[quantity, "nearest run"]
        assert law.median < 0.08, quantity
        assert nearest.median > 2 * law.median, quantity
        assert law.n == nearest.n
    assert scores["data", "power law"].median > scores["data", "law"].median
    # the held-out measurements are the truth that made the curves
    for check in found.checks:
        task = next(task for task in tasks if task.env == check.env)
        truth = {
            "batch_size": lambda _, task=task: task.batch_size(sigma),
            "learning_rate": lambda _, task=task: task.learning_rate(sigma),
            "data": lambda level, task=task: task.data(sigma, level),
            "compute": lambda level, task=task: task.compute(sigma, level),
        }[check.quantity](check.level)
        assert check.measured.value == pytest.approx(truth, rel=0.04)
        nearest = check.predicted["nearest run"].value
        assert check.relative_error("nearest run") == nearest / check.measured.value - 1


def test_the_held_out_utd_does_not_touch_the_prediction(grid, fitted):
    def predicted(shift):
        # runs at σ 16 made slower; nothing that is predicted may change
        slower = pl.when(pl.col("utd") == 16).then(pl.col("return_") * shift)
        tables = [table.with_columns(slower.otherwise("return_").alias("return_"))
                  for table in (grid, fitted)]  # fmt: skip
        found = evaluate(studied(*tables), hold_out="largest")
        return [c.predicted["law"].value for c in found.checks if c.quantity == "data"], found

    here, before = predicted(1.0)
    there, after = predicted(0.99)
    assert here == there
    assert [c.measured.value for c in before.checks] != [c.measured.value for c in after.checks]


def test_held_out_budgets(study):
    found = evaluate(study, hold_out="budgets")
    scores = {(score.quantity, score.predictor): score for score in found.scores()}
    for quantity in ("data", "compute"):
        law, nearest = scores[quantity, "law"], scores[quantity, "nearest run"]
        assert law.n == nearest.n == 4  # two tasks, two largest budgets
        assert law.median < 0.1
        assert nearest.median > 2 * law.median
    assert {check.at for check in found.checks} == {"level 700", "level 800"}


def test_constant_hyperparameters_are_worse_far_from_the_middle(study):
    found = evaluate(study, hold_out="largest")
    constant = [c for c in found.checks if c.quantity == "batch_size"]
    assert all(c.predicted["constant"].value == 256 for c in constant)
    assert all(c.measured.value == pytest.approx(64) for c in constant)


def test_three_values_of_utd_cannot_spare_one(grid, fitted):
    few = pl.col("utd").is_in([0.25, 1.0, 4.0])
    study = studied(grid.filter(few), fitted.filter(few))
    with pytest.raises(AnalysisError, match="3 values of utd; holding one out needs at least four"):
        evaluate(study, hold_out="largest")


def test_evaluate_command(paths, options, capsys):
    arguments = ["evaluate", paths["grid"], "--fitted", paths["fitted"], *options]
    main([*arguments, "--hold-out", "smallest", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"evaluations", "notes"}
    (document,) = document["evaluations"]
    assert {"hold_out", "checks", "scores", "notes"} <= set(document)
    assert document["hold_out"] == "utd 0.25 (smallest)"
    assert {"env", "quantity", "at", "level", "measured", "predicted", "covered"} <= set(
        document["checks"][0]
    )
    main([*arguments, "--hold-out", "budgets"])
    assert "Held out: the 2 largest budgets of each task" in capsys.readouterr().out


class Page(HTMLParser):
    """References, ids and headings of an HTML page."""

    def __init__(self):
        super().__init__()
        self.references, self.ids, self.tags, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory, paths, options):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    main(["report", paths["grid"], "--fitted", paths["fitted"], *options, "--out", str(out)])
    page = Page()
    text = (out / "index.html").read_text(encoding="utf-8")
    page.feed(text)
    return out, text, page


def test_report_page_needs_nothing_beside_it(report):
    _, text, page = report
    assert "svg" in page.tags
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert not {"script", "link", "iframe", "base"} & set(page.tags)
    urls = set(re.findall(r"url\(([^)]*)\)", text))
    assert all(url.strip("'\"").startswith(("#", "data:")) for url in urls)
    assert "@import" not in text
    # ids of several inlined SVGs must not meet, or one figure clips another
    assert len(page.ids) == len(set(page.ids))
    anchors = {reference[1:] for reference in page.references if reference.startswith("#")}
    anchors |= {url[1:] for url in urls if url.startswith("#")}
    assert anchors <= set(page.ids)


def test_report_discloses_what_a_fit_must(report):
    _, _, page = report
    shown = " ".join("".join(page.text).split())
    for word in ("Form", "Data", "Optimiser", "Loss", "Hold-out", "Uncertainty", "Versions"):
        assert word in shown
    for phrase in ("grid.parquet", "cartpole-swingup", "walker-run", "supported", "20 bootstraps",
                   "nearest run", "Held-out checks"):  # fmt: skip
        assert phrase in shown
    assert " nan" not in shown.lower().replace("nan,", " nan")


def test_report_figures_and_laws(report):
    out, _, _ = report
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert names == {path.stem for path in (out / "figures").glob("*.png")}
    kinds = ("learning_curves", "batch_size", "learning_rate", "data_law", "compute_law", "frontier",
             "budget")  # fmt: skip
    for kind in kinds:
        assert any(name.startswith(kind) for name in names), kind
    for path in (out / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 5_000
    tasks = read_laws(out / "laws.json")
    assert len(tasks) == 2
    assert np.isfinite(tasks["walker-run"].level(300.0).law.d_min)
    assert not list(Path(out).rglob("*.tmp"))
