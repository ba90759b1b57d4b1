"""The outcome of a study in words and tables; a law that the data do not support is not called one."""

from rich.console import Console
from rich.table import Table
from vs_analyze.tables import interval

from vs_quickstart.study import HeldOut, Outcome


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print the laws' verdicts, and the predictions beside the measurements with a conclusion."""
    for one in outcome.held_out:
        _print_one(one, outcome, console)
    console.print(f"\nreport: {outcome.page}", highlight=False, soft_wrap=True)


def verdict(one: HeldOut) -> str:
    """Return the conclusion of the comparison, in a sentence or two."""
    data = [check for check in one.checks if check.quantity == "data"]
    carried = [entry for entry in one.predicted.levels if entry.supported]
    inside = [check.level for check in data if check.covered]
    parts = []
    if not data:
        parts.append("The run reaches none of the predicted levels: the prediction failed.")
    else:
        parts.append(
            f"{len(inside)} of {len(data)} intervals hold the measurement; "
            f"{len(carried)} of {len(one.predicted.levels)} data laws are carried by the data."
        )
    if one.unreached and data:
        levels = ", ".join(f"{level:g}" for level in one.unreached)
        parts.append(f"The run does not reach {levels}, although a law predicts it.")
    if len(carried) < len(one.predicted.levels):
        parts.append(
            "So small a study does not carry a law at every level: read those as guesses, and run "
            "more utd values, seeds or steps."
        )
    return " ".join(parts)


def _print_one(one: HeldOut, outcome: Outcome, console: Console) -> None:
    predicted, sigma = one.predicted, f"{one.predicted.utd:g}"
    console.rule(f"{predicted.env}: predicted and measured at utd {sigma}", align="left")
    table = Table()
    for name in ("quantity", "exponent [95 %]", f"predicted at utd {sigma}", "run", "verdict"):
        table.add_column(name)
    task = outcome.study.task(predicted.env)
    for law, estimate, run in (
        (task.batch_size, predicted.batch_size, f"{one.run.batch_size}"),
        (task.learning_rate, predicted.learning_rate, f"{one.run.learning_rate:g}"),
    ):
        if law is None or estimate is None:  # of a study over model size as well
            continue
        table.add_row(
            law.name.replace("_", " "),
            interval(law.fit.parameters["sigma_exponent"]),
            interval(estimate),
            run,
            str(law.fit.verdict),
        )
    console.print(table)
    table = Table()
    for name in ("level", "env steps: predicted", "measured", "FLOPs: predicted", "measured",
                 "agree", "law"):  # fmt: skip
        table.add_column(name)
    verdicts = {entry.level: entry.verdict for entry in predicted.levels}
    for data, compute in zip(one.checks[::2], one.checks[1::2], strict=True):
        table.add_row(
            f"{data.level:.4g}",
            interval(data.predicted["law"]),
            interval(data.measured),
            interval(compute.predicted["law"]),
            interval(compute.measured),
            "yes" if data.covered else "no",
            verdicts[data.level],
        )
    console.print(table)
    console.print(verdict(one), highlight=False, soft_wrap=True)
    if one.advantage is not None:
        factor, level = one.advantage
        console.print(
            f"At level {level:g} the run with the predicted hyperparameters needs {1 / factor:.2f} times "
            f"the data of the one that keeps batch size {one.baseline.batch_size} and learning rate "
            f"{one.baseline.learning_rate:g}.",
            highlight=False,
            soft_wrap=True,
        )
    for why, names in _reasons(one).items():
        console.print(f"! {names}: {why}", highlight=False, markup=False, soft_wrap=True)


def _reasons(one: HeldOut) -> dict[str, str]:
    """Return the names of unsupported laws by reason; often one reason holds for many."""
    found: dict[str, list[str]] = {}
    for name, verdict, reason in one.predicted.unsupported:
        found.setdefault(f"{verdict}: {reason}", []).append(name)
    return {
        why: names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        for why, names in found.items()
    }
