"""``vs-analyze import``: any source to one run table, with a report of what was left out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import vs_logging as vslog
from tyro.conf import Positional


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
    """Names of a zip's members (qscaled, bro, simbav2, bro-ablations), or the format of a source
    that could be several: zip, csv, tensorboard, wandb, sb3-evaluations, sb3-monitor, tensorboard-csv,
    jaxrl."""
    pattern: str | None = None
    """Regular expression with named groups (utd, batch_size, seed, …) that reads the hyperparameters
    out of exp_name (CSV) or the path of a file or folder."""
    return_key: str | None = None
    """Metric, tag or key of the evaluation return [a CSV's return, episode.return or avg_return]."""
    step_key: str | None = None
    """Key of the env step in a W&B history [env_step]; tag of a TensorBoard scalar that counts env
    steps [the events' own step]."""
    diagnostics: dict[str, str] = field(default_factory=dict)
    """Further metrics, COLUMN KEY pairs, e.g. critic_loss losses/qf_loss [all metrics of a CSV, none of
    TensorBoard and W&B]."""
    fields: dict[str, str] = field(default_factory=dict)
    """For TensorBoard and W&B: COLUMN KEY pairs, where the run's config keeps a column."""
    config_file: str = "config.json"
    """JSON file with a run's configuration beside its TensorBoard event files."""
    filters: str | None = None
    """MongoDB query on the runs of a W&B project, as JSON: '{"state": "finished"}'."""
    tags: tuple[str, ...] = ()
    """W&B runs that have one of these tags [all]."""
    constants: dict[str, str] = field(default_factory=dict)
    """Run table columns that are the same for all rows, NAME VALUE pairs."""
    env: tuple[str, ...] = ()
    """Tasks to import, in any spelling [all]."""
    benchmark: tuple[str, ...] = ()
    """Benchmarks to import, e.g. dmc gym humanoid_bench [all]."""
    repeats: Literal["last", "mean", "restart", "refuse"] | None = None
    """Steps that a seed has several times: keep what came last, average (several episodes), or keep
    the last attempt of a run that began again [exact copies are dropped, of resumed runs the last
    value is kept, the rest is refused]."""
    action_repeat: int | None = None
    """Env steps per decision of the agent; updates, and so FLOPs, are counted per decision [what a
    run's configuration says, else 1]."""
    step_unit: Literal["frames", "decisions"] = "frames"
    """What the steps of the source count: frames of the simulator, or decisions of the agent."""
    steps_scale: float = 1.0
    """What one step of the source stands for: 1e6 for steps in millions."""
    normalise: Literal["best-run"] | None = None
    """For tasks of unknown optimal return: take the return at which the task's best run ends."""
    on_error: Literal["raise", "skip"] = "raise"
    """Stop the import at a bad part, or name it and skip the smallest part that is bad."""

    def options(self) -> vslog.ImportOptions:
        """Return the flags as the importers' options.

        Raises:
            ValueError: ``--filters`` is no JSON object.
        """
        return vslog.ImportOptions(
            grammar=self.grammar, pattern=self.pattern, return_key=self.return_key,
            step_key=self.step_key, diagnostics=self.diagnostics, fields=self.fields,
            config_file=self.config_file, filters=_json_object(self.filters), tags=self.tags,
            constants=self.constants, envs=self.env, benchmarks=self.benchmark, repeats=self.repeats,
            action_repeat=self.action_repeat, step_unit=self.step_unit,
            steps_scale=self.steps_scale, normalise=self.normalise, on_error=self.on_error,
        )  # fmt: skip


def import_curves(source: str, out: Path, options: vslog.ImportOptions) -> vslog.ImportReport:
    """Import ``source`` and write it to ``out`` (.parquet), which appears only when whole.

    Args:
        source: a path or ``wandb:ENTITY/PROJECT``; `vs_logging.IMPORTERS` lists the formats.
        out: the file to write.
        options: facts that the source does not hold.

    Raises:
        ImportError: the format needs an optional install.
        vs_logging.RunTableError: with one sentence on what is wrong.
    """
    imported = vslog.find_importer(source, options.grammar).read(source, options)
    vslog.write_table(imported.table, out)
    return imported.report


def _json_object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--filters {text!r} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(
            f'--filters {text!r} is no JSON object; expected e.g. {{"state": "finished"}}'
        )
    return found
