"""Import the zips of arrays that the two papers published (and others of the same grammars)."""

import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vs_logging._assemble import Curves
from vs_logging._collect import Part, read_parts, tabulate
from vs_logging._configure import complete_config, given_constants
from vs_logging._ends import cut_at_true_ends
from vs_logging._grammars import GRAMMARS, Grammar, Member
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._long import env_steps
from vs_logging._zipfile import check_name, members, open_zip, read_array
from vs_logging.report import Imported, Problems
from vs_logging.table import RunTableError

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Array:
    name: str
    steps: NDArray[np.int64]
    values: Floats


def import_zip(
    path: str | Path, options: ImportOptions = DEFAULTS, *, drop_after_end: bool = True
) -> Imported:
    """Import a zip of ``.npy`` arrays, one per configuration and metric.

    The returns of the ``bro`` and ``simbav2`` files continue after a seed stopped, filled forward
    with its last value. A seed's true end is where the trailing NaN of its ``critic_loss`` starts; rows
    after it are no measurements and are dropped. A seed whose returns still change after that point
    is kept whole. Rows of a seed that stopped on success carry ``stopped_on_success = True``: see
    ``vs_logging._ends`` for how a process that died is recognised.

    Args:
        path: The archive; nothing of it is unpacked to disk.
        options: ``grammar`` is ``qscaled``, ``bro``, ``simbav2`` or ``bro-ablations``; ``auto``
            takes the one that most members follow. ``constants`` are settings that the paths leave
            out (``algo``, ``benchmark``, for some grammars ``learning_rate``, ``batch_size``,
            ``critic_params``), in place of the published defaults.
        drop_after_end: Keep the forward-filled rows instead when False.

    Raises:
        RunTableError: The archive cannot be read, a member is bad (``on_error="raise"``), or
            nothing is left to import.
    """
    path = Path(path)
    problems = Problems(str(path), options.on_error)
    constants = given_constants(options)
    with open_zip(path) as archive:
        infos = _named_members(archive, problems)
        chosen = _choose(options.grammar, list(infos), path)
        cells = _cells(archive, infos, chosen, problems)

    def read(_: str, content: tuple[Member, Mapping[str, _Array]]) -> Part:
        return Part([_curves(*content, chosen, constants, problems, options)])

    runs = [run for _, part in read_parts(cells, read, problems) for run in part.curves]
    notes, after_end = list(chosen.notes), 0
    if chosen.forward_filled:
        runs, after_end, found = cut_at_true_ends(runs, drop_after_end=drop_after_end)
        notes += found
    if unsized := _without_params(runs):
        notes.append(f"critic_params is not known for {', '.join(unsized)}: null")
    return tabulate(
        [Part(runs)],
        problems,
        options,
        grammar=chosen.name,
        expected=f"members like {chosen.example}",
        after_end=after_end,
        notes=notes,
    )


ZIP = Importer(
    name="zip",
    source="a .zip",
    example="gym_sweep.zip",
    sniff=lambda source: source.endswith(".zip"),
    read=import_zip,
)


def _without_params(runs: Sequence[Curves]) -> list[str]:
    """Return the tasks of which some run has no parameter count, though its width is known."""
    configs = [run.config for run in runs]
    return sorted(
        {c["env"] for c in configs if c["critic_params"] is None and c["critic_width"] is not None}
    )


def _named_members(archive: zipfile.ZipFile, problems: Problems) -> dict[str, zipfile.ZipInfo]:
    infos: dict[str, zipfile.ZipInfo] = {}

    def accept(info: zipfile.ZipInfo) -> None:
        check_name(info.filename)
        if info.filename in infos:
            raise RunTableError("the archive holds two members of this name")
        infos[info.filename] = info

    for info in members(archive):
        problems.attempt(info.filename, lambda info=info: accept(info))
    return infos


