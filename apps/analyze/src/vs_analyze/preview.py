"""A short view of an imported table, by which a person sees at once whether it is right."""

import polars as pl
import vs_logging as vslog

_SETTINGS = ("algo", "utd", "batch_size", "learning_rate", "critic_params", "critic_width")
_SHOWN = 8


def preview(imported: vslog.Imported) -> str:
    """Return the report, then tasks with their runs, seeds, steps and returns, then settings."""
    table = imported.table
    rows = table.group_by("benchmark", "env").agg(
        runs=pl.col("run").n_unique(),
        seeds=pl.struct("run", "seed").n_unique(),
        first=pl.col("env_step").min(),
        last=pl.col("env_step").max(),
        low=pl.col("return_").fill_nan(None).min(),
        high=pl.col("return_").fill_nan(None).max(),
    )
    head = ("task", "benchmark", "runs", "seeds", "first step", "last step", "returns")
    lines = [head] + [
        (row["env"], row["benchmark"], str(row["runs"]), str(row["seeds"]), f"{row['first']:,}",
         f"{row['last']:,}", _range(row["low"], row["high"]))
        for row in rows.sort("benchmark", "env").to_dicts()
    ]  # fmt: skip
    return "\n".join([str(imported.report), "", *_aligned(lines), "", *_settings(table)])


def formats() -> str:
    """Return the formats, each with an example of ``vs-analyze import``."""
    lines = [
        f"{importer.name:16} {importer.source}\n{'':16} vs-analyze import {importer.example}"
        for importer in vslog.IMPORTERS
    ]
    lines += [
        "Add --out FILE.parquet (or --dry-run), and --constants NAME VALUE … for settings that"
    ]
    return "\n".join([*lines, "neither the source nor its path has: algo, env, batch_size, …"])


def _settings(table: pl.DataFrame) -> list[str]:
    lines = []
    for name in _SETTINGS:
        values = table[name].unique().sort().to_list()
        shown = [_text(value) for value in values[:_SHOWN]]
        more = [f"… ({len(values)} values)"] if len(values) > _SHOWN else []
        lines.append(f"{name}: {', '.join([*shown, *more])}")
    diagnostics = [
        name for name in table.columns if name not in vslog.SCHEMA | vslog.OPTIONAL_SCHEMA
    ]
    return [*lines, f"further columns: {', '.join(diagnostics) or 'none'}"]


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(low: float | None, high: float | None) -> str:
    return "none" if low is None or high is None else f"{low:.6g} to {high:.6g}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    left = (0, 1, 6)  # words and ranges; counts are aligned at their last digit
    return [
        "  ".join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
