"""The run table: schema, crash-safe writer, lazy reader and importers."""

from vs_logging._importer import Importer, ImportOptions
from vs_logging.files import whole_file, write_json
from vs_logging.importers import IMPORTERS, find_importer
from vs_logging.reader import consolidate, read_metadata, read_table, scan, write_table
from vs_logging.report import Imported, ImportReport, Skipped
from vs_logging.sinks import Sink, TensorBoardSink, WandbSink
from vs_logging.table import (
    CONFIG_COLUMNS,
    IDENTITY_COLUMNS,
    OPTIONAL_SCHEMA,
    SCHEMA,
    RunTableError,
    benchmark_name,
    run_id,
    validate,
)
from vs_logging.tables import import_frame
from vs_logging.tabular import import_csv
from vs_logging.tasks import KnownTask, find_task, tasks
from vs_logging.tensorboard import import_tensorboard
from vs_logging.wandb import WandbApi, import_wandb
from vs_logging.window import window_means
from vs_logging.writer import RunWriter
from vs_logging.zips import import_zip

__all__ = [
    "CONFIG_COLUMNS",
    "IDENTITY_COLUMNS",
    "IMPORTERS",
    "OPTIONAL_SCHEMA",
    "SCHEMA",
    "ImportOptions",
    "ImportReport",
    "Imported",
    "Importer",
    "KnownTask",
    "RunTableError",
    "RunWriter",
    "Sink",
    "Skipped",
    "TensorBoardSink",
    "WandbApi",
    "WandbSink",
    "benchmark_name",
    "consolidate",
    "find_importer",
    "find_task",
    "import_csv",
    "import_frame",
    "import_tensorboard",
    "import_wandb",
    "import_zip",
    "read_metadata",
    "read_table",
    "run_id",
    "scan",
    "tasks",
    "validate",
    "whole_file",
    "window_means",
    "write_json",
    "write_table",
]
