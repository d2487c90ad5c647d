"""Launches on logical NeuronCores of one and two physical cores."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool import emulator

nki = emulator.resolve("nki")
nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.arange(24, dtype=np.float32).reshape(4, 6)


def half(size):
    """The part of a dimension that belongs to the running program."""
    count = size // nl.num_programs()
    return slice(nl.program_id() * count, (nl.program_id() + 1) * count)


@nki.jit
def double(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    rows = half(x.shape[0])
    nl.store(out[rows], nl.multiply(nl.load(x[rows]), 2.0))
    return out


@nki.jit
def report(x):
    out = nl.ndarray((2, 4), nl.int32, buffer=nl.shared_hbm)
    values = [nl.program_ndim(), nl.program_id(0), nl.num_programs(0), nl.num_programs(None)]
    tile = nl.ndarray((1, 4), nl.int32)
    for i in range(4):
        nisa.memset(tile[:, i], values[i])
    nl.store(out[nl.program_id() : nl.program_id() + 1], tile)
    if nl.num_programs() == 1:
        nl.store(out[1:2], tile)
    return out


@pytest.mark.parametrize("launch", [double, double[1], double[2]], ids=["no grid", "one core", "two cores"])
def test_programs_share_the_output(launch):
    np.testing.assert_array_equal(emulator.launch(launch, X), X * 2, strict=True)
    np.testing.assert_array_equal(launch(X), X * 2, strict=True)
    np.testing.assert_array_equal(nki.simulate(launch)(X), X * 2, strict=True)


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        (report, [[0, 0, 1, 1]] * 2),
        (report[1], [[1, 0, 1, 1]] * 2),
        (report[2], [[1, 0, 2, 2], [1, 1, 2, 2]]),
    ],
    ids=["no grid", "one core", "two cores"],
)
def test_a_program_knows_its_place(launch, expected):
    np.testing.assert_array_equal(emulator.launch(launch, X), expected)
    np.testing.assert_array_equal(nki.simulate(launch)(X), expected)


def test_programs_that_all_compute_everything_agree():
    @nki.jit
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    np.testing.assert_array_equal(emulator.launch(kernel[2], X), X)


def test_private_memory_is_private():
    @nki.jit
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        spare = nl.ndarray(x.shape, x.dtype, buffer=nl.private_hbm)
        nl.store(spare, nl.add(nl.load(x), float(nl.program_id())))
        rows = half(x.shape[0])
        nl.store(out[rows], nl.load(spare[rows]))
        return out

    expected = X + np.float32([[0], [0], [1], [1]])
    np.testing.assert_array_equal(emulator.launch(kernel[2], X), expected, strict=True)


def test_a_program_may_not_read_what_another_writes():
    @nki.jit
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        rows = half(x.shape[0])
        nl.store(out[rows], nl.load(x[rows]))
        nl.load(out[: rows.stop])
        return out

    np.testing.assert_array_equal(emulator.launch(kernel[1], X), X)
    with pytest.raises(emulator.NKIError, match=r"program \(1,\) reads elements of .* that program number 0 writes"):
        emulator.launch(kernel[2], X)


def test_a_program_may_not_write_what_another_reads():
    @nki.jit
    def kernel(x):
        nl.store(x, nl.add(nl.load(x), 1.0))
        return double(x)

    np.testing.assert_array_equal(emulator.launch(kernel[1], X.copy()), 2 * (X + 1))
    with pytest.raises(emulator.NKIError, match="the programs of a launch grid run at the same time"):
        emulator.launch(kernel[2], X.copy())


def test_programs_that_leave_a_gap_are_found():
    @nki.jit
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out[nl.program_id() : nl.program_id() + 1], nl.load(x[0:1]))
        return out

    with pytest.raises(emulator.NKIError, match=r"12 of 24 elements are missing, first at \[2, 0\]"):
        emulator.launch(kernel[2], X)


def test_programs_make_the_same_shared_tensors():
    @nki.jit
    def kernel(x):
        nl.ndarray((1 + nl.program_id(), 2), x.dtype, buffer=nl.shared_hbm)
        return double(x)

    with pytest.raises(emulator.NKIError, match=r"program \(1,\) makes a tensor of shape \[2, 2\] in shared HBM"):
        emulator.launch(kernel[2], X)


@pytest.mark.parametrize("axis", [1, -1])
def test_an_axis_that_does_not_exist(axis):
    def kernel(_):
        nl.program_id(axis)

    with pytest.raises(emulator.NKIError, match=rf"axis {axis} does not exist in the launch grid \[2\]"):
        emulator.launch(nki.jit(kernel)[2], X)


def test_a_kernel_inside_a_kernel_has_no_grid():
    @nki.jit
    def kernel(x):
        return double[2](x)

    with pytest.raises(emulator.NKIError, match="has no launch grid of its own") as error:
        emulator.launch(kernel, X)
    assert error.value.rule == "err_nested_kernel_with_spmd_grid"


def test_gen2_has_no_logical_cores():
    with pytest.raises(emulator.NKIError, match="a logical NeuronCore of gen2 has 1 physical core"):
        emulator.launch(double[2], X, machine=emulator.Machine(generation="gen2"))


def test_a_launch_lets_go_of_shared_tensors():
    import gc
    import weakref

    seen = []

    @nki.jit
    def kernel(x):
        out = double(x)
        seen.append(weakref.ref(out._access.storage))
        return out

    gc.collect()
    gc.disable()
    try:
        emulator.launch(kernel[2], X)
        assert all(reference() is None for reference in seen)
    finally:
        gc.enable()
