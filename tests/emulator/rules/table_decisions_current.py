"""Decisions where the documentation is silent, in the current dialect, see test_rules.py."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import language as nl

DIALECT = "current"

X = np.arange(2048, dtype=np.float32).reshape(512, 4)
STEP = 2.0**-8


def tile(*shape: int, value: float = 0, dtype: str = "float32") -> Any:
    return nl.full(shape, value, dtype)


def stored(source: Any, dtype: str = "float32") -> Any:
    out = nl.ndarray(source.shape, dtype, nl.hbm)
    nisa.dma_copy(out, source)
    return out


def halfway(x: Any) -> Any:
    """1 + 2**-8 and 1 + 3 * 2**-8 lie halfway between two values of bf16."""
    source = tile(1, 2)
    nisa.memset(source[:, 0:1], 1 + STEP)
    nisa.memset(source[:, 1:2], 1 + 3 * STEP)
    return stored(source, nl.bfloat16), np.array([[1, 1 + 2.0**-6]], ml_dtypes.bfloat16)


def half_defined() -> Any:
    source = nl.ndarray((4, 6), nl.float32)
    nisa.memset(source[:, 0:3], 1.0)
    return nl.exp(source)


def written(x: Any) -> Any:
    nisa.dma_copy(x[0:1], tile(1, 4, value=7))
    return nl.load(x[0:1]), np.full((1, 4), 7)


def summed(source: Any, *shape: int) -> Any:
    result = nl.ndarray(shape, nl.float32)
    nisa.tensor_reduce(result, nl.add, source, 1)
    return result


def python_loop(x: Any) -> Any:
    total = tile(1, 4)
    for i in nl.affine_range(4):
        if i % 2 == 0 and i // 2:
            nisa.dma_copy(total, x[i : i + 1])
    return total, X[2:3]


RULES = [
    (
        "9.1 a store casts to nearest even",
        halfway,
        lambda x: nisa.tensor_tensor(tile(4, 2, dtype=nl.int8), *[tile(4, 2, dtype=nl.int16)] * 2, nl.bitwise_and),
        "operations on bit patterns do not cast",
    ),
    (
        "9.2 undefined elements may be computed with",
        lambda x: (stored(half_defined()[:, 0:3]), np.exp(np.ones((4, 3), np.float64)).astype(np.float32)),
        lambda x: stored(half_defined()),
        "12 of 24 elements, first at [0, 3]",
    ),
    ("9.3 no size of 0", lambda x: tile(4, 1), lambda x: tile(4, 0), "has a dimension of size 0"),
    (
        "9.3 no count of 0",
        lambda x: (stored(x.ap([[4, 2], [1, 4]])), X[:2]),
        lambda x: x.ap([[4, 0], [1, 4]]),
        "a count is 1 to 65535",
    ),
    ("9.3 no empty slice", lambda x: (nl.load(x[3:4]), X[3:4]), lambda x: nl.load(x[3:3]), "the slice is empty"),
    (
        "9.4 writes to a parameter go through",
        written,
        lambda x: nl.store(tile(1, 4), tile(1, 4)),
        "store dst must be in ['hbm', 'private_hbm', 'shared_hbm'], got sbuf",
        "err_unsupported_memory",
    ),
    (
        "9.5 four free dimensions",
        lambda x: (nl.sum(tile(2, 2, 2, 2, 2, value=1), axis=[3, 4]), np.full((2, 2, 2), 4)),
        lambda x: nl.sum(tile(2, 3, 3, 3, 3, 3)[:, ::2, ::2, ::2, ::2, ::2], axis=[4, 5]),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    (
        "9.6 a loop variable is a Python integer",
        python_loop,
        lambda x: nl.affine_range(tile(1, 1)),
        "a static integer, got NkiTensor",
    ),
    (
        "9.7 partitions have step 1 on chip",
        lambda x: (nl.load(x.ap([[-8, 4], [1, 4]], offset=2044 - 4)), X[510:502:-2]),
        lambda x: nl.copy(tile(8, 4)[0:8:2]),
        "the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "9.7 HBM repeats with step 0",
        lambda x: (nl.load(x.ap([[0, 4], [1, 4]])), X[:1].repeat(4, axis=0)),
        lambda x: tile(8, 4).ap([[0, 4], [1, 4]]),
        "ap() pattern has invalid partition stride. Partition step 0 must equal tensor free dimension",
    ),
    (
        "9.8 a pattern keeps to its partition",
        lambda x: (nl.copy(tile(4, 8, value=1).ap([[8, 3], [1, 8]])), np.ones((3, 8))),
        lambda x: tile(4, 8).ap([[8, 3], [1, 8]], 4),
        "a partition reaches its own memory only",
    ),
    (
        "9.9 the last reference frees a tile",
        lambda x: (tile(1, len([tile(1, 30000).shape for _ in "ab"]), value=1), np.ones((1, 2))),
        lambda x: [tile(1, 30000) for _ in "ab"],
        "out of sbuf",
    ),
    (
        "9.11 a sum starts with its first element",
        lambda x: (nl.reciprocal(nl.sum(tile(4, 6, value=-0.0), axis=1)), np.full((4, 1), -np.inf)),
        lambda x: nl.sum(tile(4, 6), axis=[]),
        "has to be the last free dimensions",
    ),
    (
        "9.12 compute starts at a quadrant",
        lambda x: (nl.copy(tile(64, 2, value=1)[32:40]), np.ones((8, 2))),
        lambda x: nl.copy(tile(64, 2)[31:39]),
        "Invalid access of 8 partitions starting at partition 31",
    ),
    (
        "9.13 a reduction fills its destination",
        lambda x: (summed(tile(4, 9, value=1), 4, 1), np.full((4, 1), 9)),
        lambda x: summed(tile(4, 9), 4, 2),
        "does not hold what is left of 'data'",
    ),
    (
        "9.16 a step that is not taken has no limit",
        lambda x: (nl.copy(tile(1, 40000, value=1).ap([[40000, 1], [39999, 1]])), [[1]]),
        lambda x: nl.copy(tile(1, 40000).ap([[40000, 1], [39999, 2]])),
        "has a step of 39999 elements",
    ),
    (
        "9.18 a sum overflows to infinity",
        lambda x: (nl.sum(tile(4, 6, value=3e38), axis=1), np.full((4, 1), np.inf)),
        lambda x: stored(nl.sum(nl.ndarray((4, 6), nl.float32), axis=1)),
        "all 4 elements",
    ),
]