def _choose(grammar: str, names: list[str], path: Path) -> Grammar:
    known = {g.name: g for g in GRAMMARS}
    if grammar not in ("auto", ZIP.name):
        if grammar not in known:
            raise RunTableError(f"--grammar is {grammar!r}; expected auto, {', '.join(known)}")
        return known[grammar]
    # Of several grammars that a name fits, the first is the more specific one.
    fitting = (next((g.name for g in GRAMMARS if g.parse(name)), None) for name in names)
    counts = Counter(grammar for grammar in fitting if grammar is not None)
    if not counts:
        examples = "; ".join(g.example for g in GRAMMARS)
        raise RunTableError(
            f"{path}: no member follows a known grammar; expected one of {examples}"
        )
    return known[max(known, key=lambda grammar: counts[grammar])]


def _cells(
    archive: zipfile.ZipFile,
    infos: Mapping[str, zipfile.ZipInfo],
    grammar: Grammar,
    problems: Problems,
) -> list[tuple[str, tuple[Member, dict[str, _Array]]]]:
    """Return the arrays of each configuration by metric, under the name of the first of them."""
    cells: dict[Any, tuple[Member, dict[str, _Array]]] = {}

    def add(name: str) -> None:
        member = grammar.parse(name)
        if member is None:
            raise RunTableError(f"not of the grammar {grammar.name}; expected {grammar.example}")
        key = (tuple(member.config.items()), tuple(member.extra.items()))
        metrics = cells.get(key, (member, {}))[1]
        if member.metric in metrics:
            raise RunTableError(f"same configuration and metric as {metrics[member.metric].name}")
        metrics[member.metric] = _split(name, read_array(archive, infos[name]), grammar)
        cells[key] = (member, metrics)

    for name in infos:
        problems.attempt(name, lambda name=name: add(name))
    return [
        (next(iter(metrics.values())).name, (member, metrics)) for member, metrics in cells.values()
    ]


def _split(name: str, values: Floats, grammar: Grammar) -> _Array:
    if grammar.step_every is not None:
        steps = (np.arange(len(values), dtype=np.int64) + 1) * grammar.step_every
        return _Array(name, steps, values)
    if values.shape[1] < 2:
        raise RunTableError(f"its shape is {values.shape}; expected a step column and seed columns")
    steps = values[:, 0]
    bad = ~np.isfinite(steps) | (steps < 0) | (steps != np.round(steps))
    bad[1:] |= steps[1:] <= steps[:-1]
    if bad.any():
        row = int(np.argmax(bad))
        raise RunTableError(
            f"row {row + 1}, env step (first column) is {steps[row]:g}; "
            "expected increasing non-negative integers"
        )
    return _Array(name, steps.astype(np.int64), values[:, 1:])


def _curves(
    member: Member,
    metrics: Mapping[str, _Array],
    grammar: Grammar,
    constants: Mapping[str, object],
    problems: Problems,
    options: ImportOptions,
) -> Curves:
    if "return_" not in metrics:
        raise RunTableError("its configuration has no array of returns")
    returns = metrics["return_"]
    if np.isinf(returns.values).any():
        row, seed = np.argwhere(np.isinf(returns.values))[0]
        raise RunTableError(f"row {row + 1}, seed column {seed + 1} is infinite")
    diagnostics: dict[str, Floats] = {}
    for metric, array in metrics.items():
        if metric == "return_":
            continue
        values = problems.attempt(array.name, lambda array=array: _joined(array, returns))
        if values is not None:
            diagnostics[metric] = values
    config = complete_config({**grammar.defaults, **constants, **member.config})
    steps, _ = env_steps(returns.steps, options.scale(config))
    return Curves(config, steps, returns.values, diagnostics, extra=member.extra)


def _joined(array: _Array, returns: _Array) -> Floats:
    if array.values.shape != returns.values.shape or (array.steps != returns.steps).any():
        raise RunTableError(
            f"its shape {array.values.shape} or steps differ from those of {returns.name}, "
            f"{returns.values.shape}; expected the same evaluations and seeds"
        )
    return array.values
