"""Results as tables on a terminal."""

from rich.console import Console
from rich.table import Table
from vs_laws import Fit

from vs_analyze.evaluate import Evaluation
from vs_analyze.recommend import Question, recommend
from vs_analyze.report import interval
from vs_analyze.study import Study


def print_study(study: Study, console: Console) -> None:
    """Verdicts and the budget-optimal setting at the highest level of each task."""
    table = Table(title="Laws", title_justify="left")
    for name in ("law", "verdict", "exponent [95 %]"):
        table.add_column(name)
    table.add_row("B*(σ)", str(study.batch_size.fit.verdict), _exponent(study.batch_size.fit))
    table.add_row("η*(σ)", str(study.learning_rate.fit.verdict), _exponent(study.learning_rate.fit))
    for level, by_env in study.data_fits.items():
        for fit in {id(fit): fit for fit in by_env.values()}.values():
            table.add_row(
                f"D_J(σ) at {level:g}", str(fit.verdict), "α " + interval(fit.parameters["alpha"])
            )
    for env, budget in study.budgets.items():
        table.add_row(f"σ*(F), {env}", str(budget.sigma.verdict), _exponent(budget.sigma))
    console.print(table)
    for note in study.notes:
        console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
    for task in study.tasks:
        if task.levels:
            answer = recommend(task, Question(level=task.levels[-1].level))
            console.print(str(answer), highlight=False, markup=False, soft_wrap=True)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Scores, then every check."""
    scores = Table(title=f"Held out: {evaluation.hold_out}", title_justify="left")
    for name in ("quantity", "predictor", "n", "median |error|", "90 % |error|", "rms log error"):
        scores.add_column(name)
    for s in evaluation.scores():
        scores.add_row(
            s.quantity, s.predictor, str(s.n), f"{s.median:.1%}", f"{s.p90:.1%}", f"{s.rms_log:.3f}"
        )
    console.print(scores)
    checks = Table(title="Checks", title_justify="left")
    for name in ("task", "quantity", "at", "level", "measured", "law", "covered"):
        checks.add_column(name)
    for c in evaluation.checks:
        checks.add_row(
            c.env, c.quantity, c.at, f"{c.level:g}", interval(c.measured),
            interval(c.predicted["law"]), "yes" if c.covered else "no",
        )  # fmt: skip
    console.print(checks)
    for note in evaluation.notes:
        console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)


def _exponent(fit: Fit) -> str:
    return interval(fit.parameters["exponent"])
