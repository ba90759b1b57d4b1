"""Arrays out of a zip that came from somewhere else: nothing is unpacked, unpickled or trusted."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vs_logging._sources import is_clutter
from vs_logging.table import RunTableError

LARGEST_MEMBER = 2**30
"""Bytes; the published arrays have at most a few hundred kilobytes."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading.

    Raises:
        RunTableError: There is no such file, or it is truncated or not a zip.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise RunTableError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise RunTableError(
            f"{path}: not a whole zip archive ({error}); expected a complete download"
        ) from error


def members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """The files of an archive, without folders and what file managers leave."""
    return (
        info for info in archive.infolist() if not info.is_dir() and not is_clutter(info.filename)
    )


def check_name(name: str) -> None:
    """Refuse a member whose path would leave the folder it is unpacked in.

    Raises:
        RunTableError: The path is absolute or climbs with ``..``.
    """
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise RunTableError("its path leaves the folder; expected a relative path without '..'")


def read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, axes: int = 2
) -> NDArray[np.float64]:
    """Read one ``.npy`` member as a non-empty float64 array of 1 or 2 axes.

    Raises:
        RunTableError: The member is damaged, too large, pickled, or not such an array.
    """
    array = read_numbers(archive, info)
    if array.ndim != axes:
        expected = "two axes, evaluations × columns" if axes == 2 else "one axis, evaluations"
        raise RunTableError(f"its shape is {array.shape}; expected {expected}")
    if array.size == 0:
        raise RunTableError(f"its shape is {array.shape}: the array is empty")
    return array.astype(np.float64)


def read_numbers(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[np.generic]:
    """Read one ``.npy`` member as an array of real numbers.

    Raises:
        RunTableError: The member is damaged, too large, pickled, or not such an array.
    """
    if info.file_size > LARGEST_MEMBER:
        raise RunTableError(f"it unpacks to {info.file_size} bytes; expected at most 1 GiB")
    try:
        data = archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise RunTableError(f"the member is damaged or cannot be unpacked ({error})") from error
    return load_npy(data)


def load_npy(data: bytes) -> NDArray[np.generic]:
    """Return the array in the bytes of a ``.npy`` file; a pickle is refused.

    Raises:
        RunTableError: The file is damaged, or holds no real numbers.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = header(stream)
    except (ValueError, EOFError, SyntaxError) as error:
        raise RunTableError(f"not a NumPy array file ({str(error).splitlines()[0]})") from error
    if dtype.hasobject:
        raise RunTableError("it holds a pickle (an object array), which is never loaded")
    if dtype.kind not in "fiub":
        raise RunTableError(f"its type is {dtype}; expected real numbers")
    # Checked before NumPy allocates what the header promises.
    promised, present = (
        int(np.prod(shape, dtype=object)) * dtype.itemsize,
        len(data) - stream.tell(),
    )
    if promised != present:
        raise RunTableError(f"its header promises {promised} bytes of numbers, {present} are there")
    return np.load(io.BytesIO(data), allow_pickle=False)
