"""Integer operations: exact 32-bit arithmetic of GpSimdE, and bit patterns on VectorE.

Sources: NKI ISA, tensor_tensor (32-bit integers, bitvec operators); NKI API common fields.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.alu import BINARY, COMPARISONS
from pytest_nki_pool.emulator.core.dtypes import name_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import (
    SBUF,
    all_defined,
    check_operands,
    check_same_size,
    defined_of,
    is_column,
    mark,
    matrix,
)
from pytest_nki_pool.emulator.core.traffic import write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array

#: Operations on bit patterns; shifts fill with zeros.
BITWISE: Mapping[str, np.ufunc] = MappingProxyType(
    {
        "bitwise_and": np.bitwise_and,
        "bitwise_or": np.bitwise_or,
        "bitwise_xor": np.bitwise_xor,
        "left_shift": np.left_shift,
        "right_shift": np.right_shift,
    }
)

#: Bit operations that a reduction may use.
BITWISE_REDUCTIONS = frozenset({"bitwise_and", "bitwise_or", "bitwise_xor"})

_EXACT = COMPARISONS | {"add", "subtract", "multiply", "maximum", "minimum"}
_32_BIT = frozenset({"int32", "uint32"})


def is_exact(op: str, *operands: AccessPattern) -> bool:
    """Whether GpSimdE computes an operation of tiles exactly: 32-bit integers throughout, none of them in PSUM."""
    return op in _EXACT and all(
        name_of(access.storage.dtype) in _32_BIT and access.storage.buffer in SBUF for access in operands
    )


def exact(dst: AccessPattern, op: str, a: AccessPattern, b: AccessPattern, *, api: str = "tensor_tensor") -> None:
    """Compute on 32-bit integers without rounding; results wrap around.

    Args:
        dst: destination, see `is_exact`.
        op: add, subtract, multiply, maximum, minimum or a comparison.
        a: first operand of as many partitions and elements.
        b: second operand, likewise.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is elsewhere, not addressable or of another size.
    """
    check_operands(api, SBUF, dst=dst, data1=a, data2=b)
    check_same_size(api, dst, data1=a, data2=b)
    with np.errstate(over="ignore"):
        result = BINARY[op](matrix(a).astype(np.int64), matrix(b).astype(np.int64))
    write(dst)[...] = result.astype(dst.storage.dtype).reshape(dst.shape)
    mark(dst, all_defined([defined_of(a, dst.shape[0]), defined_of(b, dst.shape[0])]))


def bitwise(
    dst: AccessPattern,
    data: AccessPattern,
    steps: Sequence[tuple[str, AccessPattern | int, bool]],
    *,
    api: str = "tensor_scalar",
) -> None:
    """Apply operations on bit patterns one after the other.

    Args:
        dst: integer destination on chip.
        data: integers of the same width, as many partitions and elements.
        steps: (operation of `BITWISE`, second operand, reversed); an operand is an integer, a tile like `data`, or one
            element per partition.
        api: NKI function in messages.

    Raises:
        NKIError: no integers, other widths, or operands that the engine does not take.
    """
    check_operands(api, dst=dst, data=data)
    check_same_size(api, dst, data=data)
    partitions = dst.shape[0]
    values = _bits(data, dst, api)
    defined = [defined_of(data, partitions)]
    for op, operand, swap in steps:
        if isinstance(operand, AccessPattern):
            check_operands(api, operand=operand)
            if not is_column(operand, partitions):
                check_same_size(api, dst, operand=operand)
            other = _bits(operand, dst, api)
            defined.append(defined_of(operand, partitions))
        else:
            other = np.asarray(operand & (2 ** (8 * values.itemsize) - 1)).astype(values.dtype)
        values = BITWISE[op](other, values) if swap else BITWISE[op](values, other)
    write(dst)[...] = values.view(_unsigned(dst)).view(dst.storage.dtype).reshape(dst.shape)
    mark(dst, all_defined(defined))


def bitwise_reduce(
    dst: AccessPattern, op: str, src: AccessPattern, axes: Sequence[int], *, api: str = "tensor_reduce"
) -> None:
    """Reduce free axes by an operation on bit patterns.

    Args:
        dst: integer destination, as many partitions and as many elements as the source has outside `axes`.
        op: one of `BITWISE_REDUCTIONS`.
        src: integers of the same width on chip.
        axes: the last axes of `src`.
        api: NKI function in messages.

    Raises:
        NKIError: no integers, other widths, or operands that the engine does not take.
    """
    check_operands(api, dst=dst, data=src)
    kept = src.shape[: len(src.shape) - len(axes)]
    values = BITWISE[op].reduce(_bits(src, dst, api).reshape(src.shape), axis=tuple(axes))
    if dst.shape[0] != src.shape[0] or dst.size != values.size:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold what is left of 'data' "
            f"{list(src.shape)}, which is {list(kept)}"
        )
    defined = src.defined()
    write(dst)[...] = values.view(dst.storage.dtype).reshape(dst.shape)
    dst.mark(defined if isinstance(defined, bool) else defined.all(axis=tuple(axes)).reshape(dst.shape))


def _bits(access: AccessPattern, dst: AccessPattern, api: str) -> Array:
    for operand in (access, dst):
        if operand.storage.dtype.kind not in "biu":
            raise NKIError(f"{api}: operations on bit patterns take integers, got {operand.storage.describe()}")
    if access.storage.dtype.itemsize != dst.storage.dtype.itemsize:
        raise NKIError(
            f"{api}: operations on bit patterns do not cast, got {access.storage.describe()} and "
            f"{dst.storage.describe()}; give both one width"
        )
    return np.ascontiguousarray(matrix(access)).view(_unsigned(access))


def _unsigned(access: AccessPattern) -> str:
    return f"u{access.storage.dtype.itemsize}"
