"""One self-contained HTML page: figures inside, tables, and what a scaling-law fit must disclose."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import jinja2
import vs_logging as vslog
import vs_plots as plots

from vs_analyze import drawing, tables
from vs_analyze.drawing import Drawn
from vs_analyze.figures import measured, surface_grid
from vs_analyze.findings import Findings, find, laws_document, versions
from vs_analyze.laws_file import jsonable
from vs_analyze.study import ONE, Study
from vs_analyze.td_errors import sentences as td_sentences

TURNABLE = 40  # points of the surface that can be turned, each way


def write_report(study: Study, folder: Path, *, pool: Executor) -> tuple[Path, Findings]:
    """Write ``index.html``, ``laws.json`` and ``figures/*.png, *.svg`` into ``folder``.

    The page needs no network and no file beside it. It is written last, and only whole.

    Args:
        study: the analysis; data are held out of it in turn.
        folder: made when missing.
        pool: where figures are drawn beside this process (`vs_analyze.drawing.second_process`).

    Returns:
        The path of the page, and the findings that it shows.
    """
    drawings = drawing.begin(study, pool)
    findings = find(study)
    turnable, missing = ([], []) if study.axes == ONE else _turnable(study)
    drawn = drawings.finish()
    files = folder / "figures"
    files.mkdir(parents=True, exist_ok=True)
    for figure in drawn:
        (files / f"{figure.name}.png").write_bytes(figure.png)
        (files / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
    vslog.write_json(folder / "laws.json", jsonable(laws_document(study)))
    path = folder / "index.html"
    with vslog.whole_file(path) as temporary:
        temporary.write_text(_page(findings, drawn, turnable, missing), encoding="utf-8")
    return path, findings


def document(findings: Findings) -> dict[str, Any]:
    """Return the findings as JSON-able values: the tables of the page, decisions and checks."""
    shown = _tables(findings)
    return jsonable(
        {
            "tables": {name: [t.to_dict() for t in group] for name, group in shown.items()},
            "decisions": [decision.to_dict() for decision in findings.decisions],
            "evaluations": [evaluation.to_dict() for evaluation in findings.evaluations],
            "notes": findings.notes,
        }
    )


def _tables(findings: Findings) -> dict[str, list[tables.Table]]:
    """Return the tables of the page, by section."""
    study = findings.study
    both = study.axes != ONE
    return {
        "verdicts": [tables.verdicts(study)],
        "What to run": [tables.recommendations(findings)],
        "Data": [tables.data_laws(study), tables.steps(study)],
        "Hyperparameters": [tables.hyperparameters(study)],
        "Along the budget": [tables.budget(study)],
        "One axis alone": [tables.alone(study)] if both else [],
        "Held-out checks": [tables.scores(e) for e in findings.evaluations]
        + [tables.checks(e) for e in findings.evaluations if not e.paired],
    }


def _turnable(study: Study) -> tuple[list[str], list[str]]:
    """Return surfaces that can be turned, or the sentence that says what to install."""
    fragments: list[str] = []
    for index, task in enumerate(study.tasks):
        top = list(task.laws.levels)[-1]
        try:
            fragments.append(
                plots.surface_html(
                    surface_grid(task, top, TURNABLE), div_id=f"surface-{index}",
                    measured=measured(task, top), title=f"{task.env}, level {top:g}",
                    include_js=index == 0,
                )
            )  # fmt: skip
        except ImportError:
            return [], [
                "Surfaces that can be turned need plotly, which is not installed: "
                'pip install "vs-plots[html]", then write this report again.'
            ]
    return fragments, []


def _page(
    findings: Findings, drawn: Sequence[Drawn], turnable: list[str], missing: list[str]
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vs_analyze", "."), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    context = _context(findings, drawn, turnable, missing)
    return environment.get_template("report.html.jinja").render(**context)


def _context(
    findings: Findings, drawn: Sequence[Drawn], turnable: list[str], missing: list[str]
) -> dict[str, Any]:
    study = findings.study
    shown, at = _tables(findings), tables.arguments(study)
    figure = {
        item.name: {"svg": _inline(item.name, item.svg), "caption": item.caption} for item in drawn
    }
    both = study.axes != ONE

    def section(title: str, text: str, *prefixes: str, **more: Any) -> dict[str, Any]:
        found = [entry for name, entry in figure.items() if name.startswith(prefixes)]
        return {
            "title": title, "text": text, "figures": found if prefixes else [],
            "tables": shown.get(title, []), "fits": [], **more,
        }  # fmt: skip

    laws_of = [
        {"title": f"Fit of D_J({at}) at level {e.level:g}, {', '.join(e.envs)}", "text": str(e.fit)}
        for e in study.data_fits
        if e.level in {level for task in study.tasks for level in task.shown_levels()}
    ]
    hyper = [{"title": f"Fit of {name}", "text": str(fit)} for name, fit in study.shared.items()]
    hyper = hyper or [
        {"title": f"Fit of B*({at}), {t.env}, from {t.batch_size.source}",
         "text": str(t.batch_size.fit)} for t in study.tasks
    ]  # fmt: skip
    said = [f"{t.env}: {sentence}" for t in study.tasks for sentence in tables.sentences(t)]
    sections = [
        section(
            "What to run",
            "The budget-optimal setting for the lowest, middle and highest level: the place that "
            "minimises C + δ·D. Intervals are 95 % over seeds.",
            said=[f"{t.env}: {t.laws.growth}" for t in study.tasks if t.laws.growth],
        ),
        section(
            "Data",
            "D_J is the first evaluation at which the isotonic fit of the mean over seeds reaches J. A "
            f"run that never does is censored. The law over {at} is in the {study.settings.form} form.",
            "learning_curves", "data_law", "compute_law", "frontier_", "contours", "data_along",
            "compute_along", fits=laws_of, html=turnable, said=missing,
        ),
        section(
            "Hyperparameters",
            "B* = a/(σ^α·(1 + (b/N)^c)), or a power law where no asymptote is supported."
            if both
            else "Averages over bootstraps and over the other hyperparameter "
            f"({study.settings.mean} mean).",
            "batch_size", "learning_rate", "grid_", fits=hyper,
        ),
        section(
            "Along the budget",
            "Over levels J, the place that minimises F = C_J + δ·D_J, with C_J = 10·N·B*·σ·D_J, and the "
            "power laws of that budget. The largest budgets are held out of the fits.",
            "budget_", "partition",
        ),
        section(
            "Held-out checks",
            "Fitted without the held-out data, then compared with them. |Relative error| of every "
            "predictor; coverage: the share of checks in which the law's 95 % interval and that of the "
            "measurement overlap. Where places are left out in turn, pairs that some form cannot "
            "predict are left out for all.",
        ),
    ]  # fmt: skip
    if both:
        text = (
            "What scaling σ alone (N fixed at the middle of the runs) or N alone (σ fixed) needs more "
            "than scaling both. Data: with no more FLOPs than both need; FLOPs: with no more data; "
            "budget: each at its own best. Medians over levels."
        )
        sections.insert(4, section("One axis alone", text, "strategies", said=said))
    if study.td_errors:
        sections.append(
            section(
                "TD-overfitting",
                "Training error and error on held-out transitions at the end of training.", "td_",
                said=[sentence for found in study.td_errors for sentence in td_sentences(found)],
            )
        )  # fmt: skip
    algo, envs = study.tasks[0].laws.algo, ", ".join(task.env for task in study.tasks)
    over = " over utd and model size" if both else ""
    return {
        "title": f"Scaling laws{over}: {algo} on {envs}",
        "subtitle": f"{len(study.cells)} configurations from {', '.join(study.sources)}; "
        f"{study.settings.bootstraps} bootstraps over seeds; returns normalised to 1000.",
        "verdicts": shown["verdicts"][0],
        "notes": findings.notes,
        "sections": sections,
        "checklist": _checklist(findings),
    }


def _inline(name: str, svg: str) -> str:
    """Return the ``<svg>`` element with its ids made unique within the page."""
    return (
        svg.replace('id="', f'id="{name}-')
        .replace("url(#", f"url(#{name}-")
        .replace('href="#', f'href="#{name}-')
    )


def _checklist(findings: Findings) -> list[tuple[str, str]]:
    study = findings.study
    settings, at = study.settings, tables.arguments(study)
    seeds = [cell.run.returns.shape[1] for cell in study.cells]
    ended = sum(int(cell.run.failed.sum()) for cell in study.cells)
    held = "; ".join(e.hold_out for e in findings.evaluations) or "none"
    tasks = "; ".join(
        f"{t.env}: optimal return {t.laws.optimal_return:g}"
        + (f", N = {t.laws.critic_params:,.0f}" if t.laws.critic_params else "")
        + f", δ = {t.laws.delta:.3g} FLOPs per env step"
        for t in study.tasks
    )
    batch = "; ".join(sorted({t.batch_size.source for t in study.tasks}))
    sharing = (
        "tasks that reach a level at every σ share one shape (median normalisation)"
        if study.axes == ONE
        else "per task"
    )
    facts = jsonable(vars(settings))
    return [
        ("Form", f"{settings.form} law of D_J over {at}; C_J = 10·N·B·σ·D_J / action repeat, with B from "
         f"{batch}; optima and D*, C* power laws of F = C + δ·D"),
        ("Data", f"{', '.join(study.sources)}: {len(seeds)} configurations, {min(seeds)}–{max(seeds)} "
         f"distinct seeds each, of which {ended} ended early; censored points are left out of their level"),
        ("Levels", "; ".join(f"{t.env}: {len(t.levels)} from {t.levels[0]:g} to {t.levels[-1]:g}"
                             for t in study.tasks) + " (normalised return, 1000 = optimal)"),
        ("Tasks", tasks),
        ("Optimiser", "power laws by least squares in log–log space; data laws by variable projection "
         "over exponents in [0.01, 10], the other parameters not negative"),
        ("Loss", f"{settings.loss} loss of the data law; {sharing}"),
        ("Hold-out", f"{held}; budget laws: the {settings.hold_out_budgets} largest budgets"),
        ("Uncertainty", f"{settings.bootstraps} bootstraps over seeds drive crossings, laws, C_J and the "
         "optima; 95 % percentile intervals of the laws' mean, not of a new run. Where the runs have one "
         "batch size per place, its law is taken as known. The spread between tasks is not in the "
         "intervals"),
        ("Not covered", "simulator or algorithm changes; depth; levels above the highest listed; places "
         "outside the ranges that were run (flagged as extrapolation)"),
        ("Settings", ", ".join(f"{key} = {value}" for key, value in facts.items())),
        ("Versions", ", ".join(f"{key} {value}" for key, value in versions().items())),
    ]  # fmt: skip
