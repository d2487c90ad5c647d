"""Loads, stores, assignments and views of the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.legacy import isa as nisa
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


DIALECT = "legacy"

RULES = [
    (
        "load reads HBM",
        lambda x, t: nl.load(x),
        lambda x, t: nl.load(t),
        "Expected operand 'src' of 'load' to be in address space 'hbm', but got a tile in 'sbuf' instead",
        "err_unsupported_memory",
    ),
    (
        "store writes HBM",
        lambda x, t: stored((8, 6, 6), lambda out: nl.store(out, t)),
        lambda x, t: nl.store(t, t),
        "Expected operand 'dst' of 'store' to be in address space 'hbm', but got a tile in 'sbuf'",
        "err_unsupported_memory",
    ),
    (
        "store takes a tile",
        lambda x, t: stored((8, 6, 6), lambda out: nl.store(out, t)),
        lambda x, t: stored((8, 6, 6), lambda out: nl.store(out, x)),
        "Expected operand 'value' of 'store'",
        "err_unsupported_memory",
    ),
    (
        "assignment stays on chip",
        lambda x, t: assigned(nl.ndarray((8, 6, 6), nl.float32), ..., t),
        lambda x, t: assigned(nl.ndarray((8, 6, 6), nl.float32), ..., x),
        "address space 'psum|sbuf', but got a tile in 'hbm'",
        "err_unsupported_memory",
    ),
    (
        "assignment writes on chip",
        lambda x, t: assigned(filled((8, 6, 6)), ..., t),
        lambda x, t: stored((8, 6, 6), lambda out: assigned(out, ..., t)),
        "Expected operand 'dst'",
        "err_unsupported_memory",
    ),
    (
        "compute stays on chip",
        lambda x, t: t + t,
        lambda x, t: x + x,
        "but got a tile in 'hbm'",
        "err_unsupported_memory",
    ),
    (
        "dma_copy does not reach PSUM",
        lambda x, t: nisa.dma_copy(dst=t, src=x) or t,
        lambda x, t: nisa.dma_copy(dst=filled((8, 6, 6), buffer=nl.psum), src=x),
        "Expected operand 'dst' of 'dma_copy'",
        "err_unsupported_memory",
    ),
    (
        "dma_copy counts",
        lambda x, t: nisa.dma_copy(dst=t[:, 0:2], src=x[:, 4:6]) or t,
        lambda x, t: nisa.dma_copy(dst=t[:, 0:2], src=x),
        "the same number of elements",
    ),
    ("rank of a load", lambda x, t: nl.load(x[:, 0]), lambda x, t: nl.load(x[:, 0, 0]), "Insufficient rank"),
    (
        "partitions of a load",
        lambda x, t: nl.load(x.reshape((72, 4))),
        lambda x, t: nl.load(x.reshape((144, 2))),
        "Size of partition dimension 144",
        "err_num_partition_exceed_arch_limit",
    ),
    (
        "destination of a store",
        lambda x, t: stored((8, 6, 6), lambda out: nl.store(out, t[:, 0:1])),
        lambda x, t: stored((8, 6, 1), lambda out: nl.store(out, t)),
        "Illegal assignment destination shape in 'nl.store': shape [8, 6, 1]",
        "err_store_dst_shape_smaller_than_other_shape",
    ),
    (
        "destination of an assignment",
        lambda x, t: assigned(t, (..., slice(0, 2)), nl.load(x[:, :, 3:5])),
        lambda x, t: assigned(t, (..., slice(0, 2)), nl.load(x[:, :, 2:5])),
        "Illegal assignment destination shape in 'a = b': shape [8, 6, 2]",
        "err_store_dst_shape_smaller_than_other_shape",
    ),
    (
        "partitions of an assignment",
        lambda x, t: assigned(filled((8, 6, 6)), ..., t),
        lambda x, t: assigned(filled((16, 6, 6)), ..., t),
        "number of partitions",
        "err_num_partition_mismatch",
    ),
    (
        "rank of a store",
        lambda x, t: stored((8, 36), lambda out: nl.store(out, t.reshape((8, 36)))),
        lambda x, t: stored((8, 36), lambda out: nl.store(out, t)),
        "shape [8, 36]",
        "err_store_dst_shape_smaller_than_other_shape",
    ),
    (
        "value of a store",
        lambda x, t: stored((8, 2), lambda out: nl.store(out, 1.5)),
        lambda x, t: stored((8, 2), lambda out: nl.store(out, "1")),
        "'value' is a tensor or a scalar, got str",
    ),
    (
        "value of an assignment",
        lambda x, t: assigned(t, ..., 1),
        lambda x, t: assigned(t, ..., [1]),
        "a tensor or a scalar can be assigned, got list",
    ),
    (
        "reshape keeps elements",
        lambda x, t: t.reshape((8, 36)),
        lambda x, t: t.reshape((8, 35)),
        "cannot be reshaped to [8, 35]",
    ),
    (
        "reshape keeps partitions",
        lambda x, t: t.reshape((8, 9, 4)),
        lambda x, t: t.reshape((4, 72)),
        "cannot be reshaped to [4, 72]",
    ),
    (
        "reshape of a strided piece",
        lambda x, t: nl.copy(t[:, 0:3].reshape((8, 18))),
        lambda x, t: t[:, :, 0:3].reshape((8, 18)),
        "cannot be reshaped to [8, 18]",
    ),
    (
        "broadcast_to",
        lambda x, t: nl.copy(t[:, 0:1].broadcast_to((8, 4, 6))),
        lambda x, t: t[:, 0:2].broadcast_to((8, 4, 6)),
        "only dimensions of size 1 repeat",
    ),
    (
        "expand_dims",
        lambda x, t: nl.copy(t.expand_dims(3)),
        lambda x, t: t.expand_dims(1),
        "inserts after the last axis",
    ),
    (
        "assert_shape",
        lambda x, t: t.assert_shape((8, 6, 6)),
        lambda x, t: t.assert_shape((8, 6, 5)),
        "expected shape [8, 6, 5]",
    ),
    ("no iteration over a tensor", lambda x, t: t, lambda x, t: list(t), "cannot be iterated over"),
    (
        "no truth value of a tensor",
        lambda x, t: t,
        lambda x, t: bool(t),
        "is ambiguous",
        "err_ambiguous_tensor_truth_value",
    ),
]
