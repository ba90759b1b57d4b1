"""Every python example in a README runs, alone, in an empty folder, without a warning."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = [
    ROOT / "README.md",
    *sorted(
        path.parent / "README.md"
        for floor in ("packages", "apps")
        for path in ROOT.glob(f"{floor}/*/pyproject.toml")
    ),
]

# Reads the code from stdin; connections are forbidden, and tracebacks name the README's lines.
RUN = """
import socket, sys

def refuse(self, address):
    raise AssertionError(f"connection to {address} in an example")

socket.socket.connect = socket.socket.connect_ex = refuse
exec(compile(sys.stdin.read(), sys.argv[1], "exec"), {"__name__": "__main__"})
"""


def name_of(readme: Path) -> str:
    return readme.relative_to(ROOT).as_posix()


def examples(text: str) -> dict[int, str]:
    """Line of its first statement → code, for each fenced python block."""
    blocks = re.finditer(r"^```python[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {text.count("\n", 0, block.start(1)) + 1: block[1] for block in blocks}


def all_examples() -> list:
    return [
        pytest.param(readme, line, code, id=f"{name_of(readme)}:{line}")
        for readme in READMES
        if readme.exists()
        for line, code in examples(readme.read_text(encoding="utf-8")).items()
    ]


DM_CONTROL = "ignore:Setting the shape on a NumPy:DeprecationWarning"  # 1.0.45 on numpy 2.5


def run(code: str, folder: Path, *, line: int = 1, name: str = "README.md"):
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", DM_CONTROL, "-c", RUN, name],
        input="\n" * (line - 1) + code,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"MUJOCO_GL": "disabled", "MPLBACKEND": "Agg"},
    )


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_readme_is_written(readme):
    assert readme.is_file()
    text = readme.read_text(encoding="utf-8")
    if readme.parent != ROOT:
        assert examples(text), "no python example"
        assert "pip install" in text, "does not say how to install it alone"


@pytest.mark.parametrize(("readme", "line", "code"), all_examples())
def test_example_runs(readme, line, code, tmp_path):
    result = run(code, tmp_path, line=line, name=name_of(readme))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip(), "the example shows nothing"


def test_examples_are_found_by_line():
    text = "# a\n\n```python\nx = 1\n```\n\n```bash\nls\n```\n\n```python\nprint(2)\n```\n"
    assert examples(text) == {4: "x = 1\n", 12: "print(2)\n"}


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import warnings; warnings.warn('old')", "UserWarning: old"),
        ("1 / 0", 'README.md", line 7'),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "connection to"),
    ],
)
def test_a_bad_example_is_caught(code, what, tmp_path):
    result = run(code, tmp_path, line=7)
    assert result.returncode != 0
    assert what in result.stderr
