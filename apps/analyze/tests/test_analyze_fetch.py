import hashlib
import io
import socket
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from vs_analyze import fetch as module
from vs_analyze.fetch import BASE_URLS, TESTED_CONTENT, FetchError, content_digest, fetch

CURVES = Path(__file__).resolve().parents[3].parent / "shared" / "curves"


def make_zip(*, members=3, compression=zipfile.ZIP_STORED, reverse=False, value=b"x"):
    buffer = io.BytesIO()
    names = sorted((f"set/run_{i}.npy" for i in range(members)), reverse=reverse)
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in names:
            member = zipfile.ZipInfo(name)  # a fixed date: the same bytes at every call
            member.compress_type = compression
            archive.writestr(member, value * 40_000 + name.encode())
    return buffer.getvalue()


@dataclass
class Site:
    """A web server on this machine, with the faults a test asks for."""

    files: dict[str, bytes]
    ranges: bool = True
    drop_after: int | None = None  # bytes of a body after which the connection is closed
    wrong_range: bool = False
    asked: list[str | None] = field(default_factory=list)  # Range header of each request
    sent: list[int] = field(default_factory=list)  # body bytes of each answer
    url: str = ""

    def serve(self, handler):
        body = self.files.get(handler.path)
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if body is None:
            handler.send_error(404)
            self.sent.append(0)
            return
        start = 0
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            self.sent.append(0)
            return
        rest = body[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(rest)))
        if start:
            first = start - 1 if self.wrong_range else start
            handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        part = rest[: self.drop_after]
        self.sent.append(len(part))  # first: the client may be done before this thread goes on
        handler.wfile.write(part)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site({"/data/curves.zip": make_zip(), "/data/other.zip": make_zip(members=1)})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.serve(self)

        def log_message(self, format, *args):  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/data"
        yield site
        server.shutdown()
        thread.join()


def get(site, folder, *names, progress=False):
    bases = {f"{site.url}/": ("curves", "other", "missing")}
    return fetch(names or ("curves",), folder, base_urls=bases, progress=progress)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_downloads_verifies_and_records(site, tmp_path):
    folder = tmp_path / "new" / "folder"
    paths = get(site, folder, "other", "curves", "other")
    assert paths == [folder / "other.zip", folder / "curves.zip"]
    for path in paths:
        assert path.read_bytes() == site.files[f"/data/{path.name}"]
    assert names_in(folder) == ["SHA256SUMS", "curves.zip", "other.zip"]
    assert (folder / "SHA256SUMS").read_text() == "".join(
        f"{hashlib.sha256(site.files[f'/data/{name}']).hexdigest()}  {name}\n"
        for name in ("curves.zip", "other.zip")
    )


def test_a_second_call_downloads_nothing(site, tmp_path):
    first = get(site, tmp_path)
    assert get(site, tmp_path) == first
    assert len(site.asked) == 1


def test_an_interrupted_download_continues_where_it_broke_off(site, tmp_path):
    body = site.files["/data/curves.zip"]
    site.drop_after = 50_000
    with pytest.raises(
        FetchError, match=rf"broke off after \d+ of {len(body)} bytes; run the same"
    ):
        get(site, tmp_path)
    kept = (tmp_path / "curves.zip.part").read_bytes()
    assert kept
    assert body.startswith(kept)
    assert names_in(tmp_path) == ["curves.zip.part"]

    site.drop_after = None
    (path,) = get(site, tmp_path)
    assert path.read_bytes() == body
    assert site.asked == [None, f"bytes={len(kept)}-"]
    assert site.sent[1] == len(body) - len(kept)
    assert names_in(tmp_path) == ["SHA256SUMS", "curves.zip"]


def test_starts_over_when_the_server_ignores_ranges(site, tmp_path):
    body = site.files["/data/curves.zip"]
    (tmp_path / "curves.zip.part").write_bytes(body[:1000])
    site.ranges = False
    (path,) = get(site, tmp_path)
    assert path.read_bytes() == body
    assert site.asked == ["bytes=1000-"]
    assert site.sent == [len(body)]


def test_a_complete_part_needs_no_bytes(site, tmp_path):
    body = site.files["/data/curves.zip"]
    (tmp_path / "curves.zip.part").write_bytes(body)
    (path,) = get(site, tmp_path)
    assert path.read_bytes() == body
    assert site.sent == [0]


def test_a_part_longer_than_the_file_starts_over(site, tmp_path):
    body = site.files["/data/curves.zip"]
    (tmp_path / "curves.zip.part").write_bytes(body + b"more")
    (path,) = get(site, tmp_path)
    assert path.read_bytes() == body
    assert site.asked == [f"bytes={len(body) + 4}-", None]


def test_a_part_of_another_file_is_not_accepted(site, tmp_path):
    (tmp_path / "curves.zip.part").write_bytes(b"?" * 60_000)
    with pytest.raises(FetchError, match=r"not a whole zip .*nothing was kept"):
        get(site, tmp_path)
    assert names_in(tmp_path) == []


def test_a_wrong_range_is_refused(site, tmp_path):
    (tmp_path / "curves.zip.part").write_bytes(site.files["/data/curves.zip"][:1000])
    site.wrong_range = True
    with pytest.raises(FetchError, match="another range"):
        get(site, tmp_path)


