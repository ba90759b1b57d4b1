"""``vs-analyze``: from learning curves to laws, recommendations, held-out checks and a report."""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
import vs_logging as vslog
from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from vs_analyze.book import SURFACE_VERSION, jsonable, read_document, read_tasks, write_json
from vs_analyze.drawing import second_process
from vs_analyze.evaluate import evaluate
from vs_analyze.importing import import_curves
from vs_analyze.recommend import Question, recommend
from vs_analyze.report import fit_text, laws_document, write_report
from vs_analyze.runs import AnalysisError, Run, load_runs
from vs_analyze.settings import Settings, published, published2
from vs_analyze.show import print_evaluation, print_study
from vs_analyze.study import Study, analyze
from vs_analyze.surface import SurfaceStudy, analyze_surface, has_two_axes
from vs_analyze.surface_book import read_surface_tasks
from vs_analyze.surface_evaluate import held_out_runs, leave_one_out
from vs_analyze.surface_recommend import recommend_surface
from vs_analyze.surface_report import write_surface_report
from vs_analyze.surface_show import (
    print_surface_evaluations,
    print_surface_study,
    surface_document,
    surface_text,
)
from vs_analyze.td_errors import sentences as td_sentences
from vs_analyze.td_errors import td_errors, td_errors_of


@dataclass(frozen=True)
class Analysis:
    """Which curves, and what the analysis assumes about them."""

    table: Positional[tuple[Path, ...]]
    """Run tables of the grid over utd, batch size and learning rate: .parquet files or run folders
    (`vs-analyze import` makes one from published zips, CSV, TensorBoard or W&B). With three model
    sizes or more in a task, the study is over utd and model size."""
    fitted: tuple[Path, ...] = ()
    """Run tables of the runs at the fitted hyperparameters, one configuration per task and utd.
    Without it, the grid's configuration nearest to the fitted hyperparameters is used at each utd."""
    preset: Literal["ours", "published", "published2"] = "ours"
    """`published` takes paper 1's thresholds, normalisation, loss and averaging on OpenAI Gym;
    docs/published.md lists every difference and what it does to the numbers. `published2` takes
    paper 2's levels by task, its delta, and its batch size of 256 in FLOPs."""
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
    delta: float | None = None
    """Price of one env step in FLOPs [the papers' value for the benchmark, else 1e10]."""
    bootstraps: int | None = None
    """Resamples of the seeds behind every interval [100]."""
    seed: int | None = None
    """Seed of the bootstrap [0]."""
    mean: Literal["geometric", "arithmetic"] | None = None
    """How best batch sizes and learning rates are averaged over bootstraps [geometric]."""
    loss: Literal["log", "plain"] | None = None
    """Loss of the data law [log]."""
    form: Literal["additive", "floorless", "product", "log_linear", "log_quadratic"] | None = None
    """Form of the data law over two axes [additive, the paper's]."""
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
            "published2": (published2(), published2()),
        }[self.preset]
        names = ("levels", "hyperparameter_level", "delta", "bootstraps", "seed", "mean", "loss",
                 "form", "batch_size", "actor_params", "passive_params")  # fmt: skip
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
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
class Import:
    """Turn curves of any origin into a run table (one Parquet file)."""

    source: Positional[str]
    """A zip in one of the papers' grammars, a tidy .csv, a folder of TensorBoard event files,
    wandb:ENTITY/PROJECT, an evaluations.npz or monitor.csv of Stable-Baselines3, a scalar's .csv from
    TensorBoard, or a folder of SEED.txt files; of most of these also a folder of many."""
    out: Path
    """The .parquet file to write."""
    grammar: str = "auto"
    """How a zip's members are named (qscaled, bro, simbav2, bro-ablations), or the format of a source
    that could be several: zip, csv, tensorboard, wandb, sb3-evaluations, sb3-monitor, tensorboard-csv,
    jaxrl."""
    pattern: str | None = None
    """Regular expression with named groups (utd, batch_size, seed, …) that reads the hyperparameters
    out of exp_name (CSV) or the path of a file or folder."""
    return_key: str | None = None
    """Metric, tag or key of the evaluation return [a CSV's return, episode.return or avg_return]."""
    fields: dict[str, str] = field(default_factory=dict)
    """For TensorBoard and W&B: COLUMN KEY pairs, where the run's config keeps a column."""
    constants: dict[str, str] = field(default_factory=dict)
    """Run table columns that are the same for all rows, NAME VALUE pairs."""
    on_error: Literal["raise", "skip"] = "raise"
    """Whether a bad member stops the import or is named and skipped."""


@dataclass(frozen=True)
class Fit:
    """Fit the laws, print them, and write laws.json."""

    analysis: OmitArgPrefixes[Analysis]
    out: Path = Path("laws.json")
    """Where the laws go (schema: vs_analyze.book)."""


