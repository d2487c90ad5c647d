"""The emulator against what a user would use instead: PyTorch's own pooling, and NumPy fancy indexing.

All three compute the same average pool of the same array, in turns in one process and on one thread; each figure is the
best of several rounds. The tiny shape shows what a launch costs whatever its size. What comes on top of a launch is
reported as a ratio of its own: the second launch that ``loop_order="check"`` makes, and the copies, the golden and the
judgement of the suite. Run it as ``OMP_NUM_THREADS=1 python benchmarks/emulator_speed.py``.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytest_nki_pool.kernels import SPECS

from pytest_nki_pool import KernelSpec, emulator
from pytest_nki_pool.emulator.frameworks.torch import from_numpy
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.acceptance import expect, judge
from pytest_nki_pool.spec.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


#: A returning kernel with fp32 accumulation in one tile, the same in bands of any size, and the tutorial's form.
KERNELS = (
    KernelSpec("pytest_nki_pool.kernels.variants.legacy:multiplies_by_reciprocal"),
    *(spec for spec in SPECS if spec.label in ("production_legacy", "tutorial_returning")),
)
SHAPES = ((2, 6, 6, 2), (64, 56, 56, 2), (128, 112, 112, 2), (128, 192, 192, 4), (128, 128, 128, 8))
DTYPE_NAMES = ("fp32", "bf16", "fp16")
ROUNDS = 9
SECONDS = 2.0
TINY, MIDDLE = SHAPES[0], SHAPES[2]


def best(*functions: Callable[[], object]) -> list[float]:
    """Seconds of the fastest call of each function.

    They take turns of two calls, of which the second counts: it finds the processor's caches as the function itself
    left them, not as the one before it did. Fast functions get more rounds than `ROUNDS`: as many as fit in `SECONDS`.
    """
    rounds: list[list[float]] = []
    end = time.perf_counter() + SECONDS
    while len(rounds) <= ROUNDS or time.perf_counter() < end:
        rounds.append([(function(), timed(function))[1] for function in functions])
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


def mean(ratios: Sequence[float]) -> float:
    """Geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def text_of(shape: tuple[int, ...]) -> str:
    """C,H,W,k."""
    return ",".join(map(str, shape))


def on_top(bench: Workbench, spec: KernelSpec, x: np.ndarray, k: int) -> tuple[float, float]:
    """What `loop_order="check"`, and a case of the suite, take as multiples of a launch."""
    function = bench.kernel(spec).loaded.function
    launcher = bench.launcher(spec, "baremetal", "trn2")
    both_orders = emulator.Machine(loop_order="check")
    once, checked, judged = best(
        lambda: emulator.launch(function, x, k),
        lambda: emulator.launch(function, x, k, machine=both_orders),
        lambda: judge(launcher(x.copy(), k), expect(x, k, spec.capabilities.accuracy)),
    )
    return checked / once, judged / once


def main() -> None:
    """Print one row per kernel, dtype and shape, and the geometric means without the tiny shape."""
    torch.set_num_threads(1)
    bench = Workbench("emulator", Path.cwd())
    print(f"numpy {np.__version__}, torch {torch.__version__}, one thread, best of {ROUNDS} or more, milliseconds")
    print("kernel                   dtype  C,H,W,k          emulator   torch  gather  emulator/torch  gather/emulator")
    for spec in KERNELS:
        function = bench.kernel(spec).loaded.function
        over_gather = []
        for name in DTYPE_NAMES:
            ratios, multiples = [], (0.0, 0.0)
            for *shape, k in SHAPES:
                x = np.random.default_rng(0).standard_normal(shape).astype(DTYPES[name].numpy)
                tensor = from_numpy(x)
                ours, theirs, gathered = best(
                    lambda x=x, k=k: emulator.launch(function, x, k),
                    lambda tensor=tensor, k=k: torch.nn.functional.avg_pool2d(tensor, k),
                    lambda x=x, k=k: gather(x, k),
                )
                print(
                    f"{spec.label:<24} {name:<6} {text_of((*shape, k)):<15} {1e3 * ours:9.3f} {1e3 * theirs:7.3f}"
                    f" {1e3 * gathered:7.2f} {ours / theirs:15.2f} {gathered / ours:16.1f}"
                )
                if (*shape, k) != TINY:
                    ratios.append((ours / theirs, gathered / ours))
                if (*shape, k) == MIDDLE:
                    multiples = on_top(bench, spec, x, k)
            to_torch, to_gather = map(mean, zip(*ratios, strict=True))
            print(f"{spec.label:<24} {name:<6} geometric mean {'':26} {to_torch:15.2f} {to_gather:16.1f}")
            print(f"{spec.label:<24} {name:<6} {text_of(MIDDLE):<15} ", end="")
            print('loop_order="check" / launch {:.1f}, suite / launch {:.1f}'.format(*multiples))
            over_gather += [ratio for _, ratio in ratios]
        print(f"{spec.label:<24} all    geometric mean {'':26} {'':15} {mean(over_gather):16.1f}")


if __name__ == "__main__":
    main()
