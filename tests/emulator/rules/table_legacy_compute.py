"""Reductions and arithmetic of the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl


def filled(shape: Any, dtype: Any = nl.float32, **options: Any) -> Any:
    return nl.full(shape, 1, dtype, **options)


def assigned(tile: Any, key: Any, value: Any) -> Any:
    tile[key] = value
    return tile


def psum_like(t: Any) -> Any:
    return assigned(nl.ndarray(t.shape, t.dtype, buffer=nl.psum), ..., t)


DIALECT = "legacy"

RULES = [
    (
        "engine of memset",
        lambda x, t: nisa.memset((8, 1), 0, nl.float32, engine=nisa.vector_engine),
        lambda x, t: nisa.memset((8, 1), 0, nl.float32, engine=nisa.tensor_engine),
        "memset does not run on engine tensor; use one of vector, gpsimd on gen3",
    ),
    ("axis 0", lambda x, t: nl.sum(t, axis=1), lambda x, t: nl.sum(t, axis=0), "axis 0 is the partition dimension"),
    (
        "axis in range",
        lambda x, t: nl.sum(t, axis=-2),
        lambda x, t: nl.sum(t, axis=3),
        "is not among the 3 dimensions",
    ),
    (
        "negative axis 0",
        lambda x, t: nl.sum(t, axis=[-2, -1]),
        lambda x, t: nl.sum(t, axis=-3),
        "axis 0 is the partition",
    ),
    ("axes once", lambda x, t: nl.sum(t, axis=[1, 2]), lambda x, t: nl.sum(t, axis=[1, -2]), "distinct and ascending"),
    ("axes", lambda x, t: nl.sum(t, axis=[1]), lambda x, t: nl.sum(t, axis=[]), "is not among"),
    ("axis is an integer", lambda x, t: nl.sum(t, axis=1), lambda x, t: nl.sum(t, axis=1.0), "axis is an integer"),
    ("sum of a tensor", lambda x, t: nl.sum(t, axis=1), lambda x, t: nl.sum(3, axis=1), "'x' is a tensor, got int"),
    (
        "last axes of tensor_reduce",
        lambda x, t: nisa.tensor_reduce(np.add, t, [1, 2]),
        lambda x, t: nisa.tensor_reduce(np.add, t, [1]),
        "axes are the last ones",
    ),
    (
        "partitions of an operator",
        lambda x, t: nl.add(t, nl.load(x[0:1])),
        lambda x, t: t + nl.load(x[0:1]),
        "number of partitions",
        "err_num_partition_mismatch",
    ),
    (
        "partitions of a function",
        lambda x, t: nl.add(t, t),
        lambda x, t: nl.add(t, nl.load(x[0:2])),
        "number of partitions",
        "err_num_partition_mismatch",
    ),
    (
        "partitions of +=",
        lambda x, t: t.__iadd__(1),
        lambda x, t: t.__iadd__(nl.load(x[0:1])),
        "number of partitions",
        "err_num_partition_mismatch",
    ),
    ("free shapes", lambda x, t: t + t[:, 0:1], lambda x, t: t + t[:, 0:2], "shapes do not broadcast"),
    ("ranks", lambda x, t: t + t, lambda x, t: t + filled((8, 6)), "differ in rank"),
    ("operands", lambda x, t: t * 2, lambda x, t: t * "2", "operands are tensors and scalars, got str"),
    (
        "no arrays of NumPy",
        lambda x, t: t * np.float32(2),
        lambda x, t: np.ones((8, 6, 6), np.float32) * t,
        "got ndarray",
    ),
    ("one tensor at least", lambda x, t: nl.add(t, 1), lambda x, t: nl.add(1, 1), "at least one operand is a tensor"),
    (
        "no divide in the ALU",
        lambda x, t: nl.divide(t, 2),
        lambda x, t: nisa.tensor_scalar(t, np.divide, 2),
        "divide is no operation of the ALU",
    ),
    (
        "shapes of tensor_tensor",
        lambda x, t: nisa.tensor_tensor(t, t, np.add),
        lambda x, t: nisa.tensor_tensor(t, t[:, 0:1], np.add),
        "different free shapes",
    ),
    (
        "PSUM of tensor_tensor",
        lambda x, t: nisa.tensor_tensor(t, psum_like(t), np.add),
        lambda x, t: nisa.tensor_tensor(psum_like(t), psum_like(t), np.add),
        "only one operand may live in PSUM",
    ),
    (
        "operand of tensor_scalar",
        lambda x, t: nisa.tensor_scalar(t, np.add, t[:, 0, 0:1]),
        lambda x, t: nisa.tensor_scalar(t, np.add, t[:, 0]),
        "a tile of shape [8, 1]",
    ),
    (
        "op1 with operand1",
        lambda x, t: nisa.tensor_scalar(t, np.add, 1, False, np.add, 1),
        lambda x, t: nisa.tensor_scalar(t, np.add, 1, False, np.add),
        "come together",
    ),
]