@dataclass(frozen=True)
class Recommend:
    """What to run (utd, batch size, learning rate, model size), and what it will cost, with intervals."""

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
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Evaluate:
    """Hold data out, fit on the rest, predict what was held out, and compare."""

    analysis: OmitArgPrefixes[Analysis]
    hold_out: Literal["largest", "smallest", "budgets"] = "largest"
    """Over utd alone: the largest or smallest utd, or the largest budgets. (Over two axes, every run
    is left out in turn.)"""
    held_out_runs: tuple[Path, ...] = ()
    """Over two axes: run tables that the laws do not see, to predict from the others."""
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
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Report, tyro.conf.subcommand("report")]
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
            options = vslog.ImportOptions(
                grammar=command.grammar, pattern=command.pattern, return_key=command.return_key,
                fields=command.fields, constants=command.constants, on_error=command.on_error,
            )  # fmt: skip
            report = import_curves(command.source, command.out, options)
            print(f"{report}\nwritten to {command.out}")
        case Fetch():
            from vs_analyze.fetch import fetch  # its HTTP libraries only when they are wanted

            for path in fetch(command.names, command.out):
                print(path)
        case Fit():
            study = _study(command.analysis)
            sources = _sources(command.analysis)
            if isinstance(study, SurfaceStudy):
                print(surface_text(study))
                write_json(command.out, surface_document(study, sources))
            else:
                print(fit_text(study))
                write_json(command.out, laws_document(study, sources))
            print(f"\nwritten to {command.out}")
        case Recommend():
            _recommend(command)
        case Evaluate():
            _evaluate(command)
        case Report():
            _report(command)
        case Overfitting():
            source = ", ".join(str(path) for path in command.table)
            for found in td_errors_of(vslog.scan(command.table), source=source):
                head, *rest = td_sentences(found)
                print("\n".join([head, *(f"  {sentence}" for sentence in rest)]))


def _load(paths: tuple[Path, ...], settings: Settings) -> list[Run]:
    if not paths:
        return []
    source = ", ".join(str(path) for path in paths)
    return load_runs(vslog.scan(paths), settings, source=source)


def _study(analysis: Analysis) -> Study | SurfaceStudy:
    grid, fitted = analysis.settings()
    with _working("measuring and fitting"):
        runs = _load(analysis.table, grid)
        if "params" in analysis.axes if analysis.axes else has_two_axes(runs):
            if analysis.fitted:
                raise AnalysisError(
                    "--fitted is for a study over utd alone; give all runs as the table"
                )
            return analyze_surface(runs, grid)
        return analyze(runs, _load(analysis.fitted, fitted), fitted)


def _sources(analysis: Analysis) -> list[str]:
    return [path.name for path in (*analysis.table, *analysis.fitted)]


def _recommend(command: Recommend) -> None:
    two = read_document(command.laws)["version"] == SURFACE_VERSION
    question = Question(
        level=command.level, budget=command.budget, max_data=command.data,
        max_compute=command.compute,
    )  # fmt: skip
    options: dict[str, Any] = {
        "delta": command.delta,
        "batch_size_multiple": command.batch_size_multiple,
    }
    if two:
        chosen = _chosen(command, read_surface_tasks(command.laws))
        answer = recommend_surface(chosen, question, **options)
    else:
        answer = recommend(_chosen(command, read_tasks(command.laws)), question, **options)
    print(json.dumps(jsonable(answer.to_dict()), indent=1) if command.json else answer)


def _chosen[T](command: Recommend, tasks: dict[str, T]) -> T:
    known = ", ".join(tasks)
    if command.env is None and len(tasks) > 1:
        raise AnalysisError(f"{command.laws} holds several tasks; choose with --env: {known}")
    if command.env is not None and command.env not in tasks:
        raise AnalysisError(f"{command.laws} has no task {command.env}; it has {known}")
    return tasks[command.env] if command.env else next(iter(tasks.values()))


def _evaluate(command: Evaluate) -> None:
    _, settings = command.analysis.settings()
    study = _study(command.analysis)
    if isinstance(study, SurfaceStudy):
        _evaluate_surface(command, study)
        return
    if command.held_out_runs:
        raise AnalysisError("--held-out-runs is for a study over utd and model size")
    with _working("fitting without the held-out data"):
        baseline = _load(command.baseline, settings)
        result = evaluate(study, hold_out=command.hold_out, baseline=baseline)
    if command.json:
        document = {
            "hold_out": result.hold_out,
            "checks": [check.to_dict() for check in result.checks],
            "scores": [vars(score) for score in result.scores()],
            "notes": result.notes,
        }
        print(json.dumps(jsonable(document), indent=1))
    else:
        print_evaluation(result, Console())


def _evaluate_surface(command: Evaluate, study: SurfaceStudy) -> None:
    with _working("fitting without the held-out data"):
        found = [leave_one_out(study)]
        if command.held_out_runs:
            found.append(held_out_runs(study, _load(command.held_out_runs, study.settings)))
    if command.json:
        document = {"evaluations": [each.to_dict() for each in found], "notes": study.notes}
        print(json.dumps(jsonable(document), indent=1))
    else:
        print_surface_evaluations(found, study, Console())


def _report(command: Report) -> None:
    sources = _sources(command.analysis)
    with second_process() as pool:
        study = _study(command.analysis)
        with _working("checking and drawing"):
            if isinstance(study, SurfaceStudy):
                errors = td_errors(vslog.scan(command.analysis.table))
                study = replace(study, td_errors=tuple(errors))
                page = write_surface_report(study, sources, command.out, pool=pool)
            else:
                page = write_report(study, sources, command.out, pool=pool)
    if isinstance(study, SurfaceStudy):
        print_surface_study(study, Console())
    else:
        print_study(study, Console())
    print(f"report: {page}\nlaws:   {command.out / 'laws.json'}")


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
