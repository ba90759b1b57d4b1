"""Files that are whole or absent, also after a failure or a power loss."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vs_logging import whole_file, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as temporary:
        temporary.write_text("n")
        assert path.read_text() == "old"
        assert temporary.name.startswith(".")  # no reader of tables takes it for one
        assert temporary.parent == path.parent
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_and_fail():
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(FileNotFoundError), whole_file(path):
        pass  # nothing was written
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_cannot_take_its_place_is_removed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="a"), whole_file(tmp_path / "a") as temporary:
        temporary.write_text("a folder with something in it is there")
    assert names(tmp_path) == ["a"]


def test_two_writers_in_one_process_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path) as first:
        first.write_text("first")
        with whole_file(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


WRITER = """
import sys
from vs_logging import write_json
for _ in range(50):
    write_json(sys.argv[1], [int(sys.argv[2])] * 1000)
"""


def test_processes_that_write_one_file_leave_it_whole(tmp_path):
    path = tmp_path / "a.json"
    commands = [[sys.executable, "-c", WRITER, str(path), number] for number in ("1", "2")]
    writers = [subprocess.Popen(command) for command in commands]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            assert json.loads(path.read_text()) in ([1] * 1000, [2] * 1000)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert names(tmp_path) == ["a.json"]


@pytest.fixture
def calls(monkeypatch):
    """Calls that reach the disk, in order: ("sync", inode) and ("move", name)."""
    made = []
    sync, move = os.fsync, Path.replace

    def traced_sync(descriptor):
        made.append(("sync", os.fstat(descriptor).st_ino))
        sync(descriptor)

    def traced_move(self, target):
        made.append(("move", Path(target).name))
        return move(self, target)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(Path, "replace", traced_move)
    return made


def inode(path):
    return path.stat().st_ino


def test_the_bytes_are_synced_before_the_move_and_the_folder_after_it(tmp_path, calls):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    assert calls == [("sync", inode(path)), ("move", "a.json"), ("sync", inode(tmp_path))]
    assert json.loads(path.read_text()) == {"a": 1}


def test_folders_that_are_made_on_the_way_are_synced_too(tmp_path, calls):
    path = tmp_path / "new" / "below" / "a.json"
    write_json(path, [])
    folders = [path.parent, path.parent.parent, tmp_path]
    assert calls[2:] == [("sync", inode(folder)) for folder in folders]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_only_a_file_system_without_folder_syncs_is_forgiven(tmp_path, monkeypatch, code):
    sync = os.fsync

    def refusing(descriptor):
        if os.fstat(descriptor).st_ino == inode(tmp_path):
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    if code == errno.EIO:
        with pytest.raises(OSError, match=os.strerror(code)):
            write_json(tmp_path / "a.json", [])
    else:
        write_json(tmp_path / "a.json", [])
    assert names(tmp_path) == ["a.json"]
