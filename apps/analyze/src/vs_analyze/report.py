"""One self-contained HTML page: figures inside, tables, and what a scaling-law fit must disclose."""

from collections.abc import Sequence
from concurrent.futures import Executor
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import vs_laws as laws
import vs_logging as vslog

from vs_analyze import drawing
from vs_analyze.book import SCHEMA, VERSION, jsonable, task_to_dict, write_json
from vs_analyze.drawing import Drawn
from vs_analyze.evaluate import Evaluation, evaluate
from vs_analyze.figures import figures
from vs_analyze.recommend import Question, recommend
from vs_analyze.runs import AnalysisError
from vs_analyze.study import Study


def laws_document(study: Study, sources: Sequence[str]) -> dict[str, Any]:
    """What ``laws.json`` holds (schema: `vs_analyze.book`)."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "versions": versions(),
        "sources": list(sources),
        "settings": vars(study.settings),
        "notes": study.notes,
        "tasks": {task.env: task_to_dict(task) for task in study.tasks},
        "fits": {
            "batch_size": study.batch_size.fit.to_dict(),
            "learning_rate": study.learning_rate.fit.to_dict(),
            "data": [
                {"level": level, "envs": list(fit.groups), **fit.to_dict()}
                for level, fit in _data_fits(study)
            ],
            "budget": {
                env: {name: getattr(budget, name).to_dict() for name in ("sigma", "data", "compute")}
                for env, budget in study.budgets.items()
            },
        },
        "baseline": {
            env: {"batch_size": study.batch_size.baseline[env],
                  "learning_rate": study.learning_rate.baseline[env]}
            for env in study.batch_size.fit.groups
        },
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of the packages that make the numbers."""
    names = ("vs-analyze", "vs-isotonic", "vs-laws", "vs-logging", "numpy", "scipy", "polars")
    return {name: metadata.version(name) for name in names}


def fit_text(study: Study) -> str:
    """All fits as a person reads them."""
    parts = ["B*(σ), best batch size", str(study.batch_size.fit), ""]
    parts += ["η*(σ), best learning rate", str(study.learning_rate.fit), ""]
    for level, fit in _data_fits(study):
        parts += [f"D_J(σ), env steps to level {level:g}", str(fit), ""]
    for env, budget in study.budgets.items():
        for name, symbol in (("sigma", "σ*"), ("data", "D*"), ("compute", "C*")):
            parts += [f"{symbol}(F), {env}", str(getattr(budget, name)), ""]
    if study.notes:
        parts += ["notes", *(f"  - {note}" for note in study.notes)]
    return "\n".join(parts).rstrip()


def write_report(study: Study, sources: Sequence[str], folder: Path, *, pool: Executor) -> Path:
    """Write ``index.html``, ``laws.json`` and ``figures/*.png, *.svg`` into ``folder``.

    The page needs no network and no file beside it. It is written last, and only whole.

    Args:
        study: the analysis; the largest and the smallest σ are held out of it in turn.
        sources: the tables that were read, for the disclosure.
        folder: made when missing.
        pool: where figures are drawn beside this process (`vs_analyze.drawing.second_process`).

    Returns:
        The path of the page.
    """
    drawings = drawing.begin(study, figures, pool)
    evaluations, unchecked = _held_out(study)
    drawn = drawings.finish()
    context = _context(study, evaluations, unchecked, sources, drawn)
    return write_page(folder, context, laws_document(study, sources), drawn)


