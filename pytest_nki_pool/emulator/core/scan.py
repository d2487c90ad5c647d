"""Scans, logical reductions and variances along the free dimensions (NKI ISA, tensor_tensor_scan and tensor_reduce)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.alu import BINARY
from pytest_nki_pool.emulator.core.dtypes import FLOAT32
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import (
    all_defined,
    check_operands,
    check_same_size,
    defined_of,
    put,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Operand


def scan(
    dst: AccessPattern,
    data0: AccessPattern,
    data1: AccessPattern,
    initial: Operand,
    ops: tuple[str, str],
    *,
    reverse: tuple[bool, bool] = (False, False),
    api: str = "tensor_tensor_scan",
) -> None:
    """Compute `state = op1(op0(data0, state), data1)` element after element in fp32, and round every state once.

    Args:
        dst: destination on chip.
        data0: first operand, as many partitions and elements.
        data1: second operand, likewise.
        initial: first state: a number, or one element per partition.
        ops: names of `alu.BINARY`.
        reverse: whether an operation takes its operands in the other order.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is not on chip, not addressable or of another size.
    """
    check_operands(api, dst=dst, data0=data0, data1=data1, initial=initial)
    check_same_size(api, dst, data0=data0, data1=data1)
    partitions = dst.shape[0]
    first, second = values_of(data0, partitions), values_of(data1, partitions)
    state = np.broadcast_to(values_of(initial, partitions)[:, 0], (partitions,))
    states = np.empty(first.shape, FLOAT32)
    for i in range(first.shape[1]):
        state = _step(ops[0], first[:, i], state, swap=reverse[0])
        state = _step(ops[1], state, second[:, i], swap=reverse[1])
        states[:, i] = state
    defined = all_defined([defined_of(operand, partitions) for operand in (data0, data1, initial)])
    put(dst, states, defined if isinstance(defined, bool) else np.logical_and.accumulate(defined, axis=1))


def _step(op: str, a: Array, b: Array, *, swap: bool) -> Array:
    result: Array = BINARY[op](b, a) if swap else BINARY[op](a, b)
    return result


#: Logical operations that a reduction may use.
LOGICAL_REDUCTIONS: Mapping[str, np.ufunc] = MappingProxyType(
    {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor}
)


def logical_reduce(
    dst: AccessPattern, op: str, src: AccessPattern, axes: Sequence[int], *, api: str = "tensor_reduce"
) -> None:
    """Reduce the last axes of a tile by a logical operation to 1 or 0.

    Args:
        dst: as many partitions, and as many elements as the source has outside `axes`.
        op: one of `LOGICAL_REDUCTIONS`.
        src: source on chip; an element is true when it is not 0.
        axes: the last axes of `src`.
        api: NKI function in messages.

    Raises:
        NKIError: an operand or a shape that the engine does not take.
    """
    _reduce_last(dst, src, axes, api, lambda values: LOGICAL_REDUCTIONS[op].reduce(values != 0, axis=-1))


def variance(dst: AccessPattern, src: AccessPattern, axes: Sequence[int], *, api: str = "var") -> None:
    """Compute the mean square distance from the mean over the last axes of a tile in fp32.

    Args:
        dst: as many partitions, and as many elements as the source has outside `axes`.
        src: source on chip.
        axes: the last axes of `src`.
        api: NKI function in messages.

    Raises:
        NKIError: an operand or a shape that the engine does not take.
    """
    _reduce_last(dst, src, axes, api, lambda values: np.var(values, axis=-1))


def _reduce_last(
    dst: AccessPattern, src: AccessPattern, axes: Sequence[int], api: str, reduce: Callable[[Array], Array]
) -> None:
    check_operands(api, dst=dst, data=src)
    partitions = src.shape[0]
    kept = src.shape[: len(src.shape) - len(axes)]
    values = values_of(src, partitions).reshape(*kept, -1)
    if dst.shape[0] != partitions or dst.size * values.shape[-1] != src.size:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold what is left of 'data' "
            f"{list(src.shape)}, which is {list(kept)}"
        )
    defined = defined_of(src, partitions)
    if not isinstance(defined, bool):
        defined = np.logical_and.reduce(defined.reshape(values.shape), axis=-1).reshape(partitions, -1)
    put(dst, reduce(values).astype(FLOAT32).reshape(partitions, -1), defined)
