"""Import TensorBoard event files (needs the extra ``vs-logging[tensorboard]``)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vs_logging._extras import optional_module
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._sources import EVENTS, find_files, name_below
from vs_logging.report import Imported
from vs_logging.table import RunTableError

type Pairs = list[tuple[int, float]]


def import_tensorboard(
    logdir: str | Path,
    options: ImportOptions = DEFAULTS,
) -> Imported:
    """Import a folder of TensorBoard logs: each folder with event files is one seed's process.

    The global step of the scalars is taken as ``env_step``, or the scalar ``step_key`` at that step.
    Settings come, in this order, from the folder's name (``pattern``), its JSON file
    (``config_file``, by ``fields``; it may be absent), ``constants``.

    Args:
        logdir: The folder; event files are found in it and at any depth below.
        options: ``pattern`` is searched in the path below ``logdir``, or in the name of ``logdir``
            for event files right there; ``return_key`` is the tag of the evaluation return,
            ``diagnostics`` has the tags of further scalars; a folder without one has nulls there.

    Raises:
        ImportError: TensorBoard is not installed.
        RunTableError: ``return_key`` is not given, a folder is bad (``on_error="raise"``), or
            nothing is left to import.
    """
    logdir = Path(logdir)
    if not logdir.is_dir():
        raise RunTableError(f"{logdir}: no such folder")
    tags = {"return_": options.needed_key(str(logdir)), **options.diagnostics}
    folders = sorted({path.parent for _, path in find_files(str(logdir), EVENTS)})
    return import_processes(
        str(logdir),
        ((name_below(logdir, folder), folder) for folder in folders),
        options,
        stored=lambda folder: _stored(folder / options.config_file),
        metrics=lambda folder: _scalars(folder, tags, options.step_key),
        return_name=tags["return_"],
        grammar="tensorboard",
        expected=f"folders of event files with the scalar {tags['return_']}",
        what="the folder's name",
    )


TENSORBOARD = Importer(
    name="tensorboard",
    source="a folder of TensorBoard event files",
    example="logs --return-key eval/return --fields utd agent.utd",
    sniff=lambda source: Path(source).is_dir(),
    read=import_tensorboard,
)


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


def _scalars(folder: Path, tags: Mapping[str, str], step_key: str | None) -> dict[str, Series]:
    event_accumulator = optional_module(
        "tensorboard.backend.event_processing.event_accumulator", "tensorboard"
    )
    tensor_util = optional_module("tensorboard.util.tensor_util", "tensorboard")
    everything = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    # Rows after a restart's first step would be purged; `resolve` decides about those.
    events = event_accumulator.EventAccumulator(
        str(folder), size_guidance=everything, purge_orphaned_data=False
    )
    events.Reload()
    found = events.Tags()
    logged: dict[str, Pairs] = {}
    for tag in (*tags.values(), *([] if step_key is None else [step_key])):
        if tag in found["scalars"]:
            logged[tag] = [(event.step, event.value) for event in events.Scalars(tag)]
        elif tag in found["tensors"]:  # the TensorFlow 2 writer's scalars
            logged[tag] = [
                (event.step, _item(tensor_util.make_ndarray(event.tensor_proto), tag))
                for event in events.Tensors(tag)
            ]
    for tag in (tags["return_"], step_key):
        if tag is not None and tag not in logged:
            present = sorted([*found["scalars"], *found["tensors"]])
            raise RunTableError(
                f"it has no scalar {tag}; it has {', '.join(present[:20]) or 'none'}"
            )
    steps = None if step_key is None else dict(logged[step_key])
    return {
        name: _series(logged[tag], steps, f"{step_key} (--step-key)")
        for name, tag in tags.items()
        if tag in logged
    }


def _series(pairs: Pairs, steps: Mapping[int, float] | None, key: str) -> Series:
    """Return the values of a scalar, at the events' steps or at those that ``steps`` gives them."""
    if steps is None:
        at: list[float] = [step for step, _ in pairs]
    elif missing := [step for step, _ in pairs if step not in steps]:
        raise RunTableError(
            f"step {missing[0]} has a value but no {key}; expected one at every step"
        )
    else:
        at = [steps[step] for step, _ in pairs]
    values = np.array([value for _, value in pairs], np.float64)
    return Series(checked_steps(np.array(at, np.float64), key), values)


def _item(array: np.ndarray, tag: str) -> float:
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise RunTableError(f"{tag} holds arrays of shape {array.shape}; expected scalars")
    return float(array.reshape(()))
