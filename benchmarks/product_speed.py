"""Speed of XLA on the matrix products of a dense layer: forward, and both backward.

GFLOP/s of one core for the two critics' layers side by side, with the transposed operands written
out first (`vs_agents.linear`) and left to XLA. Beside them numpy's BLAS on one float32 product:
what the core gives. Together with ``train_speed.py`` this says how much of an update is products
at full speed.

    taskset -c 0 uv run python benchmarks/product_speed.py [--seconds 0.5] [--rounds 5]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

# before numpy and jax read them
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NPROC", "1")  # the number of cores that XLA assumes

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp
from literal import processes
from vs_agents.linear import Dtype, matmul

ROWS = 256  # the batch
LAYERS = ((256, 256), (512, 512), (512, 100))  # inputs, outputs
CRITICS = 2
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")


def plain(x: Array, w: Array, dtype: Dtype) -> Array:
    """Return the product as anyone would write it: its gradients are XLA's."""
    return jnp.matmul(x.astype(dtype), w.astype(dtype), preferred_element_type=jnp.float32)


def products(form: Callable[..., Array], dtype: Dtype) -> dict[str, Callable[..., Array]]:
    """Return functions of (x, w, g): the product, and its gradients in x and in w."""

    def gradients(x: Array, w: Array, g: Array) -> tuple[Array, Array]:
        return jax.vjp(lambda x, w: form(x, w, dtype), x, w)[1](g)

    one = {
        "forward": lambda x, w, g: form(x, w, dtype),
        "gradient in x": lambda x, w, g: gradients(x, w, g)[0],
        "gradient in w": lambda x, w, g: gradients(x, w, g)[1],
    }
    return {name: jax.jit(jax.vmap(function)) for name, function in one.items()}


def rate(function: Callable[[], Any], flops: float, seconds: float) -> float:
    """Return GFLOP/s."""
    jax.block_until_ready(function())
    calls, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for _ in range(20):
            result = function()
        jax.block_until_ready(result)
        calls += 20
    return calls * flops / passed / 1e9


def sides(inputs: int, outputs: int) -> dict[str, tuple[Callable[[], Any], float]]:
    """Return what is timed at one layer, by name, with its floating-point operations."""
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    x, w = array(ROWS, inputs), array(inputs, outputs)
    flops = 2.0 * ROWS * inputs * outputs
    found: dict[str, tuple[Callable[[], Any], float]] = {"numpy float32": (lambda: x @ w, flops)}
    shapes = ((ROWS, inputs), (inputs, outputs), (ROWS, outputs))
    operands = [jnp.asarray(array(CRITICS, *shape)) for shape in shapes]
    for dtype in DTYPES:
        for how, form in (("left to XLA", plain), ("written out", matmul)):
            for name, function in products(form, dtype).items():
                found[f"{dtype} {name}, {how}"] = partial(function, *operands), CRITICS * flops
    return found


def main() -> None:
    """Time every side in turn and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="medians over them")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here / "results" / "product_speed.json")
    options = parser.parse_args()
    table: dict[str, Any] = {"machine": processes.machine(), "gflops": {}}
    for inputs, outputs in LAYERS:
        timed = sides(inputs, outputs)
        rounds = [
            {name: rate(*side, options.seconds) for name, side in timed.items()}
            for _ in range(options.rounds)
        ]
        found = {name: median(one[name] for one in rounds) for name in timed}
        table["gflops"][f"{ROWS} x {inputs} x {outputs}"] = found
        print(f"\n{ROWS} x {inputs} x {outputs}")
        for name, value in found.items():
            print(f"  {name:40} {value:6.1f} GFLOP/s")
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
