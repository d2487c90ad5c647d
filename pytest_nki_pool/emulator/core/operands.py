"""Operands of instructions that are computed as a whole: values, definedness, and one write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.dtypes import FLOAT32, as_float32, round_into
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.rules import CHIP, check_buffer, check_compute
from pytest_nki_pool.emulator.core.traffic import read, write

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import TypeAlias

    from pytest_nki_pool.emulator.core.dtypes import Array

    Operand: TypeAlias = AccessPattern | float
    Defined: TypeAlias = bool | Array

SBUF = frozenset({Buffer.SBUF})
PSUM = frozenset({Buffer.PSUM})


def check_operands(api: str, buffers: Collection[Buffer] = CHIP, **operands: AccessPattern | float | None) -> None:
    """Check tensor operands of a compute instruction; numbers and None pass.

    Args:
        api: NKI function in messages.
        buffers: where the operands may live.
        **operands: operands by their parameter names.

    Raises:
        NKIError: one lives elsewhere, or the engines cannot address it.
    """
    for role, operand in operands.items():
        if isinstance(operand, AccessPattern):
            check_buffer(operand, role, api, buffers)
            check_compute(operand, role, api)


def check_same_size(api: str, dst: AccessPattern, **operands: AccessPattern | float | None) -> None:
    """Check that tensor operands have the partitions and the free elements of the destination.

    Raises:
        NKIError: one has not.
    """
    for role, operand in operands.items():
        if isinstance(operand, AccessPattern) and (operand.shape[0] != dst.shape[0] or operand.size != dst.size):
            raise NKIError(
                f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} and '{role}' {list(operand.shape)} of "
                f"{operand.storage.describe()} differ in partitions or free elements"
            )


def is_column(operand: AccessPattern, partitions: int) -> bool:
    """Whether an operand holds one element per partition."""
    return operand.shape[0] == partitions and operand.size == partitions


def matrix(access: AccessPattern) -> Array:
    """Elements of an on-chip operand as partitions x free elements, a copy where no view can express that."""
    return read(access).reshape(access.shape[0], -1)


def values_of(operand: Operand, partitions: int) -> Array:
    """Values of an operand as fp32, partitions x free elements; a number is 1 x 1."""
    if isinstance(operand, AccessPattern):
        return as_float32(read(operand)).reshape(partitions, -1)
    return np.full((1, 1), operand, FLOAT32)


def defined_of(operand: Operand, partitions: int) -> Defined:
    """Which elements of an operand are defined: a bool, or partitions x free elements."""
    if not isinstance(operand, AccessPattern):
        return True
    defined = operand.defined()
    return defined if isinstance(defined, bool) else defined.reshape(partitions, -1)


def all_defined(parts: Sequence[Defined]) -> Defined:
    """Where all of several operands are defined; they broadcast."""
    arrays: list[Any] = [part for part in parts if not isinstance(part, bool)]
    if any(part is False for part in parts):
        return False
    return True if not arrays else np.logical_and.reduce(np.broadcast_arrays(*arrays))


def put(dst: AccessPattern, values: Array, defined: Defined = True) -> None:
    """Write fp32 values with one rounding, and which of them are defined.

    Args:
        dst: destination.
        values: partitions x free elements; smaller ones broadcast.
        defined: a bool or an array like `values`.
    """
    target = write(dst)
    rows = dst.shape[0], dst.size // dst.shape[0]
    round_into(target, np.broadcast_to(values, rows).reshape(dst.shape))
    mark(dst, defined)


def mark(dst: AccessPattern, defined: Defined) -> None:
    """Record which elements of a destination are defined: a bool, or partitions x free elements, which broadcast."""
    if not isinstance(defined, bool):
        rows = dst.shape[0], dst.size // dst.shape[0]
        defined = np.broadcast_to(defined, rows).reshape(dst.shape)
    dst.mark(defined)
