"""Allocation and addressing in the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.legacy import language as nl

if TYPE_CHECKING:
    from collections.abc import Callable


def stored(shape: tuple[int, ...], put: Callable[[Any], None], **options: Any) -> Any:
    out = nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm, **options)
    put(out)
    return out


def filled(shape: Any, dtype: Any = nl.float32, **options: Any) -> Any:
    return nl.full(shape, 1, dtype, **options)


def assigned(tile: Any, key: Any, value: Any) -> Any:
    tile[key] = value
    return tile


def free_dims(t: Any) -> Any:
    """Five free dimensions of two elements that no fewer (count, step) pairs can express."""
    tile = nl.ndarray((8, 3, 3, 3, 3, 3), nl.float32)
    return tile[:, 0:2, 0:2, 0:2, 0:2, 0:2]


DIALECT = "legacy"

RULES = [
    (
        "partitions",
        lambda x, t: filled((128, 2)),
        lambda x, t: filled((256, 2)),
        "Size of partition dimension 256 exceeds architecture limitation of 128.",
        "err_num_partition_exceed_arch_limit",
    ),
    ("rank of a tile", lambda x, t: filled((8, 1)), lambda x, t: filled((8,)), "must have at least 2 dimensions"),
    ("size of a dimension", lambda x, t: filled((8, 1)), lambda x, t: filled((8, 0)), "has a dimension of size 0"),
    ("static sizes", lambda x, t: filled((8, 1)), lambda x, t: filled((8, 1.0)), "static integers, got 1.0"),
    ("shape is a sequence", lambda x, t: filled([8, 1]), lambda x, t: filled(8), "a list or tuple"),
    ("buffer", lambda x, t: filled((8, 1), buffer=nl.sbuf), lambda x, t: filled((8, 1), buffer="sbuff"), "buffer is"),
    (
        "SBUF of gen2",
        lambda x, t: filled((1, 192 * 256 - 36)),
        lambda x, t: filled((1, 192 * 256 - 35)),
        "out of sbuf",
        "",
        "gen2",
        "gen2",
    ),
    (
        "SBUF of gen3",
        lambda x, t: filled((1, 224 * 256 - 36)),
        lambda x, t: filled((1, 224 * 256 - 35)),
        "out of sbuf",
    ),
    (
        "SBUF of gen4",
        lambda x, t: filled((1, 2, 128 * 256 - 18)),
        lambda x, t: filled((1, 256 * 256 - 35)),
        "out of sbuf",
        "",
        "gen4",
        "gen4",
    ),
    (
        "PSUM",
        lambda x, t: nl.copy(filled((1, 4096), buffer=nl.psum)),
        lambda x, t: filled((1, 4097), buffer=nl.psum),
        "out of psum",
    ),
    (
        "live tiles add up",
        lambda x, t: [filled((1, 30000)).shape, filled((1, 30000))][-1],
        lambda x, t: [filled((1, 30000)), filled((1, 30000))],
        "held by tensor `unnamed` [1, 30000] float32",
    ),
    (
        "dtype of a generation",
        lambda x, t: nl.copy(t),
        lambda x, t: filled((8, 1), nl.float8_e5m2),
        "float8_e5m2 does not exist on gen2",
        "",
        "gen2",
        "gen2",
    ),
    (
        "dtype of gen3",
        lambda x, t: filled((8, 1), nl.float8_e5m2),
        lambda x, t: filled((8, 1), ml_dtypes.float8_e4m3fn),
        "float8_e4m3fn does not exist on gen3",
    ),
    (
        "dtype of a NeuronCore",
        lambda x, t: filled((8, 1), "bfloat16"),
        lambda x, t: filled((8, 1), np.float64),
        "does not exist on a NeuronCore",
    ),
    (
        "no initial value in HBM",
        lambda x, t: stored((8, 1), lambda out: nl.store(out, 0)),
        lambda x, t: nl.zeros((8, 1), nl.float32, buffer=nl.shared_hbm),
        "with an initial value is not supported",
        "err_hbm_tensor_with_init_value_not_supported",
    ),
    ("fill value", lambda x, t: filled((8, 1)), lambda x, t: nl.full((8, 1), t, nl.float32), "fill_value is a scalar"),
    (
        "start partition of up to 32",
        lambda x, t: assigned(filled((128, 2)), slice(96, 128), 2),
        lambda x, t: assigned(filled((128, 2)), slice(16, 32), 2),
        "Invalid access of 16 partitions starting at partition 16",
    ),
    (
        "start partition of up to 64",
        lambda x, t: assigned(filled((128, 2)), slice(64, 128), 2),
        lambda x, t: assigned(filled((128, 2)), slice(32, 96), 2),
        "starts at a multiple of 64",
    ),
    (
        "start partition of more than 64",
        lambda x, t: assigned(filled((128, 2)), slice(0, 100), 2),
        lambda x, t: assigned(filled((128, 2)), slice(28, 128), 2),
        "starts at a multiple of 128",
    ),
    (
        "DMA starts at any partition",
        lambda x, t: stored((3, 6, 6), lambda out: nl.store(out, t[5:8])),
        lambda x, t: nl.copy(t[5:8]),
        "starting at partition 5",
    ),
    (
        "free dimensions",
        lambda x, t: nl.sum(t[0:8][tuple(nl.mgrid[0:8, 0:6, 0:6])], axis=2),
        lambda x, t: nl.copy(free_dims(t)),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    (
        "step",
        lambda x, t: nl.copy(filled((1, 2, 32767), nl.int8)[:, :, 0:2]),
        lambda x, t: nl.copy(filled((1, 2, 32768), nl.int8)[:, :, 0:2]),
        "has a step of 32768 elements",
    ),
    (
        "a step never taken",
        lambda x, t: assigned(nl.ndarray((1, 2, 32768), nl.int8), (..., slice(1, 2), slice(0, 2)), 1)[:, 1:2, 0:2],
        lambda x, t: nl.copy(filled((1, 2, 32768), nl.int8)[:, 0:2, 0:2]),
        "has a step of 32768",
    ),
    (
        "count",
        lambda x, t: nl.copy(filled((1, 2, 32767), nl.int8)),
        lambda x, t: filled((1, 65536), nl.int8),
        "has a free dimension of 65536 elements",
    ),
]
