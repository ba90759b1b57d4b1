"""Import NumPy arrays of returns: ``.npy`` and ``.npz``."""

from pathlib import Path

from vs_logging._curves_of_arrays import Keys, array_rows, import_arrays
from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows
from vs_logging._sources import is_format
from vs_logging._zipfile import load_npy, open_zip, read_numbers
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_NAMES = r"(?i)[^.].*\.np[yz]"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each file as one configuration; a ``.npz`` may hold its steps, too."""
    return import_arrays(
        source,
        _NAMES,
        lambda name, path, keys: [_rows(name, path, keys, options)],
        options,
        defaults=Keys(None, None),
        grammar="arrays",
    )


ARRAYS = Importer(
    name="arrays",
    source="a .npy or .npz of returns",
    example="returns.npy --axis 0 --step-every 5000",
    sniff=lambda source: is_format(source, _NAMES),
    read=_read,
)


def _rows(name: str, path: Path, keys: Keys, options: ImportOptions) -> Rows:
    if path.suffix.lower() == ".npy":
        return Rows(name, array_rows(None, load_npy(path.read_bytes()), options))
    with open_zip(path) as archive:
        arrays = {n.filename.removesuffix(".npy"): n for n in archive.infolist()}
        values = [n for n in arrays if n != keys.step] if keys.value is None else [keys.value]
        if len(values) != 1 or {*values, keys.step} - {None, *arrays}:
            raise RunTableError(
                f"its arrays are {', '.join(arrays)}; expected --return-key with the name of the "
                "returns (and --columns step=NAME for that of the steps)"
            )
        steps = None if keys.step is None else read_numbers(archive, arrays[keys.step])
        return Rows(name, array_rows(steps, read_numbers(archive, arrays[values[0]]), options))
