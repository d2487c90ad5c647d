"""What a `KernelSpec` says of axes, grid, cores and arguments reaches a kernel on a device of every SDK and path."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from sdk import environment, site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Launch = Callable[..., list[str]]

LEGACY = """
import functools
import neuronxcc.nki.language as nl

def windows(tile, c, h, w, k):
    lane, row, down, column, across = nl.mgrid[0:c, 0:h // k, 0:k, 0:w // k, 0:k]
    total = nl.sum(tile[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32)
    return nl.multiply(total, 1.0 / (k * k), dtype=nl.float32)

def write(x, out, k):
    c, h, w = x.shape
    nl.store(out, value=windows(nl.load(x), c, h, w, k))

def returning(x, k):
    c, h, w = x.shape
    out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
    write(x, out, k)
    return out

def size_first(k, image):
    return returning(image, k)

def by_keyword(x, *, pool, mode="none"):
    assert mode == "floor", mode
    return returning(x, pool)

def named(unused, x, k):
    return returning(x, k)

bound = functools.partial(named, 3)

def nhwc(x, k):
    n, h, w, c = x.shape
    out = nl.ndarray((n, h // k, w // k, c), dtype=x.dtype, buffer=nl.shared_hbm)
    nhwc_out(x, out, k)
    return out

def nhwc_out(x, out, k):
    n, h, w, c = x.shape
    channel, y, z = nl.mgrid[0:c, 0:h, 0:w]
    to_c, to_y, to_z = nl.mgrid[0:c, 0:h // k, 0:w // k]
    for i in nl.affine_range(n):
        tile = nl.load(x[i, y, z, channel])
        nl.store(out[i, to_y, to_z, to_c], value=windows(tile, c, h, w, k))

def per_channel(x, k):
    c, h, w = x.shape
    out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
    per_channel_out(x, out, k)
    return out

def per_channel_out(x, out, k):
    c, h, w = x.shape
    assert nl.num_programs(0) == c
    i = nl.program_id(0)
    nl.store(out[nl.ds(i, 1)], value=windows(nl.load(x[nl.ds(i, 1)]), 1, h, w, k))

def out_last(k, x, out):
    write(x, out, k)
"""
CURRENT = """
import nki
import nki.isa as nisa
import nki.language as nl

def pooled(image, channels, height, width, k):
    windows = image.ap([[height * width, channels], [k * width, height // k], [k, width // k], [width, k], [1, k]])
    sums = nl.sum(windows, axis=[3, 4])
    means = nl.ndarray(sums.shape, dtype=sums.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (k * k))
    return means

@nki.jit
def nchw(x, k):
    n, c, h, w = x.shape
    out = nl.ndarray((n, c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
    for i in range(n):
        image = nl.ndarray((c, h, w), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=image, src=x[i])
        nisa.dma_copy(dst=out[i], src=pooled(image, c, h, w, k))
    return out

def cores(x, k):
    assert nl.num_programs(0) == 2
    c, h, w = x.shape
    image = nl.ndarray((c, h, w), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=x)
    out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
    if nl.program_id(0) == 0:
        nisa.dma_copy(dst=out, src=pooled(image, c, h, w, k))
    return out

@nki.jit
def size_first(k, x):
    c, h, w = x.shape
    image = nl.ndarray((c, h, w), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=x)
    out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=pooled(image, c, h, w, k))
    return out

@nki.jit
def copies(x, y):
    first = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    second = nl.ndarray(y.shape, dtype=y.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=first, src=x)
    nisa.dma_copy(dst=second, src=y)
    return first, second
"""

SCRIPT = """
import json
import sys
from pathlib import Path

import numpy as np

from pytest_nki_pool import KernelSpec
from pytest_nki_pool.run import Workbench

specs = {
    "legacy": [
        KernelSpec("pool.py:returning"),
        KernelSpec("pool.py:size_first", call=("k", "x")),
        KernelSpec("pool.py:by_keyword", extra={"pool": "k", "mode": "floor"}),
        KernelSpec("pool.py:bound"),
        KernelSpec("pool.py:nhwc", layout="NHWC"),
        KernelSpec("pool.py:per_channel", grid=(3,)),
    ],
    "out": [
        KernelSpec("pool.py:write"),
        KernelSpec("pool.py:nhwc_out", layout="NHWC"),
        KernelSpec("pool.py:per_channel_out", grid=(3,)),
    ],
    "current": [
        KernelSpec("pool.py:nchw", layout="NCHW"),
        KernelSpec("pool.py:cores", lnc=2),
        KernelSpec("pool.py:size_first", call=("k", "x")),
    ],
    "several": [KernelSpec("pool.py:copies", out=lambda x, y: [(x.shape, x.dtype), (y.shape, y.dtype)])],
}[sys.argv[1]]
x = np.arange(3 * 5 * 8, dtype=np.float32).reshape(3, 5, 8) ** 2
mean = x[:, :4].reshape(3, 2, 2, 4, 2).mean((2, 4), dtype=np.float32)
bench = Workbench(sys.argv[3], Path.cwd())
seen = []
for spec in specs:
    launcher = bench.launcher(spec, sys.argv[2], "trn2")
    if sys.argv[1] == "several":
        right = all(map(np.array_equal, launcher(x.copy(), mean.copy()), (x, mean)))
    else:
        right = np.array_equal(launcher(x.copy(), 2), mean)
    seen.append([spec.label, bool(right)])
print(json.dumps(seen))
"""
KERNELS = {
    "legacy": ["returning", "size_first", "by_keyword", "bound", "nhwc", "per_channel"],
    "out": ["write", "nhwc_out", "per_channel_out"],
    "current": ["nchw", "cores", "size_first"],
    "several": ["copies"],
}


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Launch a set of kernels in a fresh process; the labels of those whose answer is right."""

    def launch(sdk: str, kernels: str, backend: str, target: str = "device") -> list[str]:
        (tmp_path / "pool.py").write_text(dedent(LEGACY if kernels in {"legacy", "out"} else CURRENT))
        (tmp_path / "launch.py").write_text(SCRIPT)
        run = subprocess.run(
            [sys.executable, "launch.py", kernels, backend, target],
            env=environment(site(tmp_path / "site", sdk)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return [label for label, right in json.loads(run.stdout) if right]

    return launch


@pytest.mark.parametrize("backend", ["baremetal", "torch", "jax"])
@pytest.mark.parametrize(
    ("sdk", "kernels"),
    [
        ("2.20", "out"),
        ("2.26", "legacy"),
        ("2.28", "legacy"),
        ("2.31", "current"),
        ("2.31", "several"),
        ("2.33", "current"),
        ("2.33", "several"),
    ],
)
def test_launch_on_device(launch: Launch, sdk: str, kernels: str, backend: str) -> None:
    assert launch(sdk, kernels, backend) == KERNELS[kernels]


@pytest.mark.parametrize(("sdk", "kernels"), [("2.20", "out"), ("2.26", "legacy"), ("2.31", "current")])
def test_launch_on_simulator(launch: Launch, sdk: str, kernels: str) -> None:
    assert launch(sdk, kernels, "baremetal", "simulator") == KERNELS[kernels]
