"""Import TensorBoard event files (needs the extra ``vs-logging[tensorboard]``)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vs_logging._extras import optional_module
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._long import Series
from vs_logging._process import import_processes
from vs_logging._sources import EVENTS, find_files, name_below
from vs_logging.report import Imported
from vs_logging.table import RunTableError


def import_tensorboard(
    logdir: str | Path,
    options: ImportOptions = DEFAULTS,
    *,
    diagnostics: Mapping[str, str] | None = None,
    config_file: str = "config.json",
) -> Imported:
    """Import a folder of TensorBoard logs: each folder with event files is one seed's process.

    The global step of the scalars is taken as ``env_step``. Settings come, in this order, from the
    folder's name (``pattern``), its JSON file (``config_file``, by ``fields``), ``constants``.

    Args:
        logdir: The folder; event files are found in it and at any depth below.
        options: ``pattern`` is searched in the path below ``logdir``, or in the name of ``logdir``
            for event files right there; ``return_key`` is the tag of the evaluation return.
        diagnostics: Column → tag of further scalars; a folder without one has nulls there.
        config_file: Name of a JSON object beside the event files; it may be absent.

    Raises:
        ImportError: TensorBoard is not installed.
        RunTableError: ``return_key`` is not given, a folder is bad (``on_error="raise"``), or
            nothing is left to import.
    """
    logdir = Path(logdir)
    if not logdir.is_dir():
        raise RunTableError(f"{logdir}: no such folder")
    tags = {"return_": options.needed_key(str(logdir)), **(diagnostics or {})}
    folders = sorted({path.parent for _, path in find_files(str(logdir), EVENTS)})
    return import_processes(
        str(logdir),
        ((name_below(logdir, folder), folder) for folder in folders),
        options,
        stored=lambda folder: _stored(folder / config_file),
        metrics=lambda folder: _scalars(folder, tags),
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


def _scalars(folder: Path, tags: Mapping[str, str]) -> dict[str, Series]:
    event_accumulator = optional_module(
        "tensorboard.backend.event_processing.event_accumulator", "tensorboard"
    )
    tensor_util = optional_module("tensorboard.util.tensor_util", "tensorboard")
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
