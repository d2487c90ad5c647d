"""Launches with a grid of programs, and on two physical cores, from outside of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator import Machine, NKIError, launch, measure
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import language as legacy

nki = emulator.resolve("nki")
neuronxcc = emulator.resolve("neuronxcc.nki")

X = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)


def tagged(x: Any) -> Any:
    out = legacy.ndarray(x.shape, legacy.float32, buffer=legacy.shared_hbm)
    i, j = legacy.program_id(0), legacy.program_id(1)
    assert (legacy.num_programs(0), legacy.num_programs([0, 1]), legacy.program_ndim()) == (4, 8, 2)
    p, f = legacy.mgrid[0:3, 0:8]
    tile = legacy.load(x[i, j * 3 + p, f])
    legacy.store(out[i, j * 3 + p, f], tile + 1)
    return out


@pytest.mark.parametrize("grid", [(4, 2), [4, 2], (4, legacy.nc(2)), (legacy.spmd_dim(2, legacy.nc(2)), 2)], ids=str)
@pytest.mark.parametrize("kernel", [tagged, neuronxcc.jit(tagged)], ids=["function", "jit"])
def test_a_legacy_kernel_runs_once_per_index_of_the_grid(kernel: Any, grid: Any) -> None:
    assert np.array_equal(launch(kernel, X, grid=grid), X + 1)


def test_the_grid_of_a_launch_is_that_of_the_brackets() -> None:
    assert np.array_equal(launch(neuronxcc.jit(tagged)[4, 2], X), launch(tagged, X, grid=(4, 2)))


def shared(x: Any) -> Any:
    out = current.ndarray(x.shape, current.float32, buffer=current.shared_hbm)
    programs, index = (current.num_programs(0), current.program_id(0)) if current.program_ndim() else (1, 0)
    size = x.shape[0] // programs
    for i in range(index * size, (index + 1) * size):
        current.store(out[i], current.add(current.load(x[i]), 1.0))
    return out


@pytest.mark.parametrize("lnc", [None, 1, 2])
@pytest.mark.parametrize("kernel", [shared, nki.jit(shared)], ids=["function", "jit"])
def test_a_current_kernel_runs_on_one_or_two_cores(kernel: Any, lnc: int | None) -> None:
    assert np.array_equal(launch(kernel, X, lnc=lnc), X + 1)


def test_what_a_launch_costs_counts_all_programs() -> None:
    one, two = measure(shared, X, lnc=1), measure(shared, X, lnc=2)
    assert one.dma_bytes_in == two.dma_bytes_in == X.nbytes
    assert measure(tagged, X, grid=(4, 2)).dma_bytes_out == X.nbytes


@pytest.mark.parametrize(
    ("kernel", "options", "fragment"),
    [
        (tagged, {"lnc": 2}, "a kernel of the legacy dialect is launched with grid=, got lnc=2"),
        (shared, {"grid": (2,)}, "a kernel of the current dialect is launched with lnc=, got grid=(2,)"),
        (shared, {"lnc": 3}, "a logical NeuronCore has 1 or 2 physical cores"),
        (shared, {"lnc": 2, "machine": Machine(generation="gen2")}, "a logical NeuronCore of gen2 has 1 physical core"),
        (tagged, {"grid": (4, 0)}, "at least one program per dimension, got 0"),
        (tagged, {"grid": (4, 2), "lnc": 2}, "a launch takes grid (legacy dialect) or lnc (current dialect)"),
        (neuronxcc.jit(tagged)[4, 2], {"grid": (4, 2)}, "the kernel has the launch grid [4, 2] already"),
        (nki.jit(shared)[2], {"lnc": 2}, "the kernel has the launch grid [2] already"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(kernel: Any, options: dict[str, Any], fragment: str) -> None:
    with pytest.raises(NKIError) as caught:
        launch(kernel, X, **options)
    assert fragment in str(caught.value)
