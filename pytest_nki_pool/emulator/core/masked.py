"""Instructions under a mask: elements that are masked off are not touched.

On a box the instruction runs on smaller strided views. Otherwise it runs on the bounding box into a scratch array, and
the selected elements are merged into the destination.
"""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import AccessPattern, Span
from pytest_nki_pool.emulator.core.cost import counts_only
from pytest_nki_pool.emulator.core.dtypes import as_float32
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.masks import Region, Selection
from pytest_nki_pool.emulator.core.reach import Reach, scratch
from pytest_nki_pool.emulator.core.rules import MAX_ELEMENTS
from pytest_nki_pool.emulator.core.traffic import read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from pytest_nki_pool.emulator.core.dtypes import Array

    Operand: TypeAlias = AccessPattern | Reach | float

#: What a masked-off element contributes to a reduction; adding -0 changes nothing, not even -0.
_NEUTRAL: Mapping[str, float] = MappingProxyType({"add": -0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf})


def within(operand: Operand, region: Region) -> Any:
    """Restrict an operand to the elements of a region, in its bounding box; its dimensions of size 1 stay."""
    if isinstance(operand, Reach):
        return operand.within(region)
    if not isinstance(operand, AccessPattern):
        return operand
    if region.count != region.shape:
        skip = len(region.shape) - len(operand.shape)
        operand = operand.take(
            [
                Span(0, 1) if n == 1 else Span(region.start[skip + d], region.count[skip + d])
                for d, n in enumerate(operand.shape)
            ]
        )
    return operand if region.where is None else Selection.of(operand, region.where)


def apply(
    dst: AccessPattern | Reach,
    operands: Sequence[Operand],
    region: Region,
    run: Callable[..., None],
    *,
    api: str,
) -> None:
    """Run an elementwise instruction on the elements of a region.

    Args:
        dst: destination of the region's shape.
        operands: what is computed from; accesses broadcast to the destination.
        region: the elements.
        run: the instruction, called with a destination and as many operands.
        api: NKI function in messages.

    Raises:
        NKIError: the instruction's own errors, selected elements outside a tensor, undefined elements on their way to
            HBM.
    """
    if region.empty:
        return
    parts = [within(operand, region) for operand in operands]
    if isinstance(dst, AccessPattern) and region.where is None:
        run(within(dst, region), *parts)
        return
    if isinstance(dst, Reach) and region.where is None:
        run(dst.inside(region), *parts)
        return
    result = scratch(np.empty(region.count, dst.storage.array.dtype), dst.storage, defined=False)
    run(result, *parts)
    _merge(dst, region, result, api)


def _merge(dst: AccessPattern | Reach, region: Region, result: AccessPattern, api: str) -> None:
    """Write the selected elements of a scratch tensor of the region's count to a destination."""
    values, defined = result.view(), result.defined()
    where: Any = True if region.where is None else region.where
    target = dst.storage
    if not target.on_chip and not np.all(np.logical_or(defined, np.logical_not(where))) and not counts_only():
        raise NKIError(
            f"{api}: elements that the mask selects are undefined (never written) and would reach "
            f"{target.describe()}; write them first"
        )
    if isinstance(dst, Reach):
        dst.scatter(region, values, defined)
        return
    part = within(dst, region)
    np.copyto(write(part), values, where=where)
    before = part.defined()
    if before is not True or defined is not True:
        part.mark(np.where(where, defined, before))


def reduce(
    dst: AccessPattern,
    op: str,
    src: AccessPattern | Reach,
    axes: Sequence[int],
    region: Region,
    *,
    divisor: float | None,
    negate: bool,
    api: str,
) -> Region:
    """Reduce the selected elements along free axes, see `engine.reduce`; the others are skipped.

    Args:
        dst: destination with the source's rank; reduced axes have size 1.
        op: a reduction of the engine.
        src: the source.
        axes: the axes.
        region: selected elements of the source.
        divisor: divides the result.
        negate: negate the result.
        api: NKI function in messages.

    Returns:
        The part of the destination that is written.

    Raises:
        UnsupportedByEmulator: the selected elements form no box and the operation has no neutral element.
    """
    kept = region.without(axes)
    if region.empty:
        return kept
    if region.where is None:
        engine.reduce(within(dst, kept), op, within(src, region), axes, divisor=divisor, negate=negate, api=api)
        return kept
    if op not in _NEUTRAL:
        raise UnsupportedByEmulator(f"{api}({op}, mask=…) on elements that form no box", "legacy", "nl.sum")
    for piece in _pieces(region, axes, MAX_ELEMENTS[src.storage.buffer]):
        _reduce_map(dst, op, src, axes, piece, divisor=divisor, negate=negate, api=api)
    return kept


def _pieces(region: Region, axes: Sequence[int], most: int) -> Iterator[Region]:
    """Cut a region along its longest kept axis so that a piece is what one instruction takes, as the compiler does."""
    kept = [axis for axis in range(1, len(region.shape)) if axis not in axes]
    axis = max(kept, key=region.count.__getitem__, default=0)
    count = region.count[axis]
    step = count if axis == 0 else max(1, most * count // prod(region.count[1:]))
    for first in range(0, count, step):
        cut = slice(first, min(first + step, count))
        where = None if region.where is None else region.where[(slice(None),) * axis + (cut,)]
        start, size = list(region.start), list(region.count)
        start[axis] += first
        size[axis] = cut.stop - first
        yield Region(region.shape, tuple(start), tuple(size), where)


def _reduce_map(
    dst: AccessPattern,
    op: str,
    src: AccessPattern | Reach,
    axes: Sequence[int],
    region: Region,
    *,
    divisor: float | None,
    negate: bool,
    api: str,
) -> None:
    kept = region.without(axes)
    source = within(src, region)
    where: Any = region.where
    values = np.where(where, as_float32(read(source)), np.float32(_NEUTRAL[op]))
    defined: bool | Array = source.defined()
    if defined is not True:
        defined = np.logical_not(where) | defined
    masked = scratch(values, source.storage, defined, source.storage.buffer)
    result = scratch(np.empty(kept.count, dst.storage.array.dtype), dst.storage, defined=False)
    engine.reduce(result, op, masked, axes, divisor=divisor, negate=negate, api=api)
    _merge(dst, kept, result, api)
