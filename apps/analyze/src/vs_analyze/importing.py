"""``vs-analyze import``: any source to one run table, with a report of what was left out."""

from pathlib import Path

import vs_logging as vslog


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
