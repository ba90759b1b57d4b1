"""Files that are whole or absent: written and synced beside their place, then moved into it."""

import errno
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Generator[Path]:
    """Yield a temporary path; on success it replaces ``path``, on failure it is removed.

    Readers see the old file or the new one, never a part. After the block the new file survives a
    power loss: its bytes are synced before the move, and the folders that changed after it. The
    temporary name is hidden and random, so several writers, on several machines, do not meet: the
    last one to finish wins.

    Args:
        path: The file to write; missing folders are made.

    Raises:
        OSError: The file cannot be written, or the block wrote none.
    """
    path = Path(path)
    folders = [path.parent]
    while not folders[-1].exists():
        folders.append(folders[-1].parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        for folder in folders:
            _sync_folder(folder)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, document: object) -> None:
    """Write a JSON document as a :func:`whole_file`, indented by one space."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # no such call on some network mounts
            raise
    finally:
        os.close(descriptor)
