"""Index patterns and selection: `iota`, `affine_select`, `where`, `select_reduce`, predicated copies.

Sources: NKI ISA, iota, affine_select, select_reduce and tensor_copy_predicated.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.alu import BINARY
from pytest_nki_pool.emulator.core.dtypes import FLOAT32, round_to
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
    values_of,
)
from pytest_nki_pool.emulator.core.traffic import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined, Operand

_INT32 = np.iinfo(np.int32)


def affine_values(partitions: int, pattern: Sequence[tuple[int, int]], offset: int, multiplier: int, api: str) -> Array:
    """Evaluate `offset + partition * multiplier + Σ index * step` in 32-bit integers.

    Args:
        partitions: number of partitions.
        pattern: (step, count) of every free dimension.
        offset: constant.
        multiplier: step from one partition to the next.
        api: NKI function in messages.

    Returns:
        int64 values of shape partitions x free elements.

    Raises:
        NKIError: a value leaves the range of int32.
    """
    pairs = [(multiplier, partitions), *pattern]
    reach = [step * (count - 1) for step, count in pairs]
    low, high = (offset + sum(end for end in reach if (end < 0) == below) for below in (True, False))
    if low < _INT32.min or high > _INT32.max:
        raise NKIError(f"{api}: the values {low} to {high} of the pattern leave the range of int32")
    values = np.full((), offset, np.int64)
    for step, count in pairs:
        values = values[..., None] + step * np.arange(count)
    return values.reshape(partitions, -1)


def iota(dst: AccessPattern, values: Array, *, api: str = "iota") -> None:
    """Write integers that follow a pattern, converted to the dtype of the destination.

    Args:
        dst: tile in SBUF.
        values: int64, partitions x free elements, see `affine_values`.
        api: NKI function in messages.

    Raises:
        NKIError: the destination is elsewhere or of another size.
    """
    check_operands(api, SBUF, dst=dst)
    _check_pattern(dst, values, api)
    target = write(dst)
    if target.dtype.kind in "iu":
        limits = np.iinfo(target.dtype)
        target[...] = np.clip(values, limits.min, limits.max).reshape(dst.shape)
    else:
        target[...] = round_to(values.astype(FLOAT32), target.dtype).reshape(dst.shape)
    dst.mark(True)


def affine_select(
    dst: AccessPattern,
    values: Array,
    compare: str,
    on_true: AccessPattern,
    on_false: float,
    *,
    api: str = "affine_select",
) -> None:
    """Keep the elements whose index pattern compares true with 0, and replace the others by a number.

    Args:
        dst: tile in SBUF.
        values: int64, partitions x free elements, see `affine_values`.
        compare: one of `alu.COMPARISONS`.
        on_true: tile in SBUF of as many partitions and elements.
        on_false: number.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is elsewhere or of another size.
    """
    check_operands(api, SBUF, dst=dst, on_true_tile=on_true)
    _check_pattern(dst, values, api)
    choose(dst, BINARY[compare](values, 0) != 0, True, on_true, on_false, api=api)


def _check_pattern(dst: AccessPattern, values: Array, api: str) -> None:
    if values.shape[0] != dst.shape[0] or values.size != dst.size:
        raise NKIError(
            f"{api}: the pattern has {prod(values.shape[1:])} elements per partition, 'dst' {list(dst.shape)} of "
            f"{dst.storage.describe()} has {dst.size // dst.shape[0]}"
        )


def predicate_of(access: AccessPattern, *, reverse: bool = False) -> tuple[Array, Defined]:
    """Where a predicate tile is not 0, and where it is defined; both partitions x free elements."""
    values = matrix(access)
    return (values == 0 if reverse else values != 0), defined_of(access, access.shape[0])


def choose(
    dst: AccessPattern, mask: Array, mask_defined: Defined, on_true: Operand, on_false: Operand, *, api: str
) -> None:
    """Take elements of one operand where a mask holds and of another elsewhere; equal dtypes are bit-exact.

    Args:
        dst: destination on chip.
        mask: bool, partitions x free elements of `dst`.
        mask_defined: where the mask is defined.
        on_true: number, tile of the size of `dst`, or one element per partition.
        on_false: likewise.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is not on chip, not addressable or of another size.
    """
    check_operands(api, dst=dst, on_true=on_true, on_false=on_false)
    parts = []
    for role, operand in (("on_true", on_true), ("on_false", on_false)):
        if isinstance(operand, AccessPattern) and not is_column(operand, dst.shape[0]):
            check_same_size(api, dst, **{role: operand})
        parts.append((_in_dtype(operand, dst), defined_of(operand, dst.shape[0])))
    (yes, yes_defined), (no, no_defined) = parts
    result = np.where(mask, yes, no)
    defined: Any = True
    if yes_defined is not True or no_defined is not True:
        defined = np.where(mask, yes_defined, no_defined)
    write(dst)[...] = result.reshape(dst.shape)
    mark(dst, all_defined([mask_defined, defined]))


def _in_dtype(operand: Operand, dst: AccessPattern) -> Array:
    if isinstance(operand, AccessPattern) and operand.storage.dtype == dst.storage.dtype:
        return matrix(operand)
    return round_to(values_of(operand, dst.shape[0]), dst.storage.array.dtype)


def copy_predicated(
    dst: AccessPattern,
    src: Operand,
    predicate: AccessPattern,
    *,
    reverse: bool = False,
    api: str = "tensor_copy_predicated",
) -> None:
    """Copy elements where a predicate is not 0; the others keep what they hold.

    Args:
        dst: destination on chip.
        src: tile of as many partitions and elements, or a number.
        predicate: tile of as many partitions and elements.
        reverse: copy where the predicate is 0.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is not on chip, not addressable or of another size.
    """
    check_operands(api, dst=dst, src=src, predicate=predicate)
    check_same_size(api, dst, src=src, predicate=predicate)
    mask, mask_defined = predicate_of(predicate, reverse=reverse)
    values = np.broadcast_to(_in_dtype(src, dst), mask.shape).reshape(dst.shape).copy()
    before, after = defined_of(dst, dst.shape[0]), defined_of(src, dst.shape[0])
    np.copyto(write(dst), values, where=mask.reshape(dst.shape))
    defined: Any = True if before is True and after is True else np.where(mask, after, before)
    mark(dst, all_defined([mask_defined, defined]))
