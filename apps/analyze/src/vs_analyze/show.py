"""Findings on a terminal."""

from rich.console import Console
from rich.table import Table as RichTable

from vs_analyze import tables
from vs_analyze.checks import Evaluation
from vs_analyze.findings import Findings
from vs_analyze.study import Study


def print_findings(findings: Findings, console: Console) -> None:
    """Print verdicts, scores, notes and the budget-optimal setting at the highest level of each task."""
    study = findings.study
    verdicts = tables.verdicts(study)
    print_table(verdicts, console, columns=3)
    for evaluation in findings.evaluations:
        _scores(evaluation, console)
    _notes(findings.notes, console)
    last = {decision.env: decision for decision in findings.decisions}
    for task in study.tasks:
        if task.env in last:
            _line(str(last[task.env]), console)
        for sentence in list(tables.sentences(task))[1:]:
            _line(f"  > {sentence}", console)


def print_evaluations(evaluations: list[Evaluation], console: Console) -> None:
    """Print the scores of hold-outs, and every check where there are not too many."""
    for evaluation in evaluations:
        _scores(evaluation, console)
        if not evaluation.paired:
            print_table(tables.checks(evaluation), console)
        _notes(evaluation.notes, console)


def _scores(evaluation: Evaluation, console: Console) -> None:
    """Print scores as lines: the table of the page is too wide for most terminals."""
    table = tables.scores(evaluation)
    _line(table.caption, console)
    for quantity, levels, predictor, n, *numbers in table.rows:
        named = zip(table.header[4:], numbers, strict=True)
        shown = ", ".join(f"{name} {number}" for name, number in named if number)
        _line(f"  {quantity}, {levels} levels, {predictor} (n {n}): {shown}", console)


def print_table(table: tables.Table, console: Console, *, columns: int | None = None) -> None:
    """Print a table; ``columns`` leaves out those that are too long for a terminal."""
    shown = RichTable(title=table.caption, title_justify="left")
    for name in table.header[:columns]:
        shown.add_column(name)
    for row in table.rows:
        shown.add_row(*row[:columns])
    console.print(shown, markup=False)


def fit_text(study: Study) -> str:
    """Return all fits as a person reads them."""
    at, parts = tables.arguments(study), []
    names = {
        "batch_size": f"B*({at}), best batch size",
        "learning_rate": f"η*({at}), best learning rate",
    }
    for name, fit in study.shared.items():
        parts += [names[name], str(fit), ""]
    if not study.shared:
        for task in study.tasks:
            law = task.batch_size
            parts += [f"B*({at}), {task.env}, from {law.source}", str(law.fit), ""]
    for entry in study.data_fits:
        title = f"D_J({at}), env steps to level {entry.level:g}: {', '.join(entry.envs)}"
        parts += [title, str(entry.fit), ""]
    for task in study.tasks:
        if task.budget is not None:
            for name, fit in task.budget.fits.items():
                parts += [f"{tables.SYMBOLS[name]}(F), {task.env}", str(fit), ""]
            for fit in task.budget.between.values():
                parts += [f"σ*(N*), {task.env}", str(fit), ""]
        parts += [f"{task.env}: {sentence}" for sentence in tables.sentences(task)]
    if study.notes:
        parts += ["notes", *(f"  - {note}" for note in study.notes)]
    return "\n".join(parts).rstrip()


def _notes(notes: tuple[str, ...], console: Console) -> None:
    for note in notes:
        console.print(f"note: {note}", style="dim", highlight=False, markup=False, soft_wrap=True)


def _line(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
