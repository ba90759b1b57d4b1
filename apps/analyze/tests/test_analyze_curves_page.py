"""docs/curves.md: every example is run, and prints what the page says."""

import re
import shlex
from pathlib import Path

import pytest
import vs_logging as vslog
from vs_analyze.cli import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "curves.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(BLOCK.findall(section), id=section.splitlines()[0])
    for section in TEXT.split("\n## ")[1:]
]


def run(kind: str, code: str) -> None:
    if kind == "python":
        exec(compile(code, PAGE.name, "exec"), {"__name__": "__main__"})
    else:
        program, *arguments = shlex.split(code.replace("\\\n", " "))
        assert program == "vs-analyze"
        main(arguments)


@pytest.mark.parametrize("blocks", EXAMPLES)
def test_an_example_prints_what_the_page_says(blocks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert {kind for kind, _ in blocks} >= {"python", "text"}
    for kind, code in blocks:
        if kind == "text":
            shown = capsys.readouterr().out
            assert code.strip()
            assert shown.startswith(code), shown
        else:
            run(kind, code)


def test_every_format_has_an_example():
    shown = set(re.findall(r"^\S.* \(([a-z0-9-]+)\): \d+ runs", TEXT, re.MULTILINE))
    grammars = {"qscaled", "frame"}  # a zip's report names its grammar; a frame is no source
    assert shown - grammars == {importer.name for importer in vslog.IMPORTERS} - {"zip", "wandb"}
