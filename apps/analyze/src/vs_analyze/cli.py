"""``vs-analyze``: from learning curves to laws, recommendations, held-out checks and a report."""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
import vs_logging as vslog
from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from vs_analyze import record, schedule
from vs_analyze.analysis import analyze, infer_axes
from vs_analyze.evaluate import evaluate
from vs_analyze.findings import laws_document
from vs_analyze.forecast import forecast
from vs_analyze.importing import Import, import_curves
from vs_analyze.laws_file import jsonable, read_laws
from vs_analyze.left_out import HoldOut, held_out_runs
from vs_analyze.preview import formats, preview
from vs_analyze.recommend import Question, recommend
from vs_analyze.returns import returns_of
from vs_analyze.runs import Run, load_runs
from vs_analyze.settings import Settings, published, published2, published_dmc
from vs_analyze.show import fit_text, print_evaluations, print_findings, print_table
from vs_analyze.study import BOTH, ONE, Study, pick
from vs_analyze.td_errors import TdErrors, td_errors, td_errors_of
from vs_analyze.td_errors import sentences as td_sentences


@dataclass(frozen=True)
class Analysis:
    """The curves, and the assumptions of the analysis about them."""

    table: Positional[tuple[Path, ...]]
    """Run tables of the grid over utd, batch size and learning rate: .parquet files or run folders
    (`vs-analyze import` makes one from published zips, CSV, TensorBoard or W&B). With three model
    sizes or more in a task, the study is over utd and model size."""
    fitted: tuple[Path, ...] = ()
    """Run tables of the runs at the fitted hyperparameters, one configuration per task and utd:
    of several, the one with their median batch size and learning rate is taken. Without it, the
    grid's configuration nearest to the fitted hyperparameters is used at each utd."""
    preset: Literal["ours", "published", "published-dmc", "published2"] = "ours"
    """`published` takes paper 1's thresholds, normalisation, loss and averaging on OpenAI Gym;
    docs/published.md lists every difference and what it does to the numbers. `published-dmc` takes
    the same for DeepMind Control (levels from 200 to 800, resets, 4.92e6 parameters). `published2` takes
    paper 2's levels by task, its resets, its delta, and its batch size of 256 in FLOPs."""
    axes: tuple[Literal["utd", "params"], ...] | None = None
    """`utd`, or `utd params` [both where a task has three model sizes or more]."""
    levels: tuple[float, ...] | None = None
    """Normalised returns (1000 = optimal) at which data efficiency is measured, increasing."""
    level_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest level by task for two axes, ENV LOW HIGH: 20 levels, evenly spaced
    [3/8 of what the worst run ends at, to that]."""
    hyperparameter_level: float | None = None
    """The level at which batch size and learning rate laws are fitted [the highest]."""
    optimal_returns: dict[str, float] = field(default_factory=dict)
    """Raw return that counts as 1000: ENV VALUE pairs, for tasks that are not built in."""
    critic_params: dict[str, int] = field(default_factory=dict)
    """Critic parameter count: ENV N pairs, for tables that do not record it."""
    reset_every: float | None = None
    """Critic updates between two resets of the agents, 0 for none; dips after resets are left out
    [what the table says of its runs, else none]."""
    delta: float | None = None
    """Price of one env step in FLOPs [the papers' value for the benchmark, else 1e10]."""
    bootstraps: int | None = None
    """Resamples of the seeds behind every interval [100]."""
    seed: int | None = None
    """Seed of the bootstrap [0]."""
    mean: Literal["geometric", "arithmetic"] | None = None
    """Mean of best batch sizes and learning rates over bootstraps [geometric]."""
    estimator: Literal["levels", "each"] | None = None
    """Fit all levels of a task at once, with what the law misses, and predict runs; or each level alone,
    as the papers do [levels; each with --form or --loss]."""
    loss: Literal["log", "plain"] | None = None
    """Loss of the data law of each level [log]."""
    form: str | None = None
    """Form of the data law of each level: additive, floorless, product, log_linear or log_quadratic
    (which several tasks over utd cannot share) [additive, the papers']."""
    batch_size: Literal["law", "published"] | None = None
    """Batch size that FLOPs over two axes count: the law of the runs, or the published 256 [law]."""
    actor_params: int | None = None
    """Parameters of the actor, to count in FLOPs over two axes [0]."""
    passive_params: int | None = None
    """Parameters of a passive critic, to count in FLOPs over two axes [0]."""

    def settings(self) -> tuple[Settings, Settings]:
        """Settings of the grid and of the fitted runs (they differ only in the published preset)."""
        bases = {
            "ours": (Settings(), Settings()),
            "published": (published("grid"), published("fitted")),
            "published-dmc": (published_dmc(), published_dmc()),
            "published2": (published2(), published2()),
        }[self.preset]
        names = ("levels", "hyperparameter_level", "reset_every", "delta", "bootstraps", "seed",
                 "mean", "loss", "estimator", "form",
                 "batch_size", "actor_params", "passive_params")  # fmt: skip
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.form or self.loss:
            given.setdefault("estimator", "each")
        grid, fitted = (
            replace(
                base,
                optimal_returns={**base.optimal_returns, **self.optimal_returns},
                critic_params={**base.critic_params, **self.critic_params},
                level_ranges={} if self.levels else {**base.level_ranges, **self.level_ranges},
                **given,
            )
            for base in bases
        )
        return grid, fitted


@dataclass(frozen=True)
class Fit:
    """Fit the laws, print them, and write laws.json."""

    analysis: OmitArgPrefixes[Analysis]
    out: Path = Path("laws.json")
    """File of the laws (schema: vs_analyze.laws_file)."""


@dataclass(frozen=True)
class Recommend:
    """Recommend a run (utd, batch size, learning rate, model size), and what it will cost, with intervals."""

    laws: Positional[Path]
    """A laws.json written by `vs-analyze fit`."""
    env: str | None = None
    """The task; may be left out when the laws hold one."""
    level: float | None = None
    """Target J (normalised return): the cheapest way there. With --data or --compute: the level
    they are spent on [the highest that they reach]."""
    budget: float | None = None
    """Budget F in FLOPs: the highest level within compute + delta·data <= F."""
    data: float | None = None
    """At most this many env steps, at the least compute."""
    compute: float | None = None
    """At most this many FLOPs, with the least data."""
    delta: float | None = None
    """Price of one env step in FLOPs [the one in laws.json]."""
    batch_size_multiple: int = 16
    """Round the batch size to a multiple of this."""
    utd: tuple[float, ...] = ()
    """Instead of a decision: batch size, learning rate and data at each of these utd, for --level [the
    highest], with the commands that run them."""
    critic_params: float | None = None
    """With --utd: model size N, for laws over it."""
    out: Path | None = None
    """With --utd: a .csv file for the table."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Forecast:
    """Put a prediction on record before the run: dated, hashed, not to be overwritten."""

    laws: Positional[Path]
    """A laws.json written by `vs-analyze fit`."""
    utd: float
    """Utd of the run to come."""
    env: str | None = None
    """The task; may be left out when the laws hold one."""
    critic_params: float | None = None
    """Model size N of the run, for laws over it."""
    seeds: float | None = None
    """Seeds of the run [as many as the fitted runs have]."""
    out: Path = Path("forecast.json")
    """File of the forecast."""


@dataclass(frozen=True)
class Check:
    """Score a forecast on record by the run that was predicted."""

    forecast: Positional[Path]
    """A forecast.json written by `vs-analyze forecast`."""
    table: Positional[tuple[Path, ...]]
    """Run tables that hold the run at the forecast's place."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Evaluate:
    """Hold data out, fit on the rest, predict what was held out, and compare."""

    analysis: OmitArgPrefixes[Analysis]
    hold_out: HoldOut | None = None
    """The largest or smallest utd or (-params) model size, the largest budgets, each place in turn, or
    compute: all but the cheapest runs [largest over utd, each over two axes]."""
    share: float = 0.1
    """With --hold-out compute: the share of the compute to fit on."""
    held_out_runs: tuple[Path, ...] = ()
    """Run tables that the laws do not see, to predict from the others (every form of the data law)."""
    baseline: tuple[Path, ...] = ()
    """Run tables of runs at constant hyperparameters over utd [the grid's cells at the constant]."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page with figures, tables and the disclosure checklist."""

    analysis: OmitArgPrefixes[Analysis]
    out: Path = Path("report")
    """Folder for index.html, laws.json and the figures as PNG and SVG."""
    json: bool = False
    """Print the findings as JSON instead of text."""


@dataclass(frozen=True)
class Returns:
    """Fit a saturating curve to each run: how far will it go, and was its end predicted by its beginning?"""

    table: Positional[tuple[Path, ...]]
    """Run tables: .parquet files or run folders."""
    env: str | None = None
    """The task [all]."""
    hold_out: float = 0.5
    """Share of the env steps, at the end of each run, that is predicted from those before."""
    optimal_returns: dict[str, float] = field(default_factory=dict)
    """Raw return that counts as 1000: ENV VALUE pairs, for tasks that are not built in."""
    reset_every: float | None = None
    """Critic updates between two resets of the agents, 0 for none [what the table says of its runs]."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Overfitting:
    """Regress TD errors on batch size, model size and utd: does a larger batch overfit?"""

    table: Positional[tuple[Path, ...]]
    """Run tables with critic_loss and validation_critic_loss (and passive_validation_critic_loss)."""


@dataclass(frozen=True)
class Fetch:
    """Download the papers' published run data (needs a network)."""

    names: Positional[tuple[str, ...]]
    """Data sets, e.g. gym_sweep gym_ours gym_baseline_utd2."""
    out: Path = Path("curves")
    """Folder for the zips."""


type Command = (
    Annotated[Import, tyro.conf.subcommand("import")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[Recommend, tyro.conf.subcommand("recommend")]
    | Annotated[Forecast, tyro.conf.subcommand("forecast")]
    | Annotated[Check, tyro.conf.subcommand("check")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Returns, tyro.conf.subcommand("returns")]
    | Annotated[Overfitting, tyro.conf.subcommand("overfitting")]
    | Annotated[Fetch, tyro.conf.subcommand("fetch")]
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: one clear sentence and exit code 2 on bad input."""
    command = tyro.cli(Command, prog="vs-analyze", description=__doc__, args=argv)
    try:
        run(command)
    except (ValueError, OSError, ImportError) as error:
        print(f"vs-analyze: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def run(command: object) -> None:
    """Carry out one parsed command."""
    match command:
        case Import():
            _import(command)
        case Fetch():
            from vs_analyze.fetch import fetch  # its HTTP libraries only when they are wanted

            for path in fetch(command.names, command.out):
                print(path)
        case Fit():
            study = _study(command.analysis)
            print(fit_text(study))
            vslog.write_json(command.out, jsonable(laws_document(study)))
            print(f"\nwritten to {command.out}")
        case Recommend():
            _recommend(command)
        case Forecast():
            _forecast(command)
        case Check():
            _check(command)
        case Evaluate():
            _evaluate(command)
        case Report():
            _report(command)
        case Returns():
            _returns(command)
        case Overfitting():
            source = ", ".join(str(path) for path in command.table)
            for found in td_errors_of(vslog.scan(command.table), source=source):
                head, *rest = td_sentences(found)
                print("\n".join([head, *(f"  {sentence}" for sentence in rest)]))


def _import(command: Import) -> None:
    if command.formats:
        print(formats())
        return
    if command.out is None and not command.dry_run:
        raise ValueError("give --out FILE.parquet, or --dry-run to look only")
    imported = import_curves(command.source, command.options())
    written = None if command.dry_run else command.out
    if written is not None:
        vslog.write_table(imported.table, written)
    print(preview(imported) if written is None else f"{preview(imported)}\nwritten to {written}")


def _load(paths: tuple[Path, ...], settings: Settings) -> list[Run]:
    if not paths:
        return []
    source = ", ".join(str(path) for path in paths)
    return load_runs(vslog.scan(paths), settings, source=source)


def _study(analysis: Analysis) -> Study:
    grid, later = analysis.settings()
    with _working("measuring and fitting"):
        runs = _load(analysis.table, grid)
        axes = infer_axes(runs)
        if analysis.axes:
            axes = BOTH if "params" in analysis.axes else ONE
        fitted = _load(analysis.fitted, later)
        study = analyze(runs, later, fitted=fitted, axes=axes)
    sources = tuple(path.name for path in (*analysis.table, *analysis.fitted))
    return replace(study, sources=sources)


def _recommend(command: Recommend) -> None:
    if command.utd:
        _schedule(command)
        return
    question = Question(
        level=command.level, budget=command.budget, max_data=command.data,
        max_compute=command.compute,
    )  # fmt: skip
    task = pick(read_laws(command.laws), command.env, str(command.laws))
    answer = recommend(
        task, question, delta=command.delta, batch_size_multiple=command.batch_size_multiple
    )
    print(json.dumps(jsonable(answer.to_dict()), indent=1) if command.json else answer)


def _schedule(command: Recommend) -> None:
    task = pick(read_laws(command.laws), command.env, str(command.laws))
    rows = schedule.schedule(
        task, command.utd, critic_params=command.critic_params, level=command.level,
        multiple=command.batch_size_multiple,
    )  # fmt: skip
    if command.out is not None:
        schedule.write_csv(rows, command.out)
    if command.json:
        print(json.dumps(jsonable([vars(row) for row in rows]), indent=1))
        return
    print_table(schedule.as_table(rows), Console())
    print("\n".join(row.command for row in rows))


def _forecast(command: Forecast) -> None:
    task = pick(read_laws(command.laws), command.env, str(command.laws))
    predicted = forecast(task, command.utd, command.critic_params, seeds=command.seeds)
    record.write_forecast(predicted, task, command.laws, command.out)
    print(f"{predicted}\n\non record in {command.out}; after the run: "
          f"vs-analyze check {command.out} RUNS")  # fmt: skip


def _check(command: Check) -> None:
    known = record.read_forecast(command.forecast)
    settings = Settings(optimal_returns={known.forecast.env: known.optimal_return})
    found = record.check(known, _load(command.table, settings), settings)
    if command.json:
        print(json.dumps(jsonable(found.to_dict()), indent=1))
        return
    print_evaluations([found], Console())
    data = [one for one in found.checks if one.quantity == "data"]
    inside = sum(one.covered for one in data)
    print(f"{inside} of {len(data)} measured levels are inside the forecast's intervals")


def _evaluate(command: Evaluate) -> None:
    _, settings = command.analysis.settings()
    study = _study(command.analysis)
    with _working("fitting without the held-out data"):
        baseline = _load(command.baseline, settings)
        found = [evaluate(study, hold_out=command.hold_out, share=command.share, baseline=baseline)]
        if command.held_out_runs:
            found.append(held_out_runs(study, _load(command.held_out_runs, study.settings)))
    if command.json:
        document = {"evaluations": [each.to_dict() for each in found], "notes": study.notes}
        print(json.dumps(jsonable(document), indent=1))
    else:
        print_evaluations(found, Console())


def _report(command: Report) -> None:
    from vs_analyze.drawing import second_process  # plotting libraries only when they are wanted
    from vs_analyze.report import document, write_report

    with second_process() as pool:
        study = _study(command.analysis)
        with _working("checking and drawing"):
            study = replace(study, td_errors=_td_errors(command.analysis, study))
            page, findings = write_report(study, command.out, pool=pool)
    if command.json:
        print(json.dumps(document(findings), indent=1))
        return
    print_findings(findings, Console())
    print(f"report: {page}\nlaws:   {command.out / 'laws.json'}")


def _returns(command: Returns) -> None:
    settings = Settings(optimal_returns=command.optimal_returns, reset_every=command.reset_every)
    with _working("fitting a law of returns to each run"):
        found = returns_of(_load(command.table, settings), env=command.env, share=command.hold_out)
    print(json.dumps(jsonable(found.to_dict()), indent=1) if command.json else found)


def _td_errors(analysis: Analysis, study: Study) -> tuple[TdErrors, ...]:
    """Return the TD errors of the tables, for a study of two axes."""
    return tuple(td_errors(vslog.scan(analysis.table))) if study.axes == BOTH else ()


@contextmanager
def _working(what: str) -> Generator[None]:
    """A spinner on a terminal, one plain line elsewhere; on stderr, so that output can be piped."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        print(what, file=sys.stderr)
        yield
