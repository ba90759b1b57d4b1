"""Run tables made from laws that are known, so that the analysis can be checked against them."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.cli import main

LEVELS = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0)
SIGMAS = (0.25, 1.0, 4.0, 16.0)
BATCH_SIZES = (64, 128, 256, 512)
LEARNING_RATES = (2.5e-4, 5e-4, 1e-3, 2e-3)
CRITIC_PARAMS = 1_000_000
DELTA = 1e10  # the built-in value for dmc
STEPS = np.unique(np.geomspace(8e3, 4e5, 500).round().astype(int))  # a step is 0.8 %: no bias in α


@dataclass(frozen=True)
class Known:
    """One task's laws: D_J = d_J + A_J·σ^(−0.8), B* = 256·σ^(−0.5), η* = 1e-3·σ^(−0.5).

    With σ a power of 4, both optima lie on a grid of powers of 2.
    """

    env: str
    scale: float
    alpha: float = 0.8
    levels: tuple[float, ...] = LEVELS
    critic_params: int = CRITIC_PARAMS
    delta: float = DELTA

    def d_min(self, level: float) -> float:
        return 5e4 * self.scale * level / 800

    def amplitude(self, level: float) -> float:
        return 5e4 * self.scale * (level / 800) ** 2

    def data(self, sigma, level: float):
        return self.d_min(level) + self.amplitude(level) * np.asarray(sigma) ** -self.alpha

    def batch_size(self, sigma):
        return 256 * np.asarray(sigma) ** -0.5

    def learning_rate(self, sigma):
        return 1e-3 * np.asarray(sigma) ** -0.5

    def compute(self, sigma, level: float):
        updates = np.asarray(sigma) * self.batch_size(sigma) * self.data(sigma, level)
        return 10 * self.critic_params * updates


def rows(
    task: Known,
    sigma: float,
    batch_size: int,
    learning_rate: float,
    *,
    seeds: int = 4,
    noise: float = 0.01,
    penalty: bool = True,
) -> pl.DataFrame:
    """The curves of one configuration: every seed passes level J at D_J × a penalty × noise."""
    off = (
        np.log(batch_size / task.batch_size(sigma)),
        np.log(learning_rate / task.learning_rate(sigma)),
    )
    slow = np.exp(0.1 * (off[0] ** 2 + off[1] ** 2)) if penalty else 1.0
    known = np.array([0.0, *(float(task.data(sigma, level)) for level in task.levels)])
    name = f"{task.env}-{sigma:g}-{batch_size}-{learning_rate:g}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    frames = []
    for seed in range(seeds):
        factor = slow * np.exp(noise * rng.standard_normal())
        returns = np.interp(STEPS, known * factor, [0.0, *task.levels], right=810.0)
        frames.append(pl.DataFrame({"seed": seed, "env_step": STEPS, "return_": returns}))
    return pl.concat(frames).select(
        pl.lit(name).alias("run"),
        pl.lit("sac").alias("algo"),
        pl.lit("dmc").alias("benchmark"),
        pl.lit(task.env).alias("env"),
        pl.lit(sigma).alias("utd"),
        pl.lit(batch_size, pl.Int64).alias("batch_size"),
        pl.lit(learning_rate).alias("learning_rate"),
        pl.lit(task.critic_params, pl.Int64).alias("critic_params"),
        pl.lit(256, pl.Int64).alias("critic_width"),
        pl.col("seed").cast(pl.Int64),
        pl.col("env_step").cast(pl.Int64),
        "return_",
    )


@pytest.fixture(scope="session")
def tasks() -> tuple[Known, ...]:
    return Known("cartpole-swingup", 1.0), Known("walker-run", 0.7)


@pytest.fixture(scope="session")
def grid(tasks) -> pl.DataFrame:
    """σ × B × η for both tasks."""
    return pl.concat(
        rows(task, sigma, batch, rate)
        for task in tasks
        for sigma in SIGMAS
        for batch in BATCH_SIZES
        for rate in LEARNING_RATES
    )


@pytest.fixture(scope="session")
def fitted(tasks) -> pl.DataFrame:
    """Runs at the known B*(σ), η*(σ), at σ between those of the grid too."""
    return pl.concat(
        rows(
            task, sigma, round(float(task.batch_size(sigma))), float(task.learning_rate(sigma)),
            penalty=False,
        )
        for task in tasks
        for sigma in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    )  # fmt: skip


@pytest.fixture(scope="session")
def small(grid) -> pl.DataFrame:
    """A grid of 16 runs of one task, for tests that break it."""
    return grid.filter(
        pl.col("env") == "cartpole-swingup",
        pl.col("batch_size").is_in([128, 256]),
        pl.col("learning_rate").is_in([5e-4, 1e-3]),
    )


@pytest.fixture(scope="session")
def paths(tmp_path_factory, grid, fitted) -> Mapping[str, str]:
    """The tables as files."""
    folder = tmp_path_factory.mktemp("tables")
    for name, table in (("grid", grid), ("fitted", fitted)):
        vslog.write_table(table, folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in ("grid", "fitted")}


@pytest.fixture(scope="session")
def options() -> list[str]:
    """Few bootstraps, the known levels."""
    return ["--bootstraps", "20", "--levels", *(f"{level:g}" for level in LEVELS)]


@pytest.fixture(scope="session")
def laws_path(tmp_path_factory, paths, options) -> str:
    """A laws.json written by ``vs-analyze fit``."""
    out = tmp_path_factory.mktemp("laws") / "laws.json"
    main(["fit", paths["grid"], "--fitted", paths["fitted"], *options, "--estimator", "each",
          "--out", str(out)])  # fmt: skip
    return str(out)


@pytest.fixture
def refused(capsys) -> Callable[[Sequence[str]], str]:
    """Run a command that must fail: exit code 2, nothing on stdout, one sentence on stderr."""

    def check(arguments: Sequence[str]) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        assert stopped.value.code == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        lines = [line for line in shown.err.splitlines() if not line.startswith("measuring")]
        lines = [line for line in lines if not line.startswith("fitting")]
        assert len(lines) == 1, shown.err
        assert lines[0].startswith("vs-analyze: ")
        return lines[0]

    return check


@dataclass(frozen=True)
class Plane:
    """Known laws over σ and N of one task.

    D_J = 6e4·j + 8e4·j^1.2·σ^(−0.9) + 1.5e8·j³·N^(−0.6) with j = J/700, and
    B* = 800·σ^(−0.4)/(1 + (1.2e6/N)^0.9).
    """

    env: str = "walker-run"
    levels: tuple[float, ...] = (300.0, 400.0, 500.0, 600.0, 700.0)
    widths: tuple[tuple[int, int], ...] = (
        (128, 200_000), (256, 700_000), (512, 2_500_000), (1024, 9_000_000),
    )  # fmt: skip
    sigmas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)

    def data(self, sigma, params, level):
        share = np.asarray(level) / 700
        size = 1.5e8 * share**3 * np.asarray(params, float) ** -0.6
        return 6e4 * share + 8e4 * share**1.2 * np.asarray(sigma, float) ** -0.9 + size

    def batch_size(self, sigma, params):
        rise = 1 + (1.2e6 / np.asarray(params, float)) ** 0.9
        return 800 * np.asarray(sigma, float) ** -0.4 / rise

    def compute(self, sigma, params, level):
        updates = self.batch_size(sigma, params) * sigma
        return 10 * params * updates * self.data(sigma, params, level)

    def rows(
        self, sigma: float, width: int, params: int, batch: int, *, noise: float = 0.002,
        slower: float = 1.0, stop: float | None = None, seeds: int = 3,
    ) -> pl.DataFrame:  # fmt: skip
        """One configuration: every seed passes level J at D_J × noise; it may stop at a return."""
        steps = np.unique(np.geomspace(1e4, 1.5e6, 900).round().astype(int))  # a step is 0.6 %
        known = np.array([0.0, *(float(self.data(sigma, params, j)) for j in self.levels)])
        rng = np.random.default_rng([int(10 * sigma), width, batch])
        frames = []
        for seed in range(seeds):
            factor = slower * np.exp(noise * rng.standard_normal())
            returns = np.interp(steps, known * factor, [0.0, *self.levels], right=720.0)
            kept = steps.size
            if stop is not None and (returns >= stop).any():
                kept = int(np.argmax(returns >= stop)) + 1
            frames.append(
                pl.DataFrame({"seed": seed, "env_step": steps[:kept], "return_": returns[:kept]})
            )
        constants = {
            "run": f"{sigma:g}-{width}-{batch}", "algo": "bro", "benchmark": "dmc", "env": self.env,
            "utd": float(sigma), "batch_size": batch, "learning_rate": 3e-4, "critic_params": params,
            "critic_width": width,
        }  # fmt: skip
        return pl.concat(frames).select(
            *(pl.lit(value).alias(name) for name, value in constants.items()),
            pl.col("seed").cast(pl.Int64),
            pl.col("env_step").cast(pl.Int64),
            "return_",
            pl.lit(stop is not None).alias("stopped_on_success"),
        )

    def best_batch(self, sigma: float, params: int) -> int:
        return round(float(self.batch_size(sigma, params)))


@pytest.fixture(scope="session")
def plane() -> Plane:
    return Plane()


@pytest.fixture(scope="session")
def two_axes(plane) -> pl.DataFrame:
    """One run per (σ, N), at B*(σ, N)."""
    return pl.concat(
        plane.rows(sigma, width, params, plane.best_batch(sigma, params))
        for sigma in plane.sigmas
        for width, params in plane.widths
    )


@pytest.fixture(scope="session")
def two_axes_grid(plane) -> pl.DataFrame:
    """Three batch sizes per (σ, N), a factor 2 apart, with TD errors of a known law."""
    frames = []
    for sigma in plane.sigmas:
        for width, params in plane.widths:
            best = float(plane.batch_size(sigma, params))
            for factor in (0.5, 1.0, 2.0):
                batch = round(best * factor)
                slower = float(np.exp(0.3 * np.log(batch / best) ** 2))
                run = plane.rows(sigma, width, params, batch, slower=slower, seeds=2)
                power = 0.1 - 0.05 * np.log(params / 1e6)
                frames.append(
                    run.with_columns(
                        critic_loss=pl.lit(3.0 * batch**-0.4 * sigma**0.1),
                        validation_critic_loss=pl.lit(float(batch**power * sigma**0.2)),
                    )
                )
    return pl.concat(frames)


@pytest.fixture(scope="session")
def two_axes_path(tmp_path_factory, two_axes) -> str:
    """The table as a file."""
    out = tmp_path_factory.mktemp("two_axes") / "runs.parquet"
    vslog.write_table(two_axes, out)
    return str(out)


@pytest.fixture(scope="session")
def surface_options(plane) -> list[str]:
    """Few bootstraps, 20 levels over the known ones, a price that puts optima inside the runs."""
    return ["--bootstraps", "10", "--delta", "2e10", "--level-ranges", plane.env, "300", "700"]


@pytest.fixture(scope="session")
def surface_laws(tmp_path_factory, two_axes_path, surface_options) -> Path:
    """A laws.json over two axes written by ``vs-analyze fit``."""
    out = tmp_path_factory.mktemp("surface_laws") / "laws.json"
    main(["fit", two_axes_path, *surface_options, "--out", str(out)])
    return out
