"""Download the papers' published run data: checked, resumable, never half-written.

The authors publish no checksums, so a file is trusted in three steps: every zip must be whole
(central directory and the CRC of every member); a ``SHA256SUMS`` file beside the zips holds what
was first downloaded, and later runs must find the same bytes; and for the files that this project
is tested with, a digest of their arrays tells whether today's download still holds them.
"""

import hashlib
import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pooch
import vs_logging as vslog
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

BASE_URLS: Mapping[str, tuple[str, ...]] = {
    "https://prestonfu.com/assets/data/qscaled": (  # arXiv:2502.04327
        "gym_sweep",
        "gym_ours",
        "gym_baseline_utd2",
        "dmc_sweep",
        "dmc_ours",
        "dmc_baseline",
    ),
    "https://value-scaling.github.io/data": (  # value-scaling.github.io, the second paper
        "compute_optimal",
        "dmc_bro_ablations",
        "extrapolated_bs",
        "fitted_bs",
        "interpolated_bs",
        "model_scaling_const_lr",
        "n_scaling_bl",
        "overfitting",
        "side_critic",
        "simbav2_model_scaling_linear20_with_base",
        "utd_scaling_bl",
    ),
}
TESTED_CONTENT: Mapping[str, str] = {
    "gym_sweep": "622d5d282d28f0b7e4f35aa3bcec458a4c452bcb8119608a8fd1043500c1dabb",
    "gym_ours": "886b9667df7f2ddf81b03d7fc80e4dc39cf35ea9dd03651837c26bf6b208d86f",
    "gym_baseline_utd2": "644bd102f30703750045c77096053948cb62a1551d35fb71bed2ae6251261a90",
}
"""`content_digest` of the copies that the tests and the documented numbers were made with."""

SUMS = "SHA256SUMS"
_CHUNK = 2**14  # bytes; what a broken connection may cost
_SECONDS_BETWEEN_LINES = 2.0

type _Report = Callable[[int, int | None], None]  # bytes so far, bytes in all when known


class FetchError(ValueError):
    """A data set cannot be had, or is not what it should be."""


def fetch(
    names: Sequence[str],
    folder: Path,
    *,
    base_urls: Mapping[str, tuple[str, ...]] = BASE_URLS,
    progress: bool = True,
) -> list[Path]:
    """Download data sets into a folder, or verify those already there.

    A download that breaks off leaves ``NAME.zip.part`` and is continued by the next call. Only a
    whole, verified file becomes ``NAME.zip``.

    Args:
        names: Data sets, without ``.zip``.
        folder: Where the zips and ``SHA256SUMS`` go; made when missing.
        base_urls: Address → the data sets found under it.
        progress: Show a bar on stderr (plain lines when that is not a terminal). The notice about
            a file that differs from the tested copy is printed either way.

    Returns:
        Path of each zip, in the order of `names` without repeats.

    Raises:
        FetchError: Unknown name, no network, an HTTP error, a broken download or zip, or bytes
            that differ from those in ``SHA256SUMS``.
    """
    addresses = {
        name: f"{base.rstrip('/')}/{name}.zip"
        for base, known in base_urls.items()
        for name in known
    }
    unknown = [name for name in names if name not in addresses]
    if unknown or not names:
        what = f"no data set is called {unknown[0]!r}" if unknown else "no data set was named"
        raise FetchError(f"{what}; the known ones are {', '.join(addresses)}")
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            _fetch_one(name, addresses[name], folder, console, progress=progress)
            for name in dict.fromkeys(names)
        ]
    except OSError as error:  # requests' own errors were translated before they get here
        raise FetchError(f"cannot write to {folder}: {error.strerror or error}") from error


