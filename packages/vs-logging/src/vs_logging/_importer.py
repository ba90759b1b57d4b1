"""The interface of an importer: a name, a test of a source, a reader."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vs_logging._repeats import Repeats
from vs_logging.report import Imported, OnError
from vs_logging.table import RunTableError, benchmark_name
from vs_logging.tasks import find_task


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Facts about a source that its files do not hold; importers ignore the ones they do not use.

    Attributes:
        grammar: Name of an importer, or of a grammar of zips; ``auto`` looks at the source.
        pattern: Regular expression with named groups that are columns (``utd``, ``seed`` …),
            searched in the name or path of an experiment.
        return_key: Name of the evaluation return among the logged metrics.
        fields: Column → key in a run's own configuration, dots for nesting (``{"utd":
            "agent.utd"}``); a name that is not a column is a further setting that tells runs apart.
            Columns not named here, and ``seed``, are looked up under their own names.
        columns: Column → column of a table: ``{"step": "frame", "value": "episode_reward"}``, and
            any setting; a name that is not a column of the run table tells runs apart.
        mapping: A text table whose first column is an ``exp_name``, or a name in the path, and whose
            other columns are the settings that it stands for.
        axis: Axis of an array with two axes that counts the evaluations (the other: the seeds).
        step_every: Env steps between the evaluations of an array that has no steps.
        constants: Settings of all runs, as ``{"algo": "sac", "learning_rate": 3e-4}``.
        on_error: ``raise`` on the first bad part, or ``skip`` it and name it in the report.
        diagnostics: Column → name of a further metric in the source; a tidy CSV's are all taken
            unless some are named.
        step_key: Name of the env step among the logged metrics (W&B: ``env_step`` by default;
            TensorBoard: the events' own step).
        config_file: Name of a JSON object beside TensorBoard's event files.
        filters: A MongoDB query on the runs of a W&B project.
        tags: Tags of which a W&B run must have one.
        repeats: Treatment of steps that repeat; copies and resumed runs are recognised without it.
        action_repeat: Env steps per decision of the agent, for runs that do not record it.
        step_unit: Unit of the logged steps: ``frames`` of the simulator (the run table's), or
            ``decisions`` of the agent.
        steps_scale: Env steps (or decisions) in one logged step.
        envs: Tasks to import, in any spelling; all if empty.
        benchmarks: Benchmarks to import; all if empty.
        normalise: ``best-run`` takes, for each task of unknown optimal return, the mean return at
            which its best run ends.
    """

    grammar: str = "auto"
    pattern: str | None = None
    return_key: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    mapping: str | None = None
    axis: int | None = None
    step_every: int | None = None
    constants: Mapping[str, object] = field(default_factory=dict)
    on_error: OnError = "raise"
    diagnostics: Mapping[str, str] = field(default_factory=dict)
    step_key: str | None = None
    config_file: str = "config.json"
    filters: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    repeats: Repeats | None = None
    action_repeat: int | None = None
    step_unit: Literal["frames", "decisions"] = "frames"
    steps_scale: float = 1.0
    envs: Sequence[str] = ()
    benchmarks: Sequence[str] = ()
    normalise: Literal["best-run"] | None = None

    def __post_init__(self) -> None:
        for flag, value, known in (
            ("--repeats", self.repeats, (None, "last", "mean", "restart", "refuse")),
            ("--step-unit", self.step_unit, ("frames", "decisions")),
            ("--normalise", self.normalise, (None, "best-run")),
        ):
            if value not in known:
                raise RunTableError(f"{flag} is {value!r}; expected {', '.join(map(str, known))}")
        if not 0 < self.steps_scale < float("inf"):
            raise RunTableError(f"--steps-scale is {self.steps_scale}; expected a number above 0")
        if self.action_repeat is not None and self.action_repeat < 1:
            raise RunTableError(f"--action-repeat is {self.action_repeat}; expected at least 1")

    def selects(self, config: Mapping[str, Any]) -> bool:
        """Tell whether ``envs`` and ``benchmarks`` want a configuration's task."""
        wanted = {benchmark_name(benchmark) for benchmark in self.benchmarks}
        return (not wanted or benchmark_name(str(config["benchmark"])) in wanted) and (
            not self.envs or self._wants(str(config["env"]))
        )

    def _wants(self, env: str) -> bool:
        known = find_task(env)
        return env in self.envs or (
            known is not None and known in [find_task(wanted) for wanted in self.envs]
        )

    @property
    def selection(self) -> str:
        """The selection in words, for messages; empty if everything is wanted."""
        flags = (("--env", self.envs), ("--benchmark", self.benchmarks))
        return "".join(f" of {flag} {' '.join(names)}" for flag, names in flags if names)

    def scale(self, config: Mapping[str, Any]) -> float:
        """Return the env steps in one logged step of a run.

        Raises:
            RunTableError: The steps are decisions, and the run has no action repeat.
        """
        if self.step_unit == "frames":
            return self.steps_scale
        if config.get("action_repeat") is None:
            raise RunTableError(
                "its steps are decisions (--step-unit), but its action repeat is not known; give "
                "--action-repeat"
            )
        return self.steps_scale * config["action_repeat"]

    def needed_key(self, source: str) -> str:
        """Return ``return_key``.

        Raises:
            RunTableError: It is not given.
        """
        if self.return_key is None:
            raise RunTableError(f"{source}: give --return-key, the name of the evaluation return")
        return self.return_key


DEFAULTS = ImportOptions()


@dataclass(frozen=True, kw_only=True)
class Importer:
    """One format of learning curves.

    Attributes:
        name: ``grammar`` of `ImportOptions` that picks it.
        source: The sources it reads, for messages ("a .zip").
        example: Source and flags of ``vs-analyze import``, beside the settings in ``--constants``.
        sniff: Tests if a path (or ``wandb:…``) is such a source; the path need not exist.
        read: From a source and options to the run table, as every ``import_…`` function.
    """

    name: str
    source: str
    example: str
    sniff: Callable[[str], bool]
    read: Callable[[str, ImportOptions], Imported]
