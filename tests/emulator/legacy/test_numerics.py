"""Arithmetic of the legacy dialect against an independent fp64-and-round reference."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

DTYPES = {
    "float32": np.float32,
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float8_e4m3": ml_dtypes.float8_e4m3,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "uint16": np.uint16,
    "int32": np.int32,
    "uint32": np.uint32,
}
FLOATS = ["float32", "bfloat16", "float16", "float8_e4m3", "float8_e5m2"]


def nearest(exact: np.ndarray, dtype: str) -> np.ndarray:
    """Round fp64 to fp32 as the engines hold it, then to the dtype, by enumerating the neighbours of small dtypes."""
    values = exact.astype(np.float32).astype(np.float64)
    target = np.dtype(DTYPES[dtype])
    if target.kind in "iu":
        limits = np.iinfo(target)
        return np.array([min(max(round(v), limits.min), limits.max) for v in values.ravel()], target).reshape(
            values.shape
        )
    if target.itemsize > 2:
        return values.astype(target)
    with np.errstate(invalid="ignore"):  # signalling NaNs among the bit patterns
        every = np.arange(1 << (8 * target.itemsize), dtype=f"u{target.itemsize}").view(target).astype(np.float64)
    table = np.unique(every[np.isfinite(every)])
    top = table[-1] + (table[-1] - table[-2])  # what would be the next value if the exponent went on
    grid = np.concatenate([[-top], table, [top]])
    right = np.searchsorted(grid, values).clip(1, len(grid) - 1)
    low, high = grid[right - 1], grid[right]
    even = (np.abs(low) / (high - low)) % 2 == 0
    up = (values - low > high - values) | ((values - low == high - values) & ~even)
    rounded = np.where(up, high, low)
    rounded[np.abs(rounded) == top] *= np.inf
    return np.copysign(rounded, values).astype(target)


def run(expression: Any, *arrays: np.ndarray, generation: str = "gen3") -> np.ndarray:
    def kernel(*tensors: Any) -> Any:
        result = expression(*map(nl.load, tensors))
        out = nl.ndarray(result.shape, result.dtype, buffer=nl.shared_hbm)
        nl.store(out, result)
        return out

    result = launch(kernel, *arrays, machine=Machine(generation))
    assert isinstance(result, np.ndarray)
    return result


def random(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape).clip(-4, 4) * 30
    return (np.rint(values) if np.dtype(DTYPES[dtype]).kind in "iu" else values).astype(DTYPES[dtype])


@pytest.mark.parametrize("out", DTYPES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide"])
def test_one_rounding_per_operation(op: str, dtype: str, out: str) -> None:
    a, b = random(dtype, (16, 40), 1), random(dtype, (16, 40), 2)
    b[b.astype(np.float64) == 0] = 1
    exact = getattr(np, op)(a.astype(np.float64), b.astype(np.float64))
    got = run(lambda x, y: getattr(nl, op)(x, y, dtype=DTYPES[out]), a, b)
    assert got.dtype == DTYPES[out]
    assert np.array_equal(got.view(np.uint8), nearest(exact, out).view(np.uint8))


@pytest.mark.parametrize("dtype", FLOATS)
def test_sum_accumulates_in_fp32_and_rounds_once(dtype: str) -> None:
    x = random(dtype, (4, 6, 8), 3)
    exact = x.astype(np.float64).sum(axis=(1, 2))  # 48 values of at most 11 bits: exact in fp32 but for fp32 input
    got = run(lambda t: nl.sum(t, axis=[1, 2]), x)
    assert got.shape == (4, 1)
    if dtype == "float32":
        assert np.abs(got[:, 0] - exact).max() <= 48 * 2**-24 * np.abs(x).sum(axis=(1, 2)).max()
        return
    if dtype == "float8_e5m2":
        assert np.abs(got[:, 0].astype(np.float64) - exact).max() <= np.abs(exact).max() / 8
        return
    wide = run(lambda t: nl.sum(t, axis=[1, 2], dtype=nl.float32), x)
    assert np.array_equal(got[:, 0], nearest(wide[:, 0].astype(np.float64), dtype))


def test_the_accumulator_is_not_the_input_dtype() -> None:
    x = np.array([[256] + [1] * 255], ml_dtypes.bfloat16)  # a bf16 accumulator would stay at 256
    assert run(lambda t: nl.sum(t, axis=1), x)[0, 0] == nearest(np.array(511.0), "bfloat16")


def test_sum_then_divide_rounds_twice() -> None:
    x = np.full((1, 2, 2), 40000, np.float16)
    assert run(lambda t: nl.sum(t, axis=[1, 2]) / 4, x)[0, 0] == np.inf
    assert run(lambda t: nl.sum(t, axis=[1, 2], dtype=nl.float32) / 4, x)[0, 0] == 40000
    assert run(lambda t: nl.mean(t, axis=[1, 2]), x)[0, 0] == 40000


def test_negative_zero_survives_a_sum() -> None:
    assert np.signbit(run(lambda t: nl.sum(t, axis=1), np.full((1, 4), -0.0, np.float32)))[0, 0]


@pytest.mark.parametrize("shape", [(2, 3), (3, 40, 50), (2, 7, 3000), (1, 5, 4, 3, 17)])
@pytest.mark.parametrize(("op", "reference"), [("max", np.max), ("min", np.min)])
def test_extremes_over_any_axes(op: str, reference: Any, shape: tuple[int, ...]) -> None:
    x = random("bfloat16", shape, 4)
    for axes in [(1,), tuple(range(1, len(shape))), (len(shape) - 1,)]:
        got = run(lambda t, axes=axes: getattr(nl, op)(t, axis=list(axes), keepdims=True), x)
        assert np.array_equal(got, reference(x.astype(np.float32), axis=axes, keepdims=True).astype(x.dtype))


@pytest.mark.parametrize(("count", "inner"), [(2, 1), (15, 3), (17, 3000), (64, 500), (4000, 3), (50000, 1)])
@pytest.mark.parametrize("axis", [1, 2])
def test_sum_of_integers_is_exact_whatever_the_path(count: int, inner: int, axis: int) -> None:
    shape = (2, count, inner) if axis == 1 else (2, inner, count)
    x = np.random.default_rng(5).integers(-9, 9, shape).astype(np.float32)
    got = run(lambda t: nl.sum(t, axis=axis, keepdims=True), x)
    assert np.array_equal(got, x.sum(axis=axis, keepdims=True, dtype=np.float64))


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [
        ("int8", 2.5, 2),
        ("int8", 3.5, 4),
        ("int8", -2.5, -2),
        ("int8", 300.0, 127),
        ("int8", -300.0, -128),
        ("uint8", -1.0, 0),
        ("int32", 3e9, 2147483647),
        ("int32", -3e9, -2147483648),
        ("uint32", 5e9, 4294967295),
        ("int16", np.inf, 32767),
        ("int16", np.nan, 0),
        ("float16", 65519.0, 65504.0),
        ("float16", 65520.0, np.inf),
        ("float8_e4m3", 247.0, 240.0),
        ("float8_e4m3", 248.0, np.inf),
        ("bfloat16", 257.0, 256.0),
        ("bfloat16", 259.0, 260.0),
    ],
)
def test_rounding_at_the_destination(dtype: str, value: float, stored: float) -> None:
    assert run(lambda t: t.astype(DTYPES[dtype]), np.full((1, 2), value, np.float32)).tolist() == [[stored] * 2]


def test_fp8_of_gen4_has_maximum_448() -> None:
    x = np.full((1, 2), 440, np.float32)
    assert run(lambda t: t.astype(ml_dtypes.float8_e4m3fn), x, generation="gen4").tolist() == [[448, 448]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_of_one_dtype_are_bit_exact(dtype: str) -> None:
    size = np.dtype(DTYPES[dtype]).itemsize
    bits = np.random.default_rng(6).integers(0, 256, (4, 64, size), np.uint8).view(DTYPES[dtype])[..., 0]
    got = run(lambda t: nl.copy(nisa.tensor_copy(t)), bits)
    assert np.array_equal(got.view(np.uint8), bits.view(np.uint8))


@pytest.mark.parametrize("source", ["float32", "bfloat16", "int32"])
@pytest.mark.parametrize("target", ["float32", "bfloat16", "float16", "int8"])
def test_store_casts_like_a_dma(source: str, target: str) -> None:
    x = random(source, (4, 9), 7)

    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, DTYPES[target], buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    assert np.array_equal(launch(kernel, x), nearest(x.astype(np.float64), target))


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ("float16", "bfloat16", "float32"),
        ("float16", "float32", "float32"),
        ("float8_e4m3", "float8_e5m2", "bfloat16"),
        ("float8_e4m3", "float16", "float16"),
        ("float8_e4m3", "bfloat16", "bfloat16"),
        ("int8", "uint8", "int16"),
        ("int8", "uint16", "int32"),
        ("int32", "uint32", "float32"),
        ("int8", "int32", "int32"),
        ("int32", "float16", "float16"),
        ("uint8", "float32", "float32"),
    ],
)
def test_promotion_of_tiles(a: str, b: str, result: str) -> None:
    x, y = np.ones((1, 2), DTYPES[a]), np.ones((1, 2), DTYPES[b])
    assert run(lambda s, t: s + t, x, y).dtype == DTYPES[result]
    assert run(lambda s, t: nl.add(t, s), x, y).dtype == DTYPES[result]
    assert run(lambda s, t: nisa.tensor_tensor(s, t, np.add), x, y).dtype == DTYPES[result]


@pytest.mark.parametrize(
    ("dtype", "scalar", "result"),
    [
        ("float16", 2, "float16"),
        ("float16", 1.5, "float32"),
        ("bfloat16", 2, "bfloat16"),
        ("bfloat16", 0.5, "float32"),
        ("int8", 2, "int32"),
        ("int8", True, "int16"),
        ("uint8", True, "uint8"),
        ("int8", 1.0, "float32"),
        ("float16", np.float16(1.5), "float16"),
        ("bfloat16", np.float64(0.5), "float32"),
        ("int8", np.int8(2), "int8"),
        ("int8", np.int64(2), "int32"),
    ],
)
def test_promotion_of_scalars(dtype: str, scalar: Any, result: str) -> None:
    x = np.ones((1, 2), DTYPES[dtype])
    assert run(lambda t: t * scalar, x).dtype == DTYPES[result]
    assert run(lambda t: scalar * t, x).dtype == DTYPES[result]


def test_operators_follow_their_order() -> None:
    x = np.array([[1, 2, 4]], np.float32)
    y = np.array([[8, 8, 8]], np.float32)
    assert run(lambda t, u: t - u, x, y).tolist() == [[-7, -6, -4]]
    assert run(lambda t, u: 8 - t, x, y).tolist() == [[7, 6, 4]]
    assert run(lambda t, u: 8 / t, x, y).tolist() == [[8, 4, 2]]
    assert run(lambda t, u: u / t, x, y).tolist() == [[8, 4, 2]]
    assert run(lambda t, u: -t, x, y).tolist() == [[-1, -2, -4]]
    assert run(lambda t, u: nl.maximum(t, 2), x, y).tolist() == [[2, 2, 4]]
    assert run(lambda t, u: nl.minimum(t, u[:, 0:1]), x, y).tolist() == [[1, 2, 4]]


def test_augmented_assignment_updates_the_tile_and_its_pieces() -> None:
    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        same = tile
        tile += 1
        tile[:, 0:2] *= 10
        tile[:, 1:3] -= tile[:, 0:2]
        same /= 2
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, tile)
        return out

    assert launch(kernel, np.array([[1, 2, 3]], np.float32)).tolist() == [[10, 5, -13]]


def test_partitions_broadcast_in_functions() -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([[10, 20]], np.float32)
    assert np.array_equal(run(nl.add, x, y), x + y)
    assert np.array_equal(run(lambda s, t: nl.add(s, t.broadcast_to((3, 2))), x, y), x + y)


def test_tensor_scalar_chains_without_a_rounding_between() -> None:
    x = np.array([[1.0, 3.0]], ml_dtypes.bfloat16)
    got = run(lambda t: nisa.tensor_scalar(t, np.multiply, 1.001, False, np.multiply, 1000.0), x)
    exact = x.astype(np.float32) * np.float32(1.001) * np.float32(1000)
    assert np.array_equal(got, exact.astype(ml_dtypes.bfloat16))
    assert run(lambda t: nisa.tensor_scalar(t, nl.subtract, 1.0, True), x).tolist() == [[0, -2]]


def test_tensor_reduce_negates() -> None:
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    got = run(lambda t: nisa.tensor_reduce(np.max, t, axis=[1, 2], negate=True), x)
    assert got.tolist() == [[-5], [-11]]


LARGE = (128, 40, 40)  # more elements than are computed at a time


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_large_tiles_compute_like_small_ones(dtype: str) -> None:
    x, y = random(dtype, LARGE, 8), random(dtype, LARGE, 9)
    a, b = x.astype(np.float32), y.astype(np.float32)
    assert np.array_equal(run(nl.add, x, y), (a + b).astype(x.dtype))
    assert np.array_equal(run(lambda s, t: s * t[:, 0:1], x, y), (a * b[:, 0:1]).astype(x.dtype))
    assert np.array_equal(run(nl.subtract, x, y[0:1]), (a - b[0:1]).astype(x.dtype))
    assert np.array_equal(run(lambda s, t: s.astype(nl.float16), x, y), a.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("lanes", [128, 32])
def test_windows_of_large_tiles_start_anywhere(dtype: str, first: int, lanes: int) -> None:
    x = np.random.default_rng(10).integers(-4, 4, LARGE).astype(DTYPES[dtype])
    start = 128 - lanes

    def window_sums(t: Any) -> Any:
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:19, 0:2, 0:19, 0:2]
        windows = t[start + lane, first + 2 * row + down, first + 2 * column + across]
        return nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    part = x[start:, first : first + 38, first : first + 38].astype(np.float32)
    assert np.array_equal(run(window_sums, x), part.reshape(lanes, 19, 2, 19, 2).sum(axis=(2, 4)))
