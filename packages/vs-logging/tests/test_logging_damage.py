"""Damaged and foreign parts of a source: they cost the smallest unit, and the report names them."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from vs_logging import ImportOptions, RunTableError, find_importer, import_csv, import_zip

HEADER = "exp_name,env_name,seed,metric,env_step,value\n"
OPTIONS = ImportOptions(
    constants={"algo": "sac", "learning_rate": 3e-4, "batch_size": 64, "utd": 1}
)
GOOD = "".join(
    f"a,walker-walk,{seed},return,{step},{step}.5\n" for seed in (0, 1) for step in (1, 2)
)


def write(path, text):
    path.write_text(text, newline="")
    return path


def read(path, text, **given):
    return import_csv(write(path, HEADER + text), replace(OPTIONS, **given))


@pytest.mark.parametrize(
    ("text", "rows", "note"),
    [
        (GOOD + "a,walker-walk,1,return,30", 4, "1 last line left out"),
        (GOOD + "a,walker-walk,1,return,3,7", 4, "1 last line left out"),
        (GOOD + "a,walker-walk,1,return,3,7\n", 5, None),
        (GOOD + "  ", 4, "1 blank lines passed over"),
        (GOOD + "\n  \r\n" + GOOD.replace("a,", "b,"), 8, "2 blank lines passed over"),
        (GOOD + HEADER + GOOD.replace("a,", "b,"), 8, "1 repeated headers passed over"),
    ],
)
def test_lines_that_are_no_rows(tmp_path, text, rows, note):
    table, report = read(tmp_path / "t.csv", text)
    assert table.height == rows
    assert report.skipped == ()
    assert [text for text in report.notes if note and text.startswith(note)] or note is None


@pytest.mark.parametrize(
    ("line", "owner", "reason", "left"),
    [
        ("a,walker-walk,1,return,3\n", "line 6", "it has 5 cells, the header 6", 4),
        ("a,walker-walk,1,return,3,4,5\n", "line 6", "it has 7 cells, the header 6", 4),
        (",walker-walk,1,return,3,4\n", "line 6", "column exp_name is empty", 4),
        ("a,walker-walk,x,return,3,4\n", "a, walker-walk, seed x", "its seed is 'x'", 4),
        ("a,walker-walk,1,return,3,high\n", "a, walker-walk, seed 1", "line 6, column value", 2),
        ("a,walker-walk,1,return,-3,4\n", "a, walker-walk, seed 1", "line 6, column env_step", 2),
        ("a,walker-walk,1,return,3,inf\n", "a, walker-walk, seed 1", "line 6, column value", 2),
        ("b,walker-walk,0,loss,3,4\n", "b, walker-walk, seed 0", "it has no values of return", 4),
    ],
)
def test_a_bad_row_costs_its_seed_and_no_other(tmp_path, line, owner, reason, left):
    with pytest.raises(RunTableError, match=f"t.csv: {owner}: {reason}"):
        read(tmp_path / "t.csv", GOOD + line)
    table, report = read(tmp_path / "t.csv", GOOD + line, on_error="skip")
    assert table.height == left
    assert [(entry.name, reason in entry.reason) for entry in report.skipped] == [(owner, True)]


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("a,walker-walk,1,loss,2,inf\n", "1 values of loss that are infinite or no number"),
        ("a,walker-walk,1,loss,2,high\n", "1 values of loss that are infinite or no number"),
        ("a,walker-walk,1,loss,x,4\n", "1 rows of loss left out: their env_step is not a number"),
        ("a,walker-walk,1,loss,1,4\n", "1 curves of loss left out (the first: env_step 1 has 2"),
    ],
)
def test_a_diagnostic_never_blocks_returns(tmp_path, line, note):
    losses = "".join(f"a,walker-walk,{seed},loss,1,0.5\n" for seed in (0, 1))
    table, report = read(tmp_path / "t.csv", GOOD + losses + line)
    assert table.sort("seed", "env_step")["return_"].to_list() == [1.5, 2.5, 1.5, 2.5]
    assert table.filter(seed=0, env_step=1)["loss"].to_list() == [0.5]
    assert table.filter(env_step=2)["loss"].to_list() == [None, None]
    assert any(text.startswith(note) for text in report.notes)


def test_a_diagnostic_of_fewer_seeds_than_the_returns(tmp_path):
    again = "".join(f"a,walker-walk,0,return,{step},9.5\n" for step in (1, 2))
    losses = "".join(f"a,walker-walk,{seed},loss,1,0.5\n" for seed in (0, 1))
    table, report = read(tmp_path / "t.csv", GOOD + again + losses)
    assert report.seeds == 3
    assert table.filter(seed=2)["return_"].to_list() == [9.5, 9.5]
    assert table.filter(seed=1)["loss"].to_list() == [0.5, None]
    assert table.filter(seed=0)["loss"].to_list() == [None, None]
    assert any("1 curves of loss left out: the returns are of 2 seeds" in n for n in report.notes)


def test_only_the_metrics_asked_for(tmp_path):
    losses = "a,walker-walk,0,losses/qf,1,0.5\na,walker-walk,0,other,x,y\n"
    table, report = read(
        tmp_path / "t.csv", GOOD + losses, diagnostics={"critic_loss": "losses/qf"}
    )
    assert table.columns[12:] == ["critic_loss"]
    assert table["critic_loss"].to_list() == [0.5, None, None, None]
    assert not any("other" in note for note in report.notes)


def test_fractional_steps_are_rounded_and_reported(tmp_path):
    rows = "".join(f"a,walker-walk,0,return,{step},1\n" for step in (7142.857, 14285.714, 50000))
    table, report = read(tmp_path / "t.csv", rows)
    assert table["env_step"].to_list() == [7143, 14286, 50000]
    assert "2 steps that are no whole numbers rounded" in report.notes
    epochs = "".join(f"a,walker-walk,0,return,{step},1\n" for step in (0.6, 0.8))
    with pytest.raises(RunTableError, match=r"0.6 and 0.8 both round to 1; .* --steps-scale"):
        read(tmp_path / "t.csv", epochs)


def test_text_files_of_a_seed(tmp_path):
    options = replace(OPTIONS, constants={**OPTIONS.constants, "env": "walker-walk"})
    path = write(tmp_path / "0.txt", "10 1.5\n\n20 2.5\n30 3")
    table, report = find_importer(str(path)).read(str(path), options)
    assert table["env_step"].to_list() == [10, 20]
    assert [note[:14] for note in report.notes] == ["1 last line le", "1 blank lines "]
    scalar = "Wall time,Step,Value\n1.5,10,2.5\n"
    path = write(tmp_path / "scalar.csv", scalar + scalar)
    table, report = find_importer(str(path)).read(str(path), options)
    assert (report.deduplicated_rows, table["return_"].to_list()) == (1, [2.5])
    assert "1 repeated headers passed over" in report.notes


def test_what_file_managers_leave_in_a_zip(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([[1.0], [2.0]]))
    names = ("x/rr2_s/walker-walk.npy", "x/.DS_Store", "__MACOSX/x/rr2_s/._walker-walk.npy",
             "x/Thumbs.db", "x/empty/")  # fmt: skip
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name in names:
            archive.writestr(name, buffer.getvalue() if name == names[0] else b"")
    table, report = import_zip(tmp_path / "t.zip")
    assert (table.height, report.skipped) == (2, ())
    with zipfile.ZipFile(tmp_path / "t.zip", "a") as archive:
        archive.writestr("x/notes.txt", b"read me")
    with pytest.raises(RunTableError, match=r"notes.txt: not of the grammar"):
        import_zip(tmp_path / "t.zip")


def test_what_file_managers_leave_in_a_folder(tmp_path):
    for name in ("run/0.txt", "__MACOSX/run/0.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        write(tmp_path / name, "10 1.5\n")
    (tmp_path / "empty").mkdir()
    options = replace(OPTIONS, constants={**OPTIONS.constants, "env": "walker-walk"})
    table, _ = find_importer(str(tmp_path)).read(str(tmp_path), options)
    assert table["return_"].to_list() == [1.5]
