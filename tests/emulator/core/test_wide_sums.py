"""Reductions of narrow dtypes, which are widened before: every bit is that of an fp32 accumulator."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator.legacy import language as nl

PARTITIONS, ROWS, COLUMNS = 64, 12, 12
SHAPE = PARTITIONS, ROWS, COLUMNS
FUNCTIONS = {"sum": np.add, "max": np.maximum, "min": np.minimum, "prod": np.multiply}
DTYPES = (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, np.int8)


def windows_of(x: Any, height: int, width: int) -> Any:
    lane, row, down, column, across = nl.mgrid[
        0:PARTITIONS, 0 : ROWS // height, 0:height, 0 : COLUMNS // width, 0:width
    ]
    return nl.load(x)[lane, height * row + down, width * column + across]


def pool(x: Any, function: str, height: int, width: int) -> Any:
    reduced = getattr(nl, function)(windows_of(x, height, width), axis=[2, 4], dtype=nl.float32)
    out = nl.ndarray(reduced.shape, dtype=nl.float32, buffer=nl.shared_hbm)
    nl.store(out, reduced)
    return out


def one_by_one(x: Any, function: str, height: int, width: int) -> Any:
    """Take the rows of every window in their order, then its columns."""
    op = FUNCTIONS[function]
    windows = x.astype(np.float32).reshape(PARTITIONS, ROWS // height, height, COLUMNS // width, width)
    with np.errstate(all="ignore"):
        rows = windows[:, :, 0]
        for i in range(1, height):
            rows = op(rows, windows[:, :, i])
        total = rows[..., 0]
        for i in range(1, width):
            total = op(total, rows[..., i])
    return total


def same_bits(a: Any, b: Any) -> bool:
    numbers = ~np.isnan(b)
    return np.array_equal(np.isnan(a), ~numbers) and np.array_equal(
        a[numbers].view(np.uint32), b[numbers].view(np.uint32)
    )


@pytest.mark.parametrize("window", [(2, 2), (3, 1), (1, 4), (12, 12)], ids=str)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_every_bit_is_that_of_an_fp32_accumulator(dtype: Any, function: str, window: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.standard_normal(SHAPE), rng.integers(-12, 12, SHAPE)).clip(-120, 120).astype(dtype)
    assert same_bits(launch(pool, x, function, *window), one_by_one(x, function, *window))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "patterns",
    [
        (0x0000, 0x8000),
        (0x0001, 0x83FF, 0x8001, 0x0400),
        (0x7BFF, 0xFBFF),
        (0x7C00, 0x3C00),
        (0xFC00, 0x3C00),
        (0x7E00, 0xFE00, 0x0001),
    ],
    ids=["zeros", "subnormals", "largest", "infinity", "negative infinity", "nan"],
)
def test_extreme_fp16_values_reduce_as_in_fp32(patterns: tuple[int, ...], function: str) -> None:
    picked = np.random.default_rng(0).choice(np.array(patterns, np.uint16), SHAPE)
    x = picked.view(np.float16)
    assert same_bits(launch(pool, x, function, 3, 2), one_by_one(x, function, 3, 2))
