"""Random dtypes, operations, reductions and masks against references in fp64 that round once to fp32 and once more."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DTYPES = {
    name: np.dtype(getattr(ml_dtypes, name, name))
    for name in (
        "float32", "float16", "bfloat16", "float8_e4m3", "float8_e5m2", "int8", "int16", "int32", "uint8", "uint16",
        "uint32",
    )
}  # fmt: skip
FLOATS = ("float32", "float16", "bfloat16", "float8_e4m3", "float8_e5m2")
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
SPECIAL = {
    frozenset({"float16", "bfloat16"}): "float32",
    frozenset({"float8_e4m3", "float8_e5m2"}): "bfloat16",
    frozenset({"int8", "uint8"}): "int16",
    frozenset({"int8", "uint16"}): "int32",
    frozenset({"int16", "uint16"}): "int32",
    frozenset({"int32", "uint32"}): "float32",
}


def promoted(a: str, b: str) -> str:
    """The documented table: special pairs, else the float, else the wider."""
    if frozenset({a, b}) in SPECIAL:
        return SPECIAL[frozenset({a, b})]
    if (a in FLOATS) != (b in FLOATS):
        return a if a in FLOATS else b
    return max(a, b, key=lambda name: DTYPES[name].itemsize)


def bits(shape: tuple[int, ...], name: str, seed: int) -> np.ndarray:
    """Values of any bit pattern, which is how zeros, subnormals, infinities and NaN come in."""
    dtype = DTYPES[name]
    return np.frombuffer(np.random.default_rng(seed).bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


def rounded(exact: np.ndarray, name: str) -> np.ndarray:
    """Round fp64 to fp32 and that to a dtype; integers to nearest even, saturating, NaN as 0."""
    values = exact.astype(np.float32)
    dtype = DTYPES[name]
    if name in FLOATS:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.rint(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=2.0**40, neginf=-(2.0**40)))
    return np.clip(whole, limits.min, limits.max).astype(dtype)


def wide(values: np.ndarray) -> np.ndarray:
    """What an engine computes with: fp32, here as fp64."""
    return values.astype(np.float32).astype(np.float64)


def same(got: np.ndarray, expected: np.ndarray) -> bool:
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return False
    a, b = got.astype(np.float64), expected.astype(np.float64)
    return bool(np.all((a == b) | (np.isnan(a) & np.isnan(b))))


dtype_names = st.sampled_from(sorted(DTYPES))
steps = st.lists(st.tuples(st.sampled_from(sorted(BINARY)), st.one_of(st.none(), dtype_names)), min_size=1, max_size=6)


@given(left=dtype_names, right=dtype_names, steps=steps, seed=st.integers(0, 2**32 - 1))
def test_operations_on_two_tiles(left: str, right: str, steps: list[tuple[str, str | None]], seed: int) -> None:
    a, b = bits((4, 24), left, seed), bits((4, 24), right, seed + 1)

    def kernel(a: Any, b: Any) -> Any:
        x, y = nl.load(a), nl.load(b)
        outputs = []
        for op, dtype in steps:
            value = getattr(nl, op)(x, y, dtype=dtype)
            outputs.append(nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm))
            nl.store(outputs[-1], value)
        return tuple(outputs)

    results = launch(kernel, a, b)
    for (op, dtype), result in zip(steps, results, strict=True):
        exact = BINARY[op](wide(a), wide(b))
        assert same(result, rounded(exact, dtype or promoted(left, right))), op


scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32),
    st.floats(width=16).map(np.float16),
    st.integers(-128, 127).map(np.int8),
)


def scalar_name(value: Any) -> str:
    if isinstance(value, np.generic):
        return value.dtype.name
    return "uint8" if isinstance(value, bool) else "int32" if isinstance(value, int) else "float32"


@given(
    name=dtype_names,
    steps=st.lists(st.tuples(st.sampled_from(sorted(BINARY)), scalars, st.booleans()), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_operations_on_a_tile_and_a_scalar(name: str, steps: list[tuple[str, Any, bool]], seed: int) -> None:
    x = bits((4, 24), name, seed)

    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        outputs = []
        for op, scalar, swap in steps:
            value = getattr(nl, op)(scalar, tile) if swap else getattr(nl, op)(tile, scalar)
            outputs.append(nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm))
            nl.store(outputs[-1], value)
        return tuple(outputs)

    for (op, scalar, swap), result in zip(steps, launch(kernel, x), strict=True):
        number = np.float64(np.float32(scalar))
        exact = BINARY[op](number, wide(x)) if swap else BINARY[op](wide(x), number)
        assert same(result, rounded(exact, promoted(name, scalar_name(scalar)))), (op, scalar, swap)


@given(
    name=dtype_names,
    steps=st.lists(
        st.tuples(
            st.tuples(st.sampled_from(["add", "subtract", "multiply", "maximum", "minimum"]), st.booleans()),
            st.tuples(st.sampled_from(["add", "subtract", "multiply", "maximum", "minimum"]), st.booleans()),
            st.tuples(st.floats(width=32), st.floats(width=32)),
            dtype_names,
        ),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_fused_operations_round_once(name: str, steps: list[Any], seed: int) -> None:
    x = bits((4, 24), name, seed)

    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        outputs = []
        for (op0, swap0), (op1, swap1), (first, second), dtype in steps:
            value = nisa.tensor_scalar(
                tile, getattr(np, op0), first, swap0, getattr(nl, op1), second, swap1, dtype=dtype
            )
            outputs.append(nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm))
            nl.store(outputs[-1], value)
        return tuple(outputs)

    for (one, two, numbers, dtype), result in zip(steps, launch(kernel, x), strict=True):
        exact = wide(x)
        for (op, swap), number in zip((one, two), numbers, strict=True):
            value = np.float64(np.float32(number))
            exact = wide(BINARY[op](value, exact) if swap else BINARY[op](exact, value))
        assert same(result, rounded(exact, dtype))


@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    source=st.sampled_from(["float32", "bfloat16", "float16", "int16"]),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_reductions_over_any_free_axes(shape: list[int], source: str, data: Any, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-60, 61, shape).astype(DTYPES[source])
    free = range(1, len(shape))
    steps = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["sum", "max", "min", "mean"]),
                st.sets(st.sampled_from(free), min_size=1).map(sorted),
                st.booleans(),
                st.one_of(st.none(), st.sampled_from(["float32", "bfloat16", "int8"])),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        outputs = []
        for function, axes, keepdims, dtype in steps:
            value = getattr(nl, function)(tile, axes, dtype=dtype, keepdims=keepdims)
            outputs.append(nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm))
            nl.store(outputs[-1], value)
        return tuple(outputs)

    for (function, axes, keepdims, dtype), result in zip(steps, launch(kernel, x), strict=True):
        exact = getattr(np, function)(wide(x), axis=tuple(axes), keepdims=keepdims)
        exact = exact if exact.ndim > 1 else exact[:, None]
        assert same(result, rounded(exact, dtype or source)), (function, axes)


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)),
    bounds=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 10), st.integers(-2, 2), st.integers(-2, 2)),
    seed=st.integers(0, 2**32 - 1),
)
def test_masked_elements_are_not_touched(shape: tuple[int, ...], bounds: tuple[int, ...], seed: int) -> None:
    rows, columns, weighted, a, b = bounds
    x = np.random.default_rng(seed).random(shape, np.float32)
    p, i, j = np.ogrid[: shape[0], : shape[1], : shape[2]]
    selected = np.broadcast_to((p < rows) & (i <= columns) & (a * i + b * j + p < weighted), shape)

    def kernel(x: Any) -> Any:
        out = nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm)
        total = nl.ndarray((shape[0], 1), nl.float32, buffer=nl.shared_hbm)
        p, i, j = nl.mgrid[0 : shape[0], 0 : shape[1], 0 : shape[2]]
        mask = (p < rows) & (i <= columns) & (a * i + b * j + p < weighted)
        tile = nl.load(x)
        nl.store(out, -1.0)
        nl.store(out[p, i, j], nl.add(tile, 1.0, mask=mask), mask=mask)
        sums = nl.zeros((shape[0], 1), nl.float32)
        sums[...] = nl.max(tile, [1, 2], mask=mask)
        nl.store(total, sums)
        return out, total

    out, total = launch(kernel, x)
    assert np.array_equal(out, np.where(selected, x + np.float32(1), np.float32(-1)))
    kept = np.where(selected, x, -np.inf).max((1, 2))
    assert np.array_equal(total[:, 0], np.where(selected.any((1, 2)), kept, 0))