def content_digest(path: Path) -> str:
    """SHA-256 over the sorted (name, size, CRC-32) of a zip's .npy members.

    Repacking a zip (order, dates, compression) leaves it unchanged; the arrays' bytes do not.

    Raises:
        FetchError: The file is not a zip.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                (member.filename, member.file_size, member.CRC)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            )
    except zipfile.BadZipFile as error:
        raise FetchError(f"{path} is not a whole zip: {error}") from error
    lines = "".join(f"{name}\t{size}\t{crc:08x}\n" for name, size, crc in members)
    return hashlib.sha256(lines.encode()).hexdigest()


def _fetch_one(name: str, url: str, folder: Path, console: Console, *, progress: bool) -> Path:
    path = folder / f"{name}.zip"
    sums = _read_sums(folder / SUMS)
    recorded = sums.get(path.name)
    if path.exists():
        _check_present(path, recorded)
        if progress:
            console.print(f"{name}: already in {folder}, verified")
    else:
        with _reporter(name, console, show=progress) as report:
            _download(url, path, recorded, report)
    if recorded is None:
        _write_sums(folder / SUMS, sums | {path.name: pooch.file_hash(str(path))})
    if name in TESTED_CONTENT and content_digest(path) != TESTED_CONTENT[name]:
        console.print(
            f"notice: the curves in {path} differ from the copy that this project was tested with; "
            "results may differ from the documented numbers"
        )
    return path


def _check_present(path: Path, recorded: str | None) -> None:
    if recorded is not None and pooch.file_hash(str(path)) != recorded:
        raise FetchError(
            f"{path} is not the file recorded in {path.parent / SUMS}; delete it to download again"
        )
    if (damage := _damage(path)) is not None:
        raise FetchError(f"{path} is not a whole zip ({damage}); delete it to download again")


def _download(url: str, path: Path, recorded: str | None, report: _Report) -> None:
    """Download to `path`; pooch verifies the recorded hash, then moves the file into place."""
    part = path.with_name(f"{path.name}.part")

    def downloader(url: str, output_file: str, _: Any) -> None:
        _complete(url, part, report)
        if (damage := _damage(part)) is not None:
            part.unlink()
            raise FetchError(f"what {url} sent is not a whole zip ({damage}); nothing was kept")
        part.replace(output_file)

    # pooch logs every download and hash; the reporter does that here
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            url,
            known_hash=recorded,
            fname=path.name,
            path=path.parent,
            downloader=downloader,  # ty: ignore[invalid-argument-type]  (pooch names it wrongly)
        )
    except FetchError:
        raise
    except ValueError as error:  # pooch's word for a hash that does not match
        raise FetchError(
            f"{url} no longer serves the file recorded in {path.parent / SUMS}; remove its line "
            "there to accept the new one"
        ) from error


def _complete(url: str, part: Path, report: _Report) -> None:
    """Append to `part` until it holds all that `url` serves.

    A part of an older version of the file is not recognised here but by the zip's CRCs afterwards.
    """
    with part.open("ab") as file:
        sink = _Sink(file, url, report)
        headers = {"Accept-Encoding": "identity"}
        if sink.done:
            headers["Range"] = f"bytes={sink.done}-"
        get = pooch.HTTPDownloader(
            chunk_size=_CHUNK, headers=headers, hooks={"response": sink.begin}, timeout=60
        )
        try:
            get(url, sink, None)
        except OSError as error:  # requests' are OSErrors too, without errno
            if error.errno is not None:
                raise
            if sink.status != 416 or "Range" not in headers:
                raise FetchError(sink.explain()) from error
        finally:
            sink.close()
    if sink.status == 416 and sink.total != sink.done:  # a part longer than what is served now
        part.unlink()
        _complete(url, part, report)
    elif sink.total is not None and sink.done < sink.total:
        raise FetchError(sink.explain())


class _Sink:
    """The file that pooch writes to; the response's headers say at which byte it begins."""

    def __init__(self, file: IO[bytes], url: str, report: _Report) -> None:
        self.done = file.tell()
        self.total: int | None = None
        self.status: int | None = None
        self._file, self._url, self._report = file, url, report
        self._response: Any = None

    def begin(self, response: Any, *_: Any, **__: Any) -> None:
        """Hook of requests: called with the headers, before any content (and per redirect)."""
        self._response, self.status = response, response.status_code
        length = response.headers.get("Content-Length", "")
        span = re.fullmatch(
            r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
        )
        if self.status == 200:  # all of it, asked for a range or not
            self._file.truncate(0)
            self.done = 0
            self.total = int(length) if length.isdigit() else None
        elif self.status == 206 and (span is None or span[1] != str(self.done)):
            raise FetchError(f"{self._url} sent another range of bytes than was asked for")
        elif self.status in (206, 416) and span is not None and span[2] != "*":
            self.total = int(span[2])
        if self.status in (200, 206):
            self._report(self.done, self.total)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.done += len(chunk)
        self._report(self.done, self.total)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Close the connection, and leave no empty part behind."""
        if self._response is not None:
            self._response.close()
        self._file.flush()
        if not self.done:
            Path(self._file.name).unlink(missing_ok=True)

    def explain(self) -> str:
        """One sentence for a download that did not complete."""
        if self.status is None:
            return f"{urlsplit(self._url).netloc} cannot be reached for {self._url}: no network?"
        if self.status not in (200, 206):
            return f"{self._url} cannot be downloaded: the server answered HTTP {self.status}"
        size = "" if self.total is None else f" of {self.total}"
        return (
            f"{self._url} broke off after {self.done}{size} bytes; "
            "run the same command again to continue from there"
        )


def _damage(path: Path) -> str | None:
    """Return the fault of a zip, None when its directory and every member's CRC are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        return str(error)
    return None if bad is None else f"member {bad} fails its CRC"


def _read_sums(path: Path) -> dict[str, str]:
    """File name → SHA-256, in the format of sha256sum."""
    if not path.exists():
        return {}
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if match is None:
            raise FetchError(f"{path} line {number} should read 'SHA-256, two spaces, file name'")
        sums[match[2]] = match[1].lower()
    return sums


def _write_sums(path: Path, sums: Mapping[str, str]) -> None:
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    with vslog.whole_file(path) as temporary:
        temporary.write_text(lines, encoding="utf-8")


@contextmanager
def _reporter(name: str, console: Console, *, show: bool) -> Generator[_Report]:
    """A bar on a terminal, else a plain line every few seconds."""
    if show and console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = float("-inf")

    def line(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if not show or (done != total and now - last < _SECONDS_BETWEEN_LINES):
            return
        last = now
        size = "" if total is None else f" of {total / 1e6:.1f}"
        console.print(f"{name}: {done / 1e6:.1f}{size} MB")

    yield line