def write_page(
    folder: Path, context: dict[str, Any], document: dict[str, Any], drawn: Sequence[Drawn]
) -> Path:
    """Write figures, laws.json and, last and whole, the page; return its path."""
    files = folder / "figures"
    files.mkdir(parents=True, exist_ok=True)
    for figure in drawn:
        (files / f"{figure.name}.png").write_bytes(figure.png)
        (files / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
    write_json(folder / "laws.json", document)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vs_analyze", "."), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    page = environment.get_template("report.html.jinja").render(**context)
    path = folder / "index.html"
    with vslog.whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _held_out(study: Study) -> tuple[list[Evaluation], list[str]]:
    """The checks that the data allow, and why the others are missing."""
    evaluations, unchecked = [], []
    for hold_out in ("largest", "smallest"):
        try:
            evaluations.append(evaluate(study, hold_out=hold_out))
        except AnalysisError as error:
            unchecked.append(f"no check with the {hold_out} utd held out: {error}")
    return evaluations, unchecked


def _data_fits(study: Study) -> list[tuple[float, laws.Fit]]:
    """Distinct data-law fits with their level."""
    return [
        (level, fit)
        for level, by_env in study.data_fits.items()
        for fit in {id(fit): fit for fit in by_env.values()}.values()
    ]


def _context(
    study: Study,
    evaluations: Sequence[Evaluation],
    unchecked: Sequence[str],
    sources: Sequence[str],
    drawn: Sequence[Drawn],
) -> dict[str, Any]:
    figure = {
        item.name: {"svg": inline(item.name, item.svg), "caption": item.caption} for item in drawn
    }

    def shown(*prefixes: str) -> list[dict[str, str]]:
        return [entry for name, entry in figure.items() if name.startswith(prefixes)]

    kinds = study.chosen[study.tasks[0].env][0].run
    runs = len(study.cells)
    envs = ", ".join(study.chosen)
    top = max(level for level, fits in study.data_fits.items() if fits)
    return {
        "title": f"Scaling laws: {kinds.algo} on {envs}",
        "subtitle": f"{runs} configurations from {', '.join(sources)}; "
        f"{study.settings.bootstraps} bootstraps over seeds; returns normalised to 1000.",
        "verdicts": _verdicts(study),
        "notes": [*study.notes, *unchecked],
        "sections": [
            {
                "title": "What to run",
                "text": "The budget-optimal setting for the lowest, middle and highest level: the σ "
                "that minimises C + δ·D. Intervals are 95 % over seeds.",
                "figures": [],
                "tables": [_recommendations(study)],
                "fits": [],
            },
            {
                "title": "Learning curves",
                "text": "D_J is the first evaluation at which the isotonic fit of the mean over seeds "
                "reaches J. A run that never does is censored, not dropped.",
                "figures": shown("learning_curves"),
                "tables": [_levels_table(study)],
                "fits": [],
            },
            {
                "title": "Best batch size and learning rate",
                "text": f"Averages over bootstraps and over the other hyperparameter "
                f"({study.settings.mean} mean).",
                "figures": shown("batch_size", "learning_rate", "grid_"),
                "tables": [_hyperparameters_table(study)],
                "fits": [
                    {"title": "Fit of B*(σ)", "text": str(study.batch_size.fit)},
                    {"title": "Fit of η*(σ)", "text": str(study.learning_rate.fit)},
                ],
            },
            {
                "title": "Data and compute",
                "text": "D_J(σ) = D_min + A·σ^(−α), and C_J(σ) = 10·N·B*(σ)·σ·D_J(σ).",
                "figures": shown("data_law", "compute_law", "frontier_"),
                "tables": [_data_table(study)],
                "fits": [
                    {"title": f"Fit of D_J(σ) at level {level:g}, {', '.join(fit.groups)}",
                     "text": str(fit)}
                    for level, fit in _data_fits(study) if level == top
                ],
            },
            {
                "title": "Along the budget",
                "text": "Over levels J, the σ that minimises C_J + δ·D_J, and the power laws of its "
                "budget F. The largest budgets are held out of the fits.",
                "figures": shown("budget_"),
                "tables": [_budget_table(study)],
                "fits": [],
            },
            {
                "title": "Held-out checks",
                "text": "Fitted without the held-out data, then compared with them. |Relative error| "
                "of the law and of three baselines; coverage: the share of checks in which the "
                "law's 95 % interval and that of the measurement overlap.",
                "figures": [],
                "tables": [_score_table(evaluation) for evaluation in evaluations]
                + [_check_table(evaluation) for evaluation in evaluations],
                "fits": [],
            },
        ],
        "checklist": _checklist(study, evaluations, sources),
    }  # fmt: skip


def inline(name: str, svg: str) -> str:
    """The ``<svg>`` element with its ids made unique within the page."""
    return (
        svg.replace('id="', f'id="{name}-')
        .replace("url(#", f"url(#{name}-")
        .replace('href="#', f'href="#{name}-')
    )


def interval(estimate: laws.Estimate) -> str:
    """``value [low, high]`` to three digits."""
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"


def _verdicts(study: Study) -> list[dict[str, str]]:
    rows = [
        ("B*(σ)", study.batch_size.fit),
        ("η*(σ)", study.learning_rate.fit),
        *(
            (f"D_J(σ) at {level:g}, {', '.join(fit.groups)}", fit)
            for level, fit in _data_fits(study)
        ),
        *((f"σ*(F), {env}", budget.sigma) for env, budget in study.budgets.items()),
    ]
    return [{"law": law, "verdict": str(fit.verdict), "reason": fit.reason} for law, fit in rows]


def _recommendations(study: Study) -> dict[str, Any]:
    rows = []
    for task in study.tasks:
        shown = sorted({0, len(task.levels) // 2, len(task.levels) - 1}) if task.levels else []
        for i in shown:
            r = recommend(task, Question(level=task.levels[i].level))
            rows.append(
                [task.env, f"{r.level.value:g}", interval(r.utd), r.batch_size_rounded,
                 interval(r.batch_size), interval(r.learning_rate), interval(r.data),
                 interval(r.compute), "; ".join(r.warnings) or "none"]
            )  # fmt: skip
    return {
        "caption": "σ has the interval of the optimum; the rest is what the laws expect at that σ.",
        "header": ["task", "level", "σ", "run B =", "B*", "η*", "data (env steps)",
                   "compute (FLOPs)", "warnings"],
        "rows": rows,
    }  # fmt: skip


def _levels_table(study: Study) -> dict[str, Any]:
    levels = study.settings.levels
    rows = [
        [env, f"{cell.utd:g}", cell.run.batch_size, f"{cell.run.learning_rate:g}",
         cell.run.returns.shape[1],
         *(f"{d:,.0f}" if d < float("inf") else f"> {last:,.0f}"
           for d, last in zip(cell.data, cell.last_step, strict=True))]
        for env, cells in study.chosen.items() for cell in cells
    ]  # fmt: skip
    return {
        "caption": "Env steps to each level of the runs behind the data laws ('>': censored).",
        "header": ["task", "σ", "B", "η", "seeds", *(f"{level:g}" for level in levels)],
        "rows": rows,
    }


def _hyperparameters_table(study: Study) -> dict[str, Any]:
    rows = []
    batch, rate = study.batch_size, study.learning_rate
    for i, (env, sigma) in enumerate(zip(batch.env, batch.sigma, strict=True)):
        rows.append(
            [env, f"{sigma:g}", interval(batch.optima[i].estimate),
             f"{float(batch.task(env).law(sigma)):.3g}", interval(rate.optima[i].estimate),
             f"{float(rate.task(env).law(sigma)):.3g}",
             "; ".join([*batch.optima[i].notes[1:], *rate.optima[i].notes[1:]])]
        )  # fmt: skip
    return {
        "caption": "Best values found at each σ, and the laws there.",
        "header": ["task", "σ", "B̃", "B*(σ)", "η̃", "η*(σ)", "notes"],
        "rows": rows,
    }


def _data_table(study: Study) -> dict[str, Any]:
    rows = [
        [env, f"{level:g}", interval(fit.parameters[f"d_min[{env}]"]),
         interval(fit.parameters["alpha"]), f"{fit.r2_log:.3f}", f"{fit.loss:.3g}",
         str(fit.verdict)]
        for level, fit in _data_fits(study) for env in fit.groups
    ]  # fmt: skip
    return {
        "caption": "Data laws by level.",
        "header": ["task", "level", "D_min (env steps)", "α", "R² (log)",
                   f"loss ({study.settings.loss})", "verdict"],
        "rows": rows,
    }  # fmt: skip


def _budget_table(study: Study) -> dict[str, Any]:
    rows = [
        [env, name, interval(getattr(budget, key).parameters["exponent"]),
         str(getattr(budget, key).verdict),
         ", ".join(f"{error:+.1%}" for error in budget.checks[key].relative_error)
         if key in budget.checks else "none held out"]
        for env, budget in study.budgets.items()
        for key, name in (("sigma", "σ*(F)"), ("data", "D*(F)"), ("compute", "C*(F)"))
    ]  # fmt: skip
    return {
        "caption": "Exponents of the budget, and the error at the held-out budgets.",
        "header": ["task", "law", "exponent", "verdict", "held-out error"],
        "rows": rows,
    }


def _score_table(evaluation: Evaluation) -> dict[str, Any]:
    rows = []
    for score in evaluation.scores():
        same = [c for c in evaluation.checks if c.quantity == score.quantity]
        covered = f"{sum(c.covered for c in same)} of {len(same)}"
        rows.append(
            [score.quantity, score.predictor, score.n, f"{score.median:.1%}", f"{score.p90:.1%}",
             f"{score.rms_log:.3f}", covered if score.predictor == "law" else ""]
        )  # fmt: skip
    return {
        "caption": f"Held out: {evaluation.hold_out}.",
        "header": ["quantity", "predictor", "n", "median |error|", "90 % |error|", "rms log error",
                   "coverage"],
        "rows": rows,
    }  # fmt: skip


def _check_table(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "caption": f"Each check; held out: {evaluation.hold_out}.",
        "header": ["task", "quantity", "at", "level", "measured", "predicted by the law",
                   "nearest run", "power law", "constant"],
        "rows": [
            [c.env, c.quantity, c.at, f"{c.level:g}", interval(c.measured),
             interval(c.predicted["law"]),
             *(f"{c.predicted[p].value:.3g}" if p in c.predicted else ""
               for p in ("nearest run", "power law", "constant"))]
            for c in evaluation.checks
        ],
    }  # fmt: skip


def _checklist(
    study: Study, evaluations: Sequence[Evaluation], sources: Sequence[str]
) -> list[tuple[str, str]]:
    settings = study.settings
    seeds = [cell.run.returns.shape[1] for cell in study.cells]
    held = "; ".join(e.hold_out for e in evaluations) or "none"
    facts = jsonable(vars(settings))
    return [
        ("Form", "B* = b·σ^e and η* likewise, one exponent, a coefficient per task; "
         "D_J = D_min + A·σ^(−α); C_J = 10·N·B*·σ·D_J; σ*, D*, C* power laws of F = C + δ·D"),
        ("Data", f"{', '.join(sources)}: {len(study.cells)} grid configurations, "
         f"{min(seeds)}–{max(seeds)} distinct seeds each; every configuration is used"),
        ("Levels", ", ".join(f"{level:g}" for level in settings.levels)
         + " (normalised return, 1000 = optimal)"),
        ("Tasks", "; ".join(f"{t.env}: optimal return {t.optimal_return:g}, N = {t.critic_params:,}, "
                            f"δ = {t.delta:.3g} FLOPs per env step" for t in study.tasks)),
        ("Optimiser", "power laws by least squares in log–log space; data laws by variable "
         "projection over α in [0.01, 10] (global), D_min and A not negative"),
        ("Loss", f"{settings.loss} loss of the data law; tasks that reach a level at every σ share "
         "one shape (median normalisation)"),
        ("Hold-out", f"{held}; budget laws: the {settings.hold_out_budgets} largest budgets"),
        ("Uncertainty", f"{settings.bootstraps} bootstraps over seeds drive crossings, B̃, η̃, laws, "
         "C_J and σ*(F); 95 % percentile intervals. A bootstrap in which a point is censored is left "
         "out of that law's interval. The spread between tasks is not in the intervals"),
        ("Not covered", "simulator or algorithm changes; model size as an axis; levels above the "
         "highest listed; σ outside the range that was run (flagged as extrapolation)"),
        ("Settings", ", ".join(f"{key} = {value}" for key, value in facts.items())),
        ("Versions", ", ".join(f"{key} {value}" for key, value in versions().items())),
    ]  # fmt: skip
