"""Decisions where the documentation is silent, in the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

DIALECT = "legacy"

X = np.arange(288, dtype=np.float32).reshape(8, 6, 6)
P = nl.arange(8)[:, None, None]
H = nl.arange(6)[None, :, None]
W = nl.arange(6)[None, None, :]
STEP = 2.0**-8


def filled(shape: Any, dtype: Any = nl.float32, value: float = 1) -> Any:
    return nl.full(shape, value, dtype)


def output(shape: Any = (8, 6, 6), dtype: Any = nl.float32) -> Any:
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm)


def stored(tile: Any, dtype: Any = None) -> Any:
    out = output(tile.shape, tile.dtype if dtype is None else dtype)
    nl.store(out, tile)
    return out


def halfway(x: Any, t: Any) -> Any:
    """1 + 2**-8 and 1 + 3 * 2**-8 lie halfway between two values of bf16."""
    tile = filled((8, 2))
    tile[:, 0:1] = 1 + STEP
    tile[:, 1:2] = 1 + 3 * STEP
    return stored(tile, nl.bfloat16), np.array([[1, 1 + 2.0**-6]] * 8, ml_dtypes.bfloat16)


def masked_idiom(x: Any, t: Any) -> Any:
    """Load under a mask, compute without, store under the mask."""
    out = output()
    nl.store(out, 7)
    tile = nl.exp(nl.load(x, mask=H < 3) * 0)
    nl.store(out[P, H, W], tile, mask=H < 3)
    expected = np.full((8, 6, 6), 7, np.float32)
    expected[:, :3] = 1
    return out, expected


def partly_masked_sum(x: Any, t: Any) -> Any:
    out = output((8, 6))
    nl.store(out, nl.sum(t[P, H, W], axis=2, mask=H < 3))
    return out


def looped(step: Any) -> Any:
    def body(x: Any, t: Any) -> Any:
        for i in nl.affine_range(2):
            step(x, t, i)
        return t, X

    return body


def rows_by_loop_variable(x: Any, t: Any) -> Any:
    out = output()
    for i in nl.affine_range(3):
        rows = nl.arange(2)[None, :, None]
        nl.store(out[P, 2 * i + rows, W], nl.load(x[P, 2 * i + rows, W]))
    return out, X


def bare_loop_variable(x: Any, t: Any) -> Any:
    out = output()
    for i in nl.affine_range(6):
        nl.store(out[P, i, W], t[P, i, W])
    return out, X


def held(count: int) -> Any:
    """Tiles that fill an SBUF partition of gen3, all of them alive."""

    def body(x: Any, t: Any) -> Any:
        tiles = [nl.ndarray((1, 56 * 1024 // 2 - 18), nl.float32) for _ in range(count)]
        return filled((1, len(tiles)))

    return body


def rebound(x: Any, t: Any) -> Any:
    for _ in nl.static_range(4):
        tile = None
        tile = filled((1, 56 * 512))
    return tile[:, 0:1], [[1]]


def moved(shape: Any, source: Any) -> Any:
    tile = nl.ndarray(shape, nl.float32)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def rows_of(tile: Any) -> Any:
    out = output()
    nl.store(out, tile)
    return out


def never_taken(x: Any, t: Any) -> Any:
    piece = nl.ndarray((1, 2, 32768), nl.int8)[:, 0:1, 0:2]
    piece[...] = 1
    return nl.copy(piece), np.ones((1, 1, 2))


RULES = [
    (
        "9.1 a store casts to nearest even",
        halfway,
        lambda x, t: nisa.tensor_tensor(filled((8, 2), nl.int8), filled((8, 2), nl.int16), np.bitwise_and),
        "operations on bit patterns do not cast",
    ),
    (
        "9.2 undefined elements may be computed with",
        masked_idiom,
        lambda x, t: stored(nl.exp(nl.load(x, mask=H < 3))),
        "are undefined (never written",
    ),
    (
        "9.2 what a masked sum leaves out is undefined",
        lambda x, t: (nl.sum(t[P, H, W], axis=2, mask=W < 3), X[:, :, :3].sum(axis=2)),
        partly_masked_sum,
        "24 of 48 elements, first at [0, 3]",
    ),
    ("9.3 no size of 0", lambda x, t: filled((8, 1)), lambda x, t: filled((8, 0)), "has a dimension of size 0"),
    ("9.3 no negative size", lambda x, t: filled((8, 1)), lambda x, t: filled((8, -1)), "has a dimension of size -1"),
    (
        "9.3 no empty mgrid",
        lambda x, t: (nl.copy(t[tuple(nl.mgrid[0:8, 2:3, 0:6])]), X[:, 2:3]),
        lambda x, t: t[tuple(nl.mgrid[0:8, 2:2, 0:6])],
        "the index range 2:2 is empty",
    ),
    (
        "9.3 no empty slice",
        lambda x, t: (nl.copy(t[:, 2:3]), X[:, 2:3]),
        lambda x, t: t[:, 2:2],
        "the slice is empty",
    ),
    (
        "9.4 parameters are immutable",
        lambda x, t: (stored(t), X),
        lambda x, t: nl.store(x, t + 1),
        "is an input, and immutable",
        "err_cannot_update_immutable_parameter",
    ),
    (
        "9.5 four free dimensions",
        lambda x, t: (nl.sum(t.reshape((8, 2, 3, 2, 3)), axis=[2, 4]), X.reshape(8, 2, 3, 2, 3).sum((2, 4))),
        lambda x, t: nl.sum(nl.ndarray((8, 3, 3, 3, 3, 3), nl.int8)[:, 0:2, 0:2, 0:2, 0:2, 0:2], axis=5),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    ("9.6 a loop variable is symbolic", rows_by_loop_variable, looped(lambda x, t, i: i // 2), "`//` of an index"),
    (
        "9.6 no == on a loop variable",
        rows_by_loop_variable,
        looped(lambda x, t, i: i == 1),
        "`==` on an index or loop variable",
        "err_control_flow_condition_depending_on_arange",
    ),
    ("9.6 no % on a loop variable", rows_by_loop_variable, looped(lambda x, t, i: i % 2), "`%` of an index"),
    (
        "9.6 no if on a loop variable",
        rows_by_loop_variable,
        looped(lambda x, t, i: 1 if i else 0),
        "control flow cannot depend",
        "err_control_flow_condition_depending_on_arange",
    ),
    (
        "9.7 partitions have step 1 on chip",
        lambda x, t: (nl.load(x[7 - 2 * nl.arange(4)[:, None, None], H, W]), X[[7, 5, 3, 1]]),
        lambda x, t: nl.copy(t[7 - 2 * nl.arange(4)[:, None, None], H, W]),
        "the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "9.7 partitions stay first on chip",
        lambda x, t: (nl.load(x[nl.arange(6)[:, None, None], 0 * H, W]), X[:6, :1].repeat(6, axis=1)),
        lambda x, t: nl.copy(t[H, nl.arange(6)[:, None, None], W]),
        "the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "9.8 a partition keeps to its own elements",
        lambda x, t: (nl.copy(t[P, 5 - H, W]), X[:, ::-1]),
        lambda x, t: nl.copy(t[H, nl.arange(1)[:, None, None], W]),
        "a partition reaches its own memory only",
    ),
    ("9.9 rebinding frees a tile", rebound, held(3), "out of sbuf"),
    (
        "9.11 a sum starts with its first element",
        lambda x, t: (nl.divide(1.0, nl.sum(filled((8, 6), value=-0.0), axis=1)), np.full((8, 1), -np.inf)),
        lambda x, t: nl.sum(t, axis=[]),
        "is not among the 3 dimensions",
    ),
    (
        "9.12 compute starts at a quadrant",
        lambda x, t: (nl.copy(filled((64, 2))[32:40]), np.ones((8, 2))),
        lambda x, t: nl.copy(filled((64, 2))[31:39]),
        "Invalid access of 8 partitions starting at partition 31",
    ),
    (
        "9.12 DMA starts anywhere",
        lambda x, t: (moved((3, 6, 6), t[5:8]), X[5:8]),
        lambda x, t: nl.sum(t[5:8], axis=2),
        "starting at partition 5",
    ),
    (
        "9.14 a store repeats sizes of 1",
        lambda x, t: (rows_of(t[:, 0:1]), X[:, :1].repeat(6, axis=1)),
        lambda x, t: rows_of(t[:, 0:2]),
        "only dimensions of size 1 of the value repeat",
        "err_store_dst_shape_smaller_than_other_shape",
    ),
    (
        "9.15 index objects broadcast to one rank",
        lambda x, t: (nl.copy(t[P, nl.arange(6)[:, None], W]), X),
        lambda x, t: t[P, nl.arange(6), W],
        "1D arange is not supported",
        "err_1d_arange_not_supported",
    ),
    (
        "9.15 a bare loop variable is an index",
        bare_loop_variable,
        lambda x, t: t[P, 0, W],
        "Mixing basic tensor indexing",
        "err_unsupported_mixing_basic_advanced_tensor_indexing",
    ),
    (
        "9.16 a step that is not taken has no limit",
        never_taken,
        lambda x, t: nl.copy(filled((1, 2, 32768), nl.int8)[:, 0:2, 0:2]),
        "has a step of 32768 elements",
    ),
    (
        "9.18 a sum overflows to infinity",
        lambda x, t: (nl.sum(filled((8, 6), value=3e38), axis=1), np.full((8, 1), np.inf)),
        lambda x, t: stored(nl.sum(nl.ndarray((8, 6), nl.float32), axis=1)),
        "all 8 elements",
    ),
]
