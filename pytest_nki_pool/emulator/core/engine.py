"""Computing on access patterns: every arithmetic instruction of both dialects.

All of them are destination first. Arithmetic casts its inputs to fp32, computes in fp32 and rounds once to the
destination's dtype ("NKI API common fields": VectorE, ScalarE and GpSimdE compute in fp32). Definedness follows the
data. `api` names the NKI function in messages.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.alu import BINARY
from pytest_nki_pool.emulator.core.dtypes import BFLOAT16, FLOAT32, as_float32, round_into, widen_scaled
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.rules import CHIP, check_buffer, check_compute
from pytest_nki_pool.emulator.core.traffic import read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from pytest_nki_pool.emulator.core.dtypes import Array

    Operand: TypeAlias = AccessPattern | float

#: Operations a reduction may use.
REDUCTIONS = frozenset({"add", "subtract", "multiply", "maximum", "minimum"})

#: Elements that are computed at a time: their fp32 values stay in the CPU's cache, and no operation holds a full copy.
_BLOCK = 1 << 17

#: Reductions that a positive factor on all values passes through.
_SCALABLE = REDUCTIONS - {"multiply"}

#: Fewer elements are not worth any preparation.
_SMALL = 4096

#: With fewer kept elements, one reduction call beats one call per slice.
_FEW_KEPT = 2048


def memset(dst: AccessPattern, value: float, *, api: str = "memset") -> None:
    """Fill an on-chip tensor with one value, rounded to its dtype.

    Raises:
        NKIError: the destination is not on chip or not addressable.
    """
    check_operand(dst, "dst", api)
    fill(dst, value)


def fill(dst: AccessPattern, value: float) -> None:
    """Fill any tensor with one value, rounded to its dtype."""
    meter = dst.storage.launch.meter
    if meter is not None:
        meter.operand(dst, "dst", "memset")
    target = write(dst)
    if target.dtype.kind in "iu" and isinstance(value, (int, np.integer)):
        limits = np.iinfo(target.dtype)
        target[...] = min(max(int(value), limits.min), limits.max)
    else:
        round_into(target, np.asarray(value, FLOAT32))
    dst.mark(True)


def reduce(
    dst: AccessPattern,
    op: str,
    src: AccessPattern,
    axes: Sequence[int],
    *,
    divisor: float | None = None,
    negate: bool = False,
    api: str = "tensor_reduce",
) -> None:
    """Reduce free axes with an fp32 accumulator and one rounding.

    Args:
        dst: as many partitions as the source and as many elements as it has outside `axes`, in their order.
        op: one of `REDUCTIONS`.
        src: source on chip.
        axes: axes of `src`, none of them 0.
        divisor: divides the accumulator before the rounding (mean).
        negate: negates the accumulator before the rounding.
        api: NKI function in messages.

    Raises:
        NKIError: an operand or a shape that the engine does not take.
    """
    check_operand(dst, "dst", api)
    check_operand(src, "data", api)
    if 0 in axes:
        raise NKIError(
            f"{api}: axis 0 is the partition dimension of {src.storage.describe()}; only free axes can be reduced"
        )
    if dst.shape[0] != src.shape[0] or dst.size != prod([n for d, n in enumerate(src.shape) if d not in axes]):
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold what is left of 'data' "
            f"{list(src.shape)} without axes {list(axes)}"
        )
    reduced = _reducer(src, op, axes)
    defined = src.defined()
    target = write(dst)
    for rows in blocks(src, aliased=dst.storage is src.storage):
        values = reduced(rows).reshape(-1, *dst.shape[1:])
        if divisor is not None:
            np.divide(values, np.float32(divisor), out=values)
        # Not in place: NumPy 2.4 with AVX-512 misreads operands whose elements lie 16 bytes apart in both.
        round_into(target[rows], np.negative(values) if negate else values)
    if not isinstance(defined, bool):
        defined = np.logical_and.reduce(defined, axis=tuple(axes)).reshape(dst.shape)
    dst.mark(defined)


def accumulate(values: Array, op: np.ufunc, axes: Sequence[int], *, overwrite: bool = False) -> Array:
    """Reduce axes of values in fp32 one after the other, the one with the largest stride first.

    The accumulator starts from the first element, so -0 survives.

    Args:
        values: values of any dtype.
        op: operation.
        axes: axes of `values`.
        overwrite: whether the accumulator may take the place of the values, which are fp32.

    Returns:
        A fp32 array in which reduced axes have size 1, a new one unless the values may be overwritten.
    """
    source = values
    for axis in sorted(axes, key=lambda a: -abs(source.strides[a])):
        count = values.shape[axis]
        if count == 1:
            continue
        if count > 16 and values.size // count < _FEW_KEPT:
            if op is np.add:  # from -0 on: the one value that leaves every first element as it is
                values = np.add.reduce(values, axis=axis, dtype=FLOAT32, keepdims=True, initial=-0.0)
            else:
                values = op.reduce(values, axis=axis, dtype=FLOAT32, keepdims=True)
            continue
        before: tuple[Any, ...] = (slice(None),) * axis
        first = values[(*before, 0)]
        total = op(first, values[(*before, 1)], out=first if overwrite and values is source else None, dtype=FLOAT32)
        for i in range(2, count):
            op(total, values[(*before, i)], out=total, dtype=FLOAT32)
        values = total[(*before, None)]
    return values.astype(FLOAT32) if values is source else values


def _reducer(access: AccessPattern, op: str, axes: Sequence[int]) -> Callable[[slice], Array]:
    """Reduce an on-chip operand some partitions at a time, see `accumulate`.

    NumPy widens bf16 on the fly, unless every second element is to be added to the one beside it. Other dtypes are
    widened before, to a place where what is added lies apart: whole contiguous slices add up several times faster.
    """
    view = read(access)
    function = BINARY[op]
    strides = access.strides
    if view.dtype == FLOAT32 or (
        view.dtype == BFLOAT16 and any(strides[axis] > 1 and access.shape[axis] > 1 for axis in axes)
    ):
        return lambda rows: accumulate(view[rows], function, axes)
    if access.size < _SMALL:
        return lambda rows: accumulate(as_float32(view[rows]), function, axes)
    layout = sorted(range(len(strides)), key=lambda d: -abs(strides[d]))
    first = next(d for d in layout if d in axes)
    if first != layout[-1]:
        layout.remove(first)
        layout.insert(0, first)
    scratch: list[Array] = []  # one for all blocks: the first is the largest, and fresh memory is slow to touch

    def widened(rows: slice) -> Array:
        values = view[rows].transpose(layout)
        if not scratch:
            scratch.append(np.empty(values.size, FLOAT32))
        block = scratch[0][: values.size].reshape(values.shape)
        factor = widen_scaled(block, values)
        if op not in _SCALABLE:
            np.multiply(block, factor, out=block)
        total = accumulate(block.transpose(np.argsort(layout)), function, axes, overwrite=True)
        return np.multiply(total, factor, out=total) if op in _SCALABLE else total

    return widened


def blocks(access: AccessPattern, *, aliased: bool) -> list[slice]:
    """Cut the first dimension into blocks; one block when source and destination may overlap."""
    count, size = access.shape[0], access.size
    if aliased or size <= _BLOCK:
        return [slice(0, count)]
    step = max(1, _BLOCK * count // size)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def elementwise(dst: AccessPattern, op: str, a: Operand, b: Operand, *, api: str = "tensor_tensor") -> None:
    """Apply a binary operation of `BINARY`; operands broadcast to the destination as in NumPy.

    Raises:
        NKIError: an operand is not on chip or not addressable, or does not broadcast.
    """
    chain(dst, a, [(op, b, False)], api=api)


def chain(
    dst: AccessPattern,
    data: Operand,
    steps: Sequence[tuple[str, Operand, bool]],
    *,
    api: str = "tensor_scalar",
) -> None:
    """Apply binary operations one after the other in fp32, then round once.

    Args:
        dst: destination; every operand broadcasts to its shape.
        data: first operand.
        steps: (operation, second operand, reversed): reversed computes `operand op data`.
        api: NKI function in messages.

    Raises:
        NKIError: an operand is not on chip or not addressable, or does not broadcast.
    """
    check_operand(dst, "dst", api)
    operands = [data, *(operand for _, operand, _ in steps)]
    readers = [_reader(operand, dst, "data" if i == 0 else "operand", api) for i, operand in enumerate(operands)]
    defined: bool | Array = True
    for operand in operands:
        defined = _both(defined, _defined_as(operand, dst.shape))
    target = write(dst)
    aliased = dst.storage in [operand.storage for operand in operands if isinstance(operand, AccessPattern)]
    for rows in blocks(dst, aliased=aliased):
        values = readers[0](rows)
        for step, ((op, _, swap), reader) in enumerate(zip(steps, readers[1:], strict=True), 1):
            pair = (reader(rows), values) if swap else (values, reader(rows))
            if step == len(steps) and target.dtype == FLOAT32 and isinstance(BINARY[op], np.ufunc):
                BINARY[op](*pair, out=target[rows])  # nothing is left to round
                break
            values = BINARY[op](*pair)
        else:
            round_into(target[rows], values)
    dst.mark(defined)


def _reader(operand: Operand, dst: AccessPattern, role: str, api: str) -> Callable[[slice], Any]:
    if not isinstance(operand, AccessPattern):
        scalar = np.float32(operand)
        return lambda _: scalar
    check_operand(operand, role, api)
    if operand.shape != dst.shape and operand.broadcast_to(dst.shape) is None:
        raise NKIError(
            f"{api}: {role} {list(operand.shape)} of {operand.storage.describe()} does not broadcast to "
            f"{list(dst.shape)} of {dst.storage.describe()}"
        )
    view = read(operand)
    by_row = len(operand.shape) == len(dst.shape) and operand.shape[0] == dst.shape[0]
    return lambda rows: as_float32(view[rows] if by_row else view)


def _defined_as(operand: Operand, shape: tuple[int, ...]) -> bool | Array:
    if not isinstance(operand, AccessPattern):
        return True
    defined = operand.defined()
    return defined if isinstance(defined, bool) else np.broadcast_to(defined, shape)


def _both(a: bool | Array, b: bool | Array) -> bool | Array:
    if a is True:
        return b
    if b is True:
        return a
    return False if a is False or b is False else np.logical_and(a, b)


def check_operand(access: AccessPattern, role: str, api: str) -> None:
    """Check an operand of a compute instruction: on chip, and addressable.

    Raises:
        NKIError: it is not.
    """
    check_buffer(access, role, api, CHIP)
    check_compute(access, role, api)
