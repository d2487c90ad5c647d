"""Reductions over loops and over programs, and what instructions add up on the side."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

X = np.random.default_rng(11).integers(-9, 10, (3, 2, 4, 8)).astype(np.float32)


def over_one_loop(x: Any) -> Any:
    out = nl.ndarray((2, 4, 8), nl.float32, buffer=nl.shared_hbm)
    for o in nl.affine_range(2):
        total = nl.zeros((4, 8), nl.float32)
        for i in nl.affine_range(3):
            total = nl.loop_reduce(nl.load(x[i, o]), op=np.max, loop_indices=[i])
        nl.store(out[o], total)
    return out


def over_two_loops(x: Any) -> Any:
    out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
    total = nl.zeros((4, 8), nl.float32)
    for i in nl.affine_range(3):
        for o in nl.affine_range(2):
            total = nl.loop_reduce(nl.load(x[i, o]), np.add, [i, o])
    nl.store(out, total)
    return out


@pytest.mark.parametrize(
    ("kernel", "expected"), [(over_one_loop, X.max(0)), (over_two_loops, X.sum((0, 1)))], ids=["one", "two"]
)
def test_a_loop_reduction_holds_the_result_after_the_loops(kernel: Any, expected: np.ndarray) -> None:
    assert np.array_equal(launch(kernel, X), expected)


def test_a_loop_reduction_rounds_in_every_iteration() -> None:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((1, 1), nl.bfloat16, buffer=nl.shared_hbm)
        total = nl.zeros((1, 1), nl.bfloat16)
        for i in nl.affine_range(3):
            total = nl.loop_reduce(nl.load(x[i]), np.add, [i], dtype=nl.bfloat16)
        nl.store(out, total)
        return out

    assert launch(kernel, np.float32([[[256]], [[1]], [[1]]])) == ml_dtypes.bfloat16(256)


@pytest.mark.parametrize("indices", [[], [3], 3], ids=str)
def test_a_loop_reduction_names_running_loops(indices: Any) -> None:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
        for _ in nl.affine_range(3):
            total = nl.loop_reduce(nl.load(x[0, 0]), np.add, indices)
        nl.store(out, total)
        return out

    with pytest.raises(NKIError, match=r"variables of the innermost nl\.affine_range loops, 1 of which"):
        launch(kernel, X)


def all_reduced(axes: Any, op: Any = np.add) -> Any:
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, nl.float32, buffer=nl.shared_hbm)
        i, j = nl.program_id(0), nl.program_id(1)
        total = nl.all_reduce(nl.load(x[i, j]), op=op, program_axes=axes)
        nl.store(out[i, j], total)
        return out

    return kernel


@pytest.mark.parametrize(("axes", "numpy_axes"), [(0, 0), ([1], 1), ((0, 1), (0, 1))], ids=str)
def test_every_program_gets_the_reduction_over_the_programs(axes: Any, numpy_axes: Any) -> None:
    expected = np.broadcast_to(X.sum(numpy_axes, keepdims=True), X.shape)
    assert np.array_equal(launch(all_reduced(axes), X, grid=(3, 2)), expected)


def test_a_reduction_may_use_the_result_of_another() -> None:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((3, 4, 8), nl.float32, buffer=nl.shared_hbm)
        i = nl.program_id(0)
        total = nl.all_reduce(nl.load(x[i, 0]), np.add, 0)
        largest = nl.all_reduce(nl.add(total, nl.load(x[i, 1])), np.max, 0)
        nl.store(out[i], largest)
        return out

    expected = (X[:, 0].sum(0) + X[:, 1]).max(0)
    assert np.array_equal(launch(kernel, X, grid=3), np.broadcast_to(expected, (3, 4, 8)))


def test_a_single_program_reduces_alone() -> None:
    assert np.array_equal(launch(all_reduced(0), X[:1, :1], grid=(1, 1))[0, 0], X[0, 0])


@pytest.mark.parametrize("axes", [2, -1, [], None], ids=str)
def test_program_axes_are_axes_of_the_grid(axes: Any) -> None:
    with pytest.raises(NKIError, match=r"program_axes are axes of the launch grid \[3, 2\]"):
        launch(all_reduced(axes), X, grid=(3, 2))


def test_a_program_that_takes_no_part_is_an_error() -> None:
    started: list[int] = []

    def kernel(x: Any) -> Any:
        out = nl.ndarray((3, 4, 8), nl.float32, buffer=nl.shared_hbm)
        i = nl.program_id(0)
        tile = nl.load(x[i, 0])
        started.append(0)
        nl.store(out[i], nl.all_reduce(tile, np.add, 0) if len(started) < 3 else tile)
        return out

    with pytest.raises(NKIError, match="every program of a launch grid takes part"):
        launch(kernel, X, grid=3)


def test_activation_adds_up_across_instructions() -> None:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((4, 1), nl.float32, buffer=nl.shared_hbm)
        tile, sums = nl.load(x), nl.ndarray((4, 1), nl.float32, buffer=nl.sbuf)
        nisa.activation(nl.square, tile, reduce_op=np.add, reduce_cmd=nisa.reduce_cmd.reset_reduce)
        nisa.activation(np.copy, tile, reduce_op=nl.add, reduce_cmd=nisa.reduce_cmd.reduce, reduce_res=sums)
        nl.store(out, sums)
        return out

    x = X[0, 0]
    assert np.array_equal(launch(kernel, x), (x * x + x).sum(1, keepdims=True))


def test_select_reduce_takes_elements_and_their_maximum() -> None:
    flags = (X[0, 1] > 0).astype(np.uint8)

    def kernel(x: Any, flags: Any) -> Any:
        out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
        largest = nl.ndarray((4, 1), nl.float32, buffer=nl.shared_hbm)
        chosen, result = nl.ndarray((4, 8), nl.float32), nl.ndarray((4, 1), nl.float32)
        nisa.select_reduce(
            dst=chosen, predicate=nl.load(flags), on_true=nl.load(x), on_false=-20.0, reduce_res=result,
            reduce_cmd=nisa.reduce_cmd.reset_reduce,
        )  # fmt: skip
        nl.store(out, chosen)
        nl.store(largest, result)
        return out, largest

    out, largest = launch(kernel, X[0, 0], flags)
    expected = np.where(flags, X[0, 0], np.float32(-20))
    assert np.array_equal(out, expected)
    assert np.array_equal(largest, expected.max(1, keepdims=True))


def added(x: Any, y: Any, op: Any = np.add, *, define: bool = True) -> Any:
    out = nl.ndarray((4, 8), nl.bfloat16, buffer=nl.shared_hbm)
    if define:
        nisa.dma_copy(dst=out, src=x)
    nisa.dma_copy(dst=out, src=nl.load(y), dst_rmw_op=op)
    return out


def test_a_dma_adds_in_fp32_and_rounds_once() -> None:
    x, y = X[0, 0].astype(ml_dtypes.bfloat16), np.random.default_rng(3).random((4, 8), np.float32)
    assert np.array_equal(launch(added, x, y), (x.astype(np.float32) + y).astype(ml_dtypes.bfloat16))


def test_a_dma_adds_to_what_is_there() -> None:
    with pytest.raises(NKIError, match="are undefined"):
        launch(added, X[0, 0], X[0, 1], define=False)
    with pytest.raises(NKIError, match=r"dst_rmw_op is np\.add or None"):
        launch(added, X[0, 0], X[0, 1], op=np.multiply)
