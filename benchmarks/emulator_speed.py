"""The emulator against what a user would use instead: PyTorch's own pooling, and NumPy fancy indexing.

All three compute the same average pool of the same array, one after the other in one process and on one thread; each
figure is the best of several rounds. The tiny shape shows what a launch costs whatever its size. Run it as
``OMP_NUM_THREADS=1 python benchmarks/emulator_speed.py``.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytest_nki_pool.kernels import SPECS

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.frameworks.torch import from_numpy
from pytest_nki_pool.launch.load import load
from pytest_nki_pool.spec.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable

KERNELS = ("production_legacy", "tutorial_returning")
SHAPES = ((2, 6, 6, 2), (64, 56, 56, 2), (128, 112, 112, 2), (128, 192, 192, 4), (128, 128, 128, 8))
DTYPE_NAMES = ("fp32", "bf16", "fp16")
ROUNDS = 9
TINY = SHAPES[0]


def best(*functions: Callable[[], object]) -> list[float]:
    """Seconds of the fastest call of each function; they take turns, and the first round is not counted."""
    rounds = [[timed(function) for function in functions] for _ in range(ROUNDS + 1)]
    return [min(times) for times in zip(*rounds[1:], strict=True)]


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def gather(x: np.ndarray, k: int) -> np.ndarray:
    """The pool as fancy indexing: every window element is gathered before it is summed."""
    c, h, w = x.shape
    channel = np.arange(c)[:, None, None, None, None]
    row = k * np.arange(h // k)[:, None, None, None] + np.arange(k)[:, None, None]
    column = k * np.arange(w // k)[:, None] + np.arange(k)
    return (x[channel, row, column].astype(np.float32).sum(axis=(2, 4)) / np.float32(k * k)).astype(x.dtype)


def mean(ratios: list[float]) -> float:
    """Geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def main() -> None:
    """Print one row per kernel, dtype and shape, and the geometric means without the tiny shape."""
    torch.set_num_threads(1)
    specs = {spec.label: spec for spec in SPECS}
    print(f"numpy {np.__version__}, torch {torch.__version__}, one thread, best of {ROUNDS}, milliseconds")
    print("kernel              dtype  C,H,W,k          emulator   torch  gather  emulator/torch  gather/emulator")
    for label in KERNELS:
        function = load(specs[label].target, resolve=emulator.resolve).function
        for name in DTYPE_NAMES:
            to_torch, to_gather = [], []
            for *shape, k in SHAPES:
                x = np.random.default_rng(0).standard_normal(shape).astype(DTYPES[name].numpy)
                tensor = from_numpy(x)
                ours, theirs, gathered = best(
                    lambda x=x, k=k: emulator.launch(function, x, k),
                    lambda tensor=tensor, k=k: torch.nn.functional.avg_pool2d(tensor, k),
                    lambda x=x, k=k: gather(x, k),
                )
                text = ",".join(map(str, (*shape, k)))
                print(
                    f"{label:<19} {name:<6} {text:<15} {1e3 * ours:9.3f} {1e3 * theirs:7.3f} {1e3 * gathered:7.2f}"
                    f" {ours / theirs:15.2f} {gathered / ours:16.1f}"
                )
                if (*shape, k) != TINY:
                    to_torch.append(ours / theirs)
                    to_gather.append(gathered / ours)
            print(f"{label:<19} {name:<6} geometric mean {'':26} {mean(to_torch):15.2f} {mean(to_gather):16.1f}")


if __name__ == "__main__":
    main()
