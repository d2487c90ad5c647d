"""Core operations that are computed as a whole, on access patterns and without a dialect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nki_pool.emulator import NKIError
from pytest_nki_pool.emulator.core import (
    activation,
    integers,
    matmul,
    movement,
    partitions,
    registers,
    scan,
    select,
)
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.launch import Dialect, Machine, current_launch, run
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.reinterpret import reinterpret

DIALECT = Dialect(
    name="core",
    wrap=lambda access: access,
    unwrap=lambda value: value if isinstance(value, AccessPattern) else None,
    immutable_inputs=False,
    output_buffers=frozenset({Buffer.SHARED_HBM}),
)
X = np.random.default_rng(2).standard_normal((4, 12)).astype(np.float32)


def new(shape: tuple[int, ...], dtype: object = "float32", buffer: Buffer = Buffer.SBUF) -> AccessPattern:
    return AccessPattern.whole(current_launch("new").allocate(shape, dtype, buffer))


def loaded(x: AccessPattern, buffer: Buffer = Buffer.SBUF) -> AccessPattern:
    tile = new(x.shape, x.storage.dtype)
    movement.dma(tile, x)
    if buffer is Buffer.SBUF:
        return tile
    other = new(x.shape, x.storage.dtype, buffer)
    movement.copy(other, tile)
    return other


def result_of(body: Any, *arrays: np.ndarray, generation: str = "gen3", grid: tuple[int, ...] = ()) -> np.ndarray:
    """What a tile holds after a body has run on arrays."""

    def kernel(*tensors: AccessPattern) -> AccessPattern:
        tile = body(*tensors)
        if tile.storage.buffer is Buffer.PSUM:
            copy = new(tile.shape, tile.storage.dtype)
            movement.copy(copy, tile)
            tile = copy
        out = new(tile.shape, tile.storage.dtype, Buffer.SHARED_HBM)
        movement.dma(out, tile)
        return out

    result = run(kernel, DIALECT, arrays, {}, machine=Machine(generation=generation), grid=grid)
    assert isinstance(result, np.ndarray)
    return result


def into(shape: tuple[int, ...], operation: Any, dtype: object = "float32", buffer: Buffer = Buffer.SBUF) -> Any:
    """A body that runs an operation on a new tile and the loaded arguments."""

    def body(*tensors: AccessPattern) -> AccessPattern:
        tile = new(shape, dtype, buffer)
        operation(tile, *map(loaded, tensors))
        return tile

    return body


@settings(max_examples=150, deadline=None)
@given(
    partition_count=st.integers(1, 5),
    pattern=st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 4)), min_size=1, max_size=4),
    offset=st.integers(-99, 99),
    multiplier=st.integers(-9, 9),
)
def test_affine_values_are_those_of_nested_loops(
    partition_count: int, pattern: list[tuple[int, int]], offset: int, multiplier: int
) -> None:
    expected = [
        [
            offset + p * multiplier + sum(i * step for i, (step, _) in zip(index, pattern, strict=True))
            for index in np.ndindex(*[count for _, count in pattern])
        ]
        for p in range(partition_count)
    ]
    got = select.affine_values(partition_count, pattern, offset, multiplier, "iota")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("offset", "step"), [(2**31 - 1, 1), (-(2**31), -1)])
def test_affine_values_stay_in_int32(offset: int, step: int) -> None:
    assert select.affine_values(1, [(step, 1)], offset, 0, "iota") == offset
    with pytest.raises(NKIError, match="leave the range of int32"):
        select.affine_values(1, [(step, 2)], offset, 0, "iota")


def test_iota_and_affine_select() -> None:
    pattern = [(1, 12)]
    got = result_of(into((4, 12), lambda dst: select.iota(dst, select.affine_values(4, pattern, 5, 100, "iota"))))
    np.testing.assert_array_equal(got, 5 + 100 * np.arange(4)[:, None] + np.arange(12))
    values = -np.arange(12) + np.arange(4)[:, None]
    body = into((4, 12), lambda dst, x: select.affine_select(dst, values, "greater", x, -1.0))
    np.testing.assert_array_equal(result_of(body, X), np.where(values > 0, X, -1))


def test_choice_and_predicated_copy() -> None:
    def choose(dst: AccessPattern, x: AccessPattern, y: AccessPattern) -> None:
        select.choose(dst, *select.predicate_of(y, reverse=True), x, 3.0, api="test")
        select.copy_predicated(dst, -7.0, x, reverse=True)

    y = np.where(X > 0, X, 0).astype(np.float32)
    x = np.where(X > -1, X, 0).astype(np.float32)
    expected = np.where(x == 0, -7, np.where(y == 0, x, 3))
    np.testing.assert_array_equal(result_of(into((4, 12), choose), x, y), expected)


def test_activation_rounds_once() -> None:
    body = into((4, 12), lambda dst, x: activation.activate(dst, "exp", x, scale=2.0, bias=-1.0), "float16")
    expected = np.exp((2 * X - np.float32(1)).astype(np.float64)).astype(np.float32).astype(np.float16)
    np.testing.assert_array_equal(result_of(body, X), expected, strict=True)


def test_registers_hold_what_was_reduced() -> None:
    def body(x: AccessPattern) -> AccessPattern:
        state, lanes = registers.Registers(), slice(0, 4)
        values, defined = activation.scale_elements(new((4, 12)), "multiply", loaded(x), 2.0)
        state.reset("add", lanes, np.ones(4, np.float32))
        state.reduce("add", lanes, values, defined, "test")
        state.reduce("add", lanes, values, defined, "test")
        with pytest.raises(NKIError, match="hold the result of add"):
            state.reduce("maximum", lanes, values, defined, "test")
        result = new((4, 1))
        state.read_out(result, lanes, "test")
        state.forget()
        with pytest.raises(NKIError, match="were never reset"):
            state.reduce("add", lanes, values, defined, "test")
        return result

    np.testing.assert_allclose(result_of(body, X)[:, 0], 1 + 4 * X.sum(axis=1), rtol=1e-5)


def test_scan_logical_reduction_and_variance() -> None:
    body = into((4, 12), lambda dst, x: scan.scan(dst, x, x, 0.0, ("multiply", "add")))
    state, expected = np.zeros(4, np.float32), np.empty_like(X)
    for i in range(12):
        state = X[:, i] * state + X[:, i]
        expected[:, i] = state
    np.testing.assert_array_equal(result_of(body, X), expected)
    body = into((4, 1), lambda dst, x: scan.logical_reduce(dst, "logical_and", x, [1]))
    np.testing.assert_array_equal(result_of(body, X[:, :1] * np.float32([0, 1])), [[0]] * 4)
    body = into((4, 1), lambda dst, x: scan.variance(dst, x, [1]))
    np.testing.assert_allclose(result_of(body, X)[:, 0], X.astype(np.float64).var(axis=1), rtol=1e-6)


def test_exact_and_bitwise_integers() -> None:
    values = np.int32([[2**31 - 1, -(2**31), 2**24 + 1, 7]] * 4)
    body = into((4, 4), lambda dst, a: integers.exact(dst, "add", a, a), "int32")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(result_of(body, values), values + values, strict=True)
    body = into(
        (4, 4), lambda dst, a: integers.bitwise(dst, a, [("right_shift", 1, False), ("bitwise_xor", a, True)]), "int32"
    )
    expected = ((values.view(np.uint32) >> 1) ^ values.view(np.uint32)).view(np.int32)
    np.testing.assert_array_equal(result_of(body, values), expected, strict=True)
    body = into((4, 1), lambda dst, a: integers.bitwise_reduce(dst, "bitwise_xor", a, [1]), "int32")
    np.testing.assert_array_equal(result_of(body, values)[:, 0], np.bitwise_xor.reduce(values, axis=1), strict=True)


def test_matmul_and_transpose() -> None:
    whole = np.rint(4 * X).astype(np.float32)
    body = into((12, 12), lambda dst, x: matmul.matmul(dst, x, x), buffer=Buffer.PSUM)
    np.testing.assert_array_equal(result_of(body, whole), whole.T @ whole)
    body = into((12, 4), matmul.transpose, buffer=Buffer.PSUM)
    np.testing.assert_array_equal(result_of(body, X), X.T)


def test_partition_reduction_and_transposing_dma() -> None:
    body = into((1, 12), lambda dst, x: partitions.partition_reduce(dst, "maximum", x))
    np.testing.assert_array_equal(result_of(body, X), X.max(axis=0, keepdims=True))
    body = into((12, 4), partitions.dma_transpose, "float16")
    np.testing.assert_array_equal(result_of(body, X.astype(np.float16)), X.T.astype(np.float16), strict=True)


def test_a_reinterpreted_tile_is_the_same_memory() -> None:
    def body(x: AccessPattern) -> AccessPattern:
        tile = loaded(x)
        bits = reinterpret(tile, np.dtype(np.uint32))
        integers.bitwise(bits, bits, [("bitwise_and", 2**31 - 1, False)])
        movement.copy(reinterpret(new((4, 24), "uint16"), np.dtype(np.float32)), tile)
        return tile

    np.testing.assert_array_equal(result_of(body, X), np.abs(X))


def test_an_alias_copies_where_a_tile_would_share() -> None:
    def body(x: AccessPattern) -> AccessPattern:
        tile = new((4, 24), "uint16")
        movement.dma(reinterpret(tile, np.dtype(np.float32)), x)
        return tile

    np.testing.assert_array_equal(result_of(body, X), X.view(np.uint16), strict=True)


@pytest.mark.parametrize("grid", [(), (1,), (3,), (2, 2)], ids=str)
def test_programs_run_over_the_grid(grid: tuple[int, ...]) -> None:
    seen = []

    def body(x: AccessPattern) -> AccessPattern:
        seen.append(current_launch("test").programs.index)
        return loaded(x)

    np.testing.assert_array_equal(result_of(body, X, grid=grid), X)
    assert seen == list(np.ndindex(*grid))
