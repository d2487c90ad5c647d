"""ScalarE's activation and the instructions of VectorE that reduce what they write.

Sources: NKI ISA, activation and tensor_scalar_reduce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.alu import BINARY, UNARY
from pytest_nki_pool.emulator.core.operands import (
    all_defined,
    check_operands,
    check_same_size,
    defined_of,
    put,
    values_of,
)

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined, Operand


def activate(
    dst: AccessPattern,
    op: str,
    data: AccessPattern,
    *,
    scale: Operand = 1.0,
    bias: Operand = 0.0,
    api: str = "activation",
) -> tuple[Array, Defined]:
    """Compute `op(data * scale + bias)` in fp32 and round once.

    Args:
        dst: destination on chip.
        op: name of `alu.UNARY`.
        data: source of as many partitions and elements.
        scale: number, or one element per partition.
        bias: likewise.
        api: NKI function in messages.

    Returns:
        The fp32 values before the rounding and where they are defined, partitions x free elements.

    Raises:
        NKIError: an operand is not on chip, not addressable or of another size.
    """
    check_operands(api, dst=dst, data=data, scale=scale, bias=bias)
    check_same_size(api, dst, data=data)
    partitions = dst.shape[0]
    values = values_of(data, partitions)
    if scale != 1.0:
        values = values * values_of(scale, partitions)
    if bias != 0.0:
        values = values + values_of(bias, partitions)
    values = UNARY[op](values)
    defined = all_defined([defined_of(operand, partitions) for operand in (data, scale, bias)])
    put(dst, values, defined)
    return values, defined


def scale_elements(
    dst: AccessPattern, op: str, data: AccessPattern, operand: Operand, *, api: str = "tensor_scalar_reduce"
) -> tuple[Array, Defined]:
    """Compute `data op operand` in fp32 and round once.

    Args:
        dst: destination on chip.
        op: name of `alu.BINARY`.
        data: source of as many partitions and elements.
        operand: number, or one element per partition.
        api: NKI function in messages.

    Returns:
        As `activate`.

    Raises:
        NKIError: an operand is not on chip, not addressable or of another size.
    """
    check_operands(api, dst=dst, data=data, operand0=operand)
    check_same_size(api, dst, data=data)
    partitions = dst.shape[0]
    values = BINARY[op](values_of(data, partitions), values_of(operand, partitions))
    defined = all_defined([defined_of(data, partitions), defined_of(operand, partitions)])
    put(dst, values, defined)
    return values, defined
