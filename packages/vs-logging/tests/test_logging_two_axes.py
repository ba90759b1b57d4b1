"""Importers of the model-size files: against plain numpy on the published arrays, and made-up ones."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vs_logging import (
    CONFIG_COLUMNS,
    IDENTITY_COLUMNS,
    RunTableError,
    RunWriter,
    import_zip,
    scan,
    validate,
)

CURVES = Path(__file__).resolve().parents[4] / "shared" / "curves"
NAN = float("nan")
REST = "hard_False_1000_targnoise_none_0_sep_False_w512p1_nstep_{}_usenstep_False"


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in members.items():
            stream = io.BytesIO()
            np.save(stream, np.asarray(values, dtype=float))
            archive.writestr(name, stream.getvalue())
    return path


def bro(metric, rest=None, batch=32):
    rest = REST.format(1) if rest is None else rest
    return f"f/w256p600000/utd_4/h1-run-v0/{metric}/bs_{batch}_lr_0.0003_{rest}.npy"


def test_fields_of_the_file_name_tell_runs_apart(tmp_path):
    names = [REST.format(1), REST.format(3), REST.format(1).replace("none_0", "gauss_0.1")]
    names += [names[0].replace("hard_False_1000", "hard_True_500")]
    names += [names[0].replace("False_w512p1", f"True_w{w}p{w * w}") for w in (64, 128)]
    path = make_zip(tmp_path / "b.zip", {bro("return", name): [[1, 2.0]] for name in names})
    table = import_zip(path).table
    assert table["run"].n_unique() == len(names)
    assert table.select(CONFIG_COLUMNS).n_unique() == 1
    identity = [name for name in IDENTITY_COLUMNS if name in table.columns]
    assert table.select(identity).n_unique() == len(names)
    assert table["variant"][0] == "hard_False_1000_targnoise_none_0_nstep_1_usenstep_False"
    assert table["passive_critic_params"].to_list() == [None] * 4 + [64**2, 128**2]
    # the id did not come from the column: files imported earlier keep theirs
    alone = import_zip(make_zip(tmp_path / "one.zip", {bro("return", names[1]): [[1, 2.0]]}))
    assert alone.table["run"][0] == table["run"][1]
    mixed = table.with_columns(run=pl.lit("same"), seed=pl.int_range(table.height))
    with pytest.raises(RunTableError, match=r"run same has variant 'hard_False.* in another"):
        validate(mixed)


def test_a_process_that_died_did_not_stop_on_success(tmp_path):
    steps = np.arange(1, 6) * 25_000
    # two processes: seeds 0, 1 stopped at a mean of 800, seed 2 at 760; 3 died; 4 ran to the end
    returns = np.c_[
        steps, [1, 500, 700, 700, 700], [1, 500, 900, 900, 900], [1, 600, 700, 760, 760],
        [1, 20, 20, 20, 20], [1, 2, 3, 900, 5],
    ]  # fmt: skip
    loss = np.ones((5, 6))
    loss[:, 0] = steps
    for seed, end in enumerate([3, 3, 4, 2]):
        loss[end:, seed + 1] = NAN
    short = np.c_[steps[:2], [1, 2]]
    members = {bro("return"): returns, bro("critic_loss"): loss}
    members |= {bro("return", batch=64): short, bro("critic_loss", batch=64): short}
    table, report = import_zip(make_zip(tmp_path / "b.zip", members))
    flags = table.filter(batch_size=32).group_by("seed").agg(pl.col("stopped_on_success").first())
    assert dict(flags.iter_rows()) == {0: True, 1: True, 2: True, 3: False, 4: False}
    assert table.filter(batch_size=32).group_by("seed").len().sort("seed")["len"].to_list() == [
        3, 3, 4, 2, 5,
    ]  # fmt: skip
    assert report.after_end_rows == 2 + 2 + 1 + 3
    notes = " ".join(report.notes)
    assert "1 seeds ended early at less than 80%" in notes
    assert "stopped early: h1-run-v0 760" in notes
    assert "1 runs' arrays end before the longest" in notes


def test_the_last_return_may_be_older_than_the_last_loss(tmp_path):
    steps = np.arange(1, 6) * 5000
    returns = np.c_[steps, [7, NAN, NAN, NAN, 7], [1, NAN, NAN, NAN, 9]]
    loss = np.c_[steps, [1, 1, 1, NAN, NAN], [1, 1, 1, 1, 1]]
    path = make_zip(tmp_path / "b.zip", {bro("return"): returns, bro("critic_loss"): loss})
    table, report = import_zip(path)
    assert table.filter(seed=0)["env_step"].to_list() == [5000, 10_000, 15_000]
    assert table.filter(seed=0)["stopped_on_success"].all()
    assert report.after_end_rows == 2


def test_simbav2_parameters_depend_on_width_and_task(tmp_path):
    def params(env, width):
        name = f"r/w{width}/utd_1/{env}/avg_return/bs_64.npy"
        table, report = import_zip(make_zip(tmp_path / "s.zip", {name: [[0, 7.0]]}))
        return table["critic_params"][0], " ".join(report.notes)

    published = {128: 604362, 256: 2322634, 512: 9101514, 1024: 36028618, 2048: 143360202}
    for width, count in published.items():
        assert params("h1-crawl-v0", width)[0] == count
    # 18 more inputs into two critics of width 512, as the BRO files have for these two tasks
    assert params("humanoid-stand", 512)[0] - published[512] == 2 * 18 * 512
    assert params("dog-run", 256)[0] - published[256] == 2 * (223 + 38 - 70) * 256
    count, notes = params("other-task", 128)
    assert count is None
    assert "critic_params is not known for other-task" in notes


def test_what_tells_runs_apart_travels_through_the_writer(tmp_path):
    config = {
        "algo": "bro", "benchmark": "dmc", "env": "cheetah-run", "utd": 1.0, "batch_size": 8,
        "learning_rate": 1e-3, "critic_width": 64, "variant": "a", "passive_critic_width": 32,
    }  # fmt: skip
    with RunWriter(tmp_path, config, metadata={}) as writer:
        writer.write(seed=0, env_step=1, return_=2.0)
        live = scan(tmp_path).select("variant", "passive_critic_width").collect().row(0)
    assert live == ("a", 32)
    assert scan(tmp_path).select("variant", "passive_critic_width").collect().row(0) == live


def published(name):
    path = CURVES / f"{name}.zip"
    if not path.is_file():
        pytest.skip("the published curves (../shared) are not on this machine")
    with zipfile.ZipFile(path) as archive:
        arrays = {
            name: np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
            if name.endswith(".npy")
        }
    return import_zip(path).table, arrays


METRICS = {
    "critic_loss": "critic_loss",
    "validation_critic_loss": "validation_critic_loss",
    "separate_critic_loss": "passive_critic_loss",
    "sep_validation_critic_loss": "passive_validation_critic_loss",
    "val_critic_loss": "validation_critic_loss",
}


BRO = r".*/w(\d+)p(\d+)/utd_([\d.]+)/([^/]+)/return/bs_(\d+)_lr_([\d.]+)_.*"
SIMBAV2 = r".*/w(\d+)()/utd_([\d.]+)/([^/]+)/avg_return/bs_(\d+)().npy"


def assert_seeds_equal(rows, returns, metrics):
    """Every seed of one run: steps, returns and diagnostics up to its true end, and no further."""
    length = len(returns)
    loss = metrics["critic_loss"][:, 1:]
    assert rows["seed"].n_unique() == returns.shape[1] - 1
    for (seed,), mine in rows.sort("env_step").group_by("seed"):
        end = np.flatnonzero(~np.isnan(loss[:, seed]))[-1] + 1
        assert mine["env_step"].to_list() == returns[:end, 0].tolist()
        np.testing.assert_array_equal(mine["return_"].to_numpy(), returns[:end, seed + 1])
        for name, array in metrics.items():
            if METRICS[name] in mine.columns:
                column = mine[METRICS[name]].fill_null(NAN).to_numpy()
                np.testing.assert_array_equal(column, array[:end, seed + 1])
            else:
                assert np.isnan(array[:, 1:]).all()
        assert (returns[end:, seed + 1] == returns[end - 1, seed + 1]).all()  # filled forward
        if end == length:
            assert not mine["stopped_on_success"].any()


@pytest.mark.parametrize(
    ("name", "pattern", "stopped"),
    [
        ("fitted_bs", BRO, 1086),
        ("interpolated_bs", BRO, 140),
        ("side_critic", BRO, 0),
        ("simbav2_h1_stand", SIMBAV2, 135),
    ],
)
def test_published_arrays_arrive_whole(name, pattern, stopped):
    table, arrays = published(name)
    found = 0
    for member, returns in arrays.items():
        match = re.fullmatch(pattern, member)
        if match is None:
            continue
        width, params, utd, env, batch, rate = match.groups()
        rows = table.filter(critic_width=int(width), utd=float(utd), env=env, batch_size=int(batch))
        passive = re.search(r"sep_True_w(\d+)p(\d+)", member)
        if passive:
            rows = rows.filter(passive_critic_width=int(passive[1]))
            assert rows["passive_critic_params"].unique().to_list() == [int(passive[2])]
        assert rows["run"].n_unique() == 1
        assert rows["learning_rate"][0] == float(rate or 1e-4)
        if params:
            assert rows["critic_params"].unique().to_list() == [int(params)]
        kind = member.split("/")[-2]
        others = {m: arrays.get(member.replace(f"/{kind}/", f"/{m}/")) for m in METRICS}
        assert_seeds_equal(rows, returns, {m: a for m, a in others.items() if a is not None})
        found += 1
    assert found == table["run"].n_unique()
    assert table.filter("stopped_on_success").select("run", "seed").n_unique() == stopped
    assert table.select(n for n in IDENTITY_COLUMNS if n in table.columns).n_unique() == found


def test_published_parameter_counts_depend_on_the_task():
    table, _ = published("fitted_bs")
    counts = table.group_by("env", "critic_width").agg(pl.col("critic_params").unique())
    by_key = {(env, width): params for env, width, params in counts.iter_rows()}
    assert all(len(params) == 1 for params in by_key.values())
    for (env, width), (params,) in by_key.items():
        extra = 18 if env == "humanoid-stand" else 0  # 88 instead of 70 inputs, two critics
        assert params == by_key["h1-crawl-v0", width][0] + 2 * extra * width


def test_published_older_bro_arrays_arrive_whole():
    table, arrays = published("bro_ablations_small")
    sizes = {"s": 1_050_000, "m": 4_920_000}
    for member, array in arrays.items():
        _, folder, task = member.split("/")
        utd, size = folder.removeprefix("rr").split("_")
        rows = table.filter(
            utd=float(utd), critic_params=sizes[size], env=task.removesuffix(".npy")
        ).sort("seed", "env_step")
        assert rows["run"].n_unique() == 1
        np.testing.assert_array_equal(rows["return_"].to_numpy(), array.T.ravel())
        steps = (np.arange(len(array)) + 1) * 25_000
        np.testing.assert_array_equal(rows["env_step"].to_numpy(), np.tile(steps, array.shape[1]))
