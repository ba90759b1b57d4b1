"""Import TensorBoard event files (needs the extra ``vs-logging[tensorboard]``)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vs_logging._assemble import Curves, assemble, duplicate_seeds
from vs_logging._configure import check_constants, compile_pattern
from vs_logging._long import Series
from vs_logging._mapped import SeedRegister, mapped_config, one_seed
from vs_logging.report import Imported, ImportReport, OnError, Problems
from vs_logging.table import RunTableError, run_id


def import_tensorboard(
    logdir: str | Path,
    *,
    return_tag: str,
    diagnostics: Mapping[str, str] | None = None,
    config_file: str = "config.json",
    fields: Mapping[str, str] | None = None,
    pattern: str | None = None,
    constants: Mapping[str, object] | None = None,
    on_error: OnError = "raise",
) -> Imported:
    """Import a folder of TensorBoard logs: each subfolder with event files is one seed's process.

    The global step of the scalars is taken as ``env_step``. Settings come, in this order, from the
    folder's name (``pattern``), its JSON file (``config_file``, by ``fields``), ``constants``.

    Args:
        logdir: The folder; event files are found at any depth.
        return_tag: The scalar that is the evaluation return.
        diagnostics: Column → tag of further scalars; a folder without one has nulls there.
        config_file: Name of a JSON object beside the event files; it may be absent.
        fields: Column → key in that file, dots for nesting (``{"utd": "agent.utd"}``); a name that
            is not a column is a further setting that tells runs apart.
        pattern: Regular expression searched in the folder's path below ``logdir``, with named
            groups that are columns, ``seed`` among them.
        constants: Settings of all runs.
        on_error: ``raise`` on the first bad folder, or ``skip`` it and name it in the report.

    Raises:
        ImportError: TensorBoard is not installed.
        RunTableError: A folder is bad (``on_error="raise"``), or nothing is left to import.
    """
    logdir = Path(logdir)
    problems = Problems(str(logdir), on_error)
    given = check_constants(constants or {})
    compiled = None if pattern is None else compile_pattern(pattern)
    tags = {"return_": return_tag, **(diagnostics or {})}
    if not logdir.is_dir():
        raise RunTableError(f"{logdir}: no such folder")
    folders = sorted({path.parent for path in logdir.rglob("*tfevents*") if path.is_file()})
    register = SeedRegister()

    def read(folder: Path) -> tuple[Curves, int]:
        parsed = _parsed(folder.relative_to(logdir).as_posix(), compiled)
        stored = _stored(folder / config_file)
        config, seed = mapped_config(stored, fields or {}, given, parsed)
        curves = one_seed(config, seed, _scalars(folder, tags), return_tag)
        register.add(folder.relative_to(logdir).as_posix(), run_id(config), seed)
        return curves

    runs: list[Curves] = []
    repeats = 0
    for folder in folders:
        name = folder.relative_to(logdir).as_posix()
        found = problems.attempt(name, lambda folder=folder: read(folder))
        if found is not None:
            runs.append(found[0])
            repeats += found[1]
    if not runs:
        raise problems.nothing_left(f"folders of event files with the scalar {return_tag}")
    table = assemble(runs, source=str(logdir))
    report = ImportReport(
        source=str(logdir),
        grammar="tensorboard",
        runs=table["run"].n_unique(),
        seeds=len(runs),
        rows=table.height,
        duplicate_seeds=duplicate_seeds(runs),
        deduplicated_rows=repeats,
        skipped=tuple(problems.skipped),
    )
    return Imported(table, report)


def _parsed(name: str, pattern: re.Pattern[str] | None) -> dict[str, object]:
    if pattern is None:
        return {}
    match = pattern.search(name)
    if match is None:
        raise RunTableError(f"the pattern {pattern.pattern!r} does not match the folder's name")
    return {key: text for key, text in match.groupdict().items() if text is not None}


def _stored(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunTableError(f"{path.name} is not readable as JSON ({error})") from error
    if not isinstance(stored, dict):
        raise RunTableError(f"{path.name} holds no JSON object")
    return stored


def _scalars(folder: Path, tags: Mapping[str, str]) -> dict[str, Series]:
    try:
        from tensorboard.backend.event_processing import event_accumulator
        from tensorboard.util import tensor_util
    except ImportError as error:
        raise ImportError(
            "reading event files needs TensorBoard: pip install 'vs-logging[tensorboard]'"
        ) from error
    everything = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    # Rows after a restart's first step would be purged; we refuse contradictions ourselves.
    events = event_accumulator.EventAccumulator(
        str(folder), size_guidance=everything, purge_orphaned_data=False
    )
    events.Reload()
    found = events.Tags()
    metrics: dict[str, Series] = {}
    for name, tag in tags.items():
        if tag in found["scalars"]:
            pairs = [(event.step, event.value) for event in events.Scalars(tag)]
        elif tag in found["tensors"]:  # the TensorFlow 2 writer's scalars
            pairs = [
                (event.step, _item(tensor_util.make_ndarray(event.tensor_proto), tag))
                for event in events.Tensors(tag)
            ]
        else:
            continue
        metrics[name] = Series(
            np.array([step for step, _ in pairs], np.int64),
            np.array([value for _, value in pairs], np.float64),
        )
    if "return_" not in metrics:
        present = sorted([*found["scalars"], *found["tensors"]])
        raise RunTableError(
            f"it has no scalar {tags['return_']}; it has {', '.join(present[:20]) or 'none'}"
        )
    return metrics


def _item(array: np.ndarray, tag: str) -> float:
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise RunTableError(f"{tag} holds arrays of shape {array.shape}; expected scalars")
    return float(array.reshape(()))
