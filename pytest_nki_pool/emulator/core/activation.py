"""ScalarE's activation and the instructions of VectorE that reduce what they write.

Sources: NKI ISA, activation and tensor_scalar_reduce.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

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
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined, Operand


#: Function of ScalarE -> smallest and largest magnitude that it takes. Beyond, and nothing is said of what comes out:
#: it is undefined. Zero, infinity and NaN are special values of their own ("NKI API common fields", activation
#: functions).
INPUT_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "log": (2.0**-64, 2.0**64),
        "reciprocal": (2.0**-42, 2.0**42),
        "rsqrt": (2.0**-87, 2.0**97),
        "sqrt": (2.0**-116, 2.0**118),
    }
)


def _in_range(op: str, values: Array) -> Defined:
    low, high = INPUT_RANGES[op]
    size = np.abs(values)
    outside = ((size < low) | (size > high)) & (size != 0) & (size < np.inf)
    return not outside.any() or ~outside


def activate(
    dst: AccessPattern,
    op: str,
    data: AccessPattern,
    *,
    scale: Operand = 1.0,
    bias: Operand = 0.0,
    limited: bool = True,
    api: str = "activation",
) -> tuple[Array, Defined]:
    """Compute `op(data * scale + bias)` in fp32 and round once.

    What comes of a value outside of `INPUT_RANGES` is undefined.

    Args:
        dst: destination on chip.
        op: name of `alu.UNARY`.
        data: source of as many partitions and elements.
        scale: number, or one element per partition.
        bias: likewise.
        limited: whether ScalarE computes it; VectorE has a reciprocal without such a range.
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
    parts = [defined_of(operand, partitions) for operand in (data, scale, bias)]
    if limited and op in INPUT_RANGES:
        parts.append(_in_range(op, values))
    defined = all_defined(parts)
    values = UNARY[op](values)
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
