"""The interface of an importer: a name, a test of a source, a reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vs_logging.report import Imported, OnError
from vs_logging.table import RunTableError


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
