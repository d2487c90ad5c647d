"""Arithmetic against an independent reference: exact in fp64, rounded to fp32, rounded once to the destination."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
DTYPES = {
    "float32": np.float32,
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float8_e4m3": ml_dtypes.float8_e4m3,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
EXACT = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


def bits(shape, dtype, seed):
    """Random bit patterns: subnormals, infinities and NaN among them."""
    dtype = np.dtype(dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return np.random.default_rng(seed).integers(0, 2 ** (8 * dtype.itemsize), shape, unsigned).view(dtype)


def to_fp32(values):
    # A sum, difference or product of two fp32 numbers that fp64 rounded first is right: 53 bits >= 2 * 24 + 2.
    return values.astype(np.float32)


def assert_equal(got, expected):
    assert got.dtype == expected.dtype
    # ml_dtypes has no NaN for assert_array_equal to recognise.
    np.testing.assert_array_equal(got.astype(np.float64), expected.astype(np.float64), strict=True)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
@given(
    op=st.sampled_from(sorted(EXACT)),
    left=st.sampled_from(sorted(DTYPES)),
    right=st.sampled_from(sorted(DTYPES)),
    result=st.sampled_from(sorted(DTYPES)),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_tiles(run, *, op, left, right, result, seed):
    a, b = bits((4, 16), DTYPES[left], seed), bits((4, 16), DTYPES[right], seed + 1)

    def body(a, b):
        dst = nl.ndarray((4, 16), result)
        nisa.tensor_tensor(dst=dst, data1=nl.load(a), data2=nl.load(b), op=getattr(nl, op))
        return dst

    expected = to_fp32(EXACT[op](a.astype(np.float64), b.astype(np.float64))).astype(DTYPES[result])
    assert_equal(run(body, a, b), expected)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
@given(
    ops=st.tuples(st.sampled_from(sorted(EXACT)), st.sampled_from(sorted(EXACT))),
    reverse=st.tuples(st.booleans(), st.booleans()),
    numbers=st.tuples(st.floats(width=32), st.floats(width=32)),
    source=st.sampled_from(sorted(DTYPES)),
    result=st.sampled_from(sorted(DTYPES)),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_operations_with_numbers(run, *, ops, reverse, numbers, source, result, seed):
    x = bits((4, 16), DTYPES[source], seed)

    def body(x):
        dst = nl.ndarray((4, 16), result)
        nisa.tensor_scalar(
            dst=dst, data=nl.load(x),
            op0=getattr(nl, ops[0]), operand0=numbers[0], reverse0=reverse[0],
            op1=getattr(nl, ops[1]), operand1=numbers[1], reverse1=reverse[1],
        )  # fmt: skip
        return dst

    expected = x.astype(np.float64)
    for op, number, swap in zip(ops, numbers, reverse, strict=True):
        expected = to_fp32(EXACT[op](number, expected) if swap else EXACT[op](expected, number)).astype(np.float64)
    expected = expected.astype(np.float32).astype(DTYPES[result])
    assert_equal(run(body, x), expected)


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    data=st.data(),
    source=st.sampled_from(["float32", "bfloat16", "float16"]),
    result=st.sampled_from(sorted(DTYPES)),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_of_integers_are_exact_until_the_last_rounding(run, *, shape, data, source, result, seed):
    x = np.random.default_rng(seed).integers(-99, 100, shape).astype(DTYPES[source])
    first = data.draw(st.integers(1, len(shape) - 1))
    axes = list(range(first, len(shape)))
    negate = data.draw(st.booleans())

    def body(x):
        dst = nl.ndarray((*shape[:first], 1)[: max(first, 2)], result)
        nisa.tensor_reduce(dst=dst, op=nl.add, data=nl.load(x), axis=axes, negate=negate)
        return dst

    total = x.astype(np.int64).sum(axis=tuple(axes))
    expected = (-total if negate else total).astype(np.float32).astype(DTYPES[result])
    got = run(body, x)
    assert_equal(got.reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_integers_round_to_even_and_saturate(run, dtype):
    x = np.float32([[-3e9, -40000, -1.5, -0.5, 0.5, 1.5, 2.5, 254.5, 40000, 3e9]])
    limits = np.iinfo(dtype)
    expected = np.clip([[-3e9, -40000, -2, 0, 0, 2, 2, 254, 40000, 3e9]], limits.min, limits.max).astype(dtype)
    np.testing.assert_array_equal(run(lambda x: nl.load(x, dtype=dtype), x), expected, strict=True)


def test_equal_dtypes_are_copied_bit_for_bit(run):
    x = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    assert run(lambda x: nl.copy(nl.load(x)), x).tobytes() == x.tobytes()
