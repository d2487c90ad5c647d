"""Across partitions: reductions of GpSimdE and transposing DMA.

Sources: NKI ISA, tensor_partition_reduce and dma_transpose.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.alu import BINARY
from pytest_nki_pool.emulator.core.dtypes import name_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import SBUF, check_operands, defined_of, mark, matrix, put, values_of
from pytest_nki_pool.emulator.core.rules import DMA, check_buffer, check_partitions
from pytest_nki_pool.emulator.core.traffic import read, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.access import AccessPattern

#: Permutation of the dimensions that a DMA transposition applies, by their number.
TRANSPOSITIONS: Mapping[int, tuple[int, ...]] = MappingProxyType({2: (1, 0), 3: (2, 1, 0), 4: (3, 1, 2, 0)})

_BITS: Mapping[str, np.ufunc] = MappingProxyType({"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or})


def partition_reduce(dst: AccessPattern, op: str, data: AccessPattern, *, api: str = "tensor_partition_reduce") -> None:
    """Reduce the partition dimension on GpSimdE.

    Args:
        dst: one partition in SBUF with as many free elements.
        op: add, maximum, bitwise_and or bitwise_or.
        data: tile in SBUF.
        api: NKI function in messages.

    Raises:
        NKIError: another operation, or operands that GpSimdE does not take.
    """
    check_operands(api, SBUF, dst=dst, data=data)
    if op not in {"add", "maximum", *_BITS}:
        raise NKIError(f"{api} reduces by add, maximum, bitwise_and or bitwise_or, got {op}")
    if dst.shape[0] != 1 or dst.size != data.size // data.shape[0]:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold one partition of 'data' "
            f"{list(data.shape)}"
        )
    defined = defined_of(data, data.shape[0])
    kept = defined if isinstance(defined, bool) else np.logical_and.reduce(defined, axis=0, keepdims=True)
    if op not in _BITS:
        put(dst, BINARY[op].reduce(values_of(data, data.shape[0]), axis=0, keepdims=True), kept)
        return
    if data.storage.dtype.kind not in "biu" or data.storage.dtype != dst.storage.dtype:
        raise NKIError(
            f"{api}: operations on bit patterns take integers of one dtype, got {data.storage.describe()} and "
            f"{dst.storage.describe()}"
        )
    write(dst)[...] = _BITS[op].reduce(matrix(data), axis=0).reshape(dst.shape)
    mark(dst, kept)


def dma_transpose(dst: AccessPattern, src: AccessPattern, *, api: str = "dma_transpose") -> None:
    """Transpose by DMA as `TRANSPOSITIONS` says, bit for bit.

    Args:
        dst: tile in SBUF.
        src: 2 to 4 dimensions in HBM or SBUF, of the same 2-byte dtype.
        api: NKI function in messages.

    Raises:
        NKIError: another number of dimensions, dtype, shape or buffer.
    """
    check_buffer(src, "src", api, DMA)
    check_buffer(dst, "dst", api, SBUF)
    check_partitions(dst, "dst", api)
    if src.storage.on_chip:
        check_partitions(src, "src", api)
    order = TRANSPOSITIONS.get(len(src.shape))
    if order is None:
        raise NKIError(f"{api} takes 2 to 4 dimensions, got {list(src.shape)} of {src.storage.describe()}")
    if src.storage.dtype.itemsize != 2 or src.storage.dtype != dst.storage.dtype:
        raise NKIError(
            f"{api} moves 2-byte elements without a cast, got {name_of(src.storage.dtype)} and "
            f"{name_of(dst.storage.dtype)}: {src.storage.describe()}, {dst.storage.describe()}"
        )
    shape = tuple(src.shape[dim] for dim in order)
    if dst.shape != shape:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold 'src' {list(src.shape)} with "
            f"its dimensions in the order {list(order)}, which is {list(shape)}"
        )
    values = read(src).transpose(order).copy()
    defined = src.defined()
    write(dst)[...] = values
    dst.mark(defined if isinstance(defined, bool) else defined.transpose(order))