def test_a_file_that_changed_on_disk_is_fatal(site, tmp_path):
    (path,) = get(site, tmp_path)
    path.write_bytes(make_zip(value=b"y"))
    with pytest.raises(FetchError, match=r"curves\.zip is not the file recorded in .*SHA256SUMS"):
        get(site, tmp_path)
    assert len(site.asked) == 1


def test_a_file_that_changed_on_the_server_is_fatal(site, tmp_path):
    (path,) = get(site, tmp_path)
    path.unlink()
    site.files["/data/curves.zip"] = make_zip(value=b"y")
    with pytest.raises(FetchError, match="no longer serves the file recorded"):
        get(site, tmp_path)
    assert names_in(tmp_path) == ["SHA256SUMS"]


@pytest.mark.parametrize("damage", ["truncated", "flipped byte", "not a zip"])
def test_a_damaged_zip_is_not_accepted(site, tmp_path, damage):
    body = bytearray(site.files["/data/curves.zip"])
    body[20_000] ^= 0xFF
    site.files["/data/curves.zip"] = {
        "truncated": make_zip()[:-500],
        "flipped byte": bytes(body),
        "not a zip": b"<html>sorry</html>",
    }[damage]
    with pytest.raises(FetchError, match="not a whole zip"):
        get(site, tmp_path)
    assert names_in(tmp_path) == []


def test_a_zip_put_there_by_hand_is_tested_and_recorded(site, tmp_path):
    path = tmp_path / "curves.zip"
    path.write_bytes(make_zip()[:-500])
    with pytest.raises(FetchError, match=r"curves\.zip is not a whole zip .*delete it"):
        get(site, tmp_path)
    path.write_bytes(make_zip())
    get(site, tmp_path)
    assert hashlib.sha256(make_zip()).hexdigest() in (tmp_path / "SHA256SUMS").read_text()
    assert site.asked == []


def test_http_error_names_the_address_and_leaves_nothing(site, tmp_path):
    with pytest.raises(FetchError, match=r"/data/missing\.zip cannot be .* HTTP 404"):
        get(site, tmp_path, "missing")
    assert names_in(tmp_path) == []


def test_no_server_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:  # bound, not listening: a connection is refused
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FetchError, match=f"{address} cannot be reached") as caught:
            fetch(["a"], tmp_path, base_urls={f"http://{address}": ("a",)}, progress=False)
    assert "\n" not in str(caught.value)
    assert names_in(tmp_path) == []


def test_unknown_names_stop_before_any_download(site, tmp_path):
    with pytest.raises(FetchError, match=r"'gym' ?; the known ones are curves, other, missing"):
        get(site, tmp_path, "curves", "gym")
    assert site.asked == []
    with pytest.raises(FetchError, match="no data set was named; the known ones are gym_sweep, "):
        fetch([], tmp_path)


def test_a_bad_sums_file_names_the_line(site, tmp_path):
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.zip\nnonsense\n")
    with pytest.raises(FetchError, match="SHA256SUMS line 2 should read"):
        get(site, tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match=r"cannot write to .*file"):
        get(site, tmp_path / "file")


def test_progress_is_plain_lines_when_not_a_terminal(site, tmp_path, capsys):
    size = len(site.files["/data/curves.zip"]) / 1e6
    get(site, tmp_path, progress=True)
    get(site, tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"curves: 0.0 of {size:.1f} MB"
    assert f"curves: {size:.1f} of {size:.1f} MB" in err.splitlines()
    assert err.splitlines()[-1].startswith("curves: already in ")
    assert "\x1b" not in err
    get(site, tmp_path, progress=False)
    assert capsys.readouterr() == ("", "")


def test_notice_when_curves_differ_from_the_tested_copy(site, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "TESTED_CONTENT", {"curves": "0" * 64, "other": "0" * 64})
    get(site, tmp_path)
    assert "differ from the copy that this project was tested with" in capsys.readouterr().err
    digest = content_digest(tmp_path / "curves.zip")
    monkeypatch.setattr(module, "TESTED_CONTENT", {"curves": digest})
    get(site, tmp_path)
    assert capsys.readouterr().err == ""


def test_content_digest_sees_arrays_not_packing(tmp_path):
    def digest(**options):
        path = tmp_path / "a.zip"
        path.write_bytes(make_zip(**options))
        return content_digest(path)

    plain = digest()
    assert digest(compression=zipfile.ZIP_DEFLATED, reverse=True) == plain
    assert digest(value=b"y") != plain
    assert digest(members=2) != plain
    (tmp_path / "a.zip").write_bytes(b"no")
    with pytest.raises(FetchError, match="not a whole zip"):
        content_digest(tmp_path / "a.zip")


@pytest.mark.parametrize("name", sorted(TESTED_CONTENT))
def test_tested_content_is_that_of_the_copies(name):
    path = CURVES / f"{name}.zip"
    if not path.exists():
        pytest.skip("the published curves are not beside this checkout")
    assert content_digest(path) == TESTED_CONTENT[name]


def test_addresses():
    names = [name for known in BASE_URLS.values() for name in known]
    assert len(names) == len(set(names)) == 17
    assert set(TESTED_CONTENT) <= set(names)
    assert all(base.startswith("https://") for base in BASE_URLS)
