"""Findings are computed once: the page, the terminal and JSON show the same numbers and words."""

import json
from html import unescape

import pytest
from vs_analyze.cli import main


@pytest.mark.parametrize("axes", ["one", "two"])
def test_page_terminal_and_json_say_the_same(
    axes, paths, options, two_axes_path, surface_options, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "400")  # a terminal that cuts nothing
    arguments = {
        "one": [paths["grid"], "--fitted", paths["fitted"], *options],
        "two": [two_axes_path, *surface_options],
    }[axes]
    main(["report", *arguments, "--out", str(tmp_path / "text")])
    terminal = " ".join(capsys.readouterr().out.split())
    main(["report", *arguments, "--out", str(tmp_path / "json"), "--json"])
    document = json.loads(capsys.readouterr().out)
    page = unescape((tmp_path / "text" / "index.html").read_text(encoding="utf-8"))
    assert page == unescape((tmp_path / "json" / "index.html").read_text(encoding="utf-8"))
    shown = 0
    for tables in document["tables"].values():
        for table in tables:
            for row in table["rows"]:
                cells = "".join(row)
                assert all(f">{cell}</td>" in page for cell in row), row
                shown += bool(cells)
    assert shown > 30
    # the terminal has the verdicts, the scores and the decision at the highest level
    for row in document["tables"]["verdicts"][0]["rows"]:
        assert all(cell in terminal for cell in row[:3]), row
    for table in document["tables"]["Held-out checks"]:
        if table["header"][2] == "predictor":
            for row in table["rows"]:
                assert all(cell in terminal for cell in row), row
    last = document["decisions"][-1]
    for name in ("utd", "data", "compute"):
        assert f"{last[name]['value']:.4g}" in terminal
        assert f"{last[name]['value']:.3g}" in page
