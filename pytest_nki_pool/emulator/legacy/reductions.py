"""`nl.sum`, `nl.max`, `nl.min` and `nl.mean`: reductions over free axes, with one rounding."""

from __future__ import annotations

import math
import operator
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engine, integers, masked
from pytest_nki_pool.emulator.core.access import AccessPattern, contiguous_strides
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.masks import region_of
from pytest_nki_pool.emulator.legacy.compute import binary, condition_of, part_of
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import PartialTile, Tile, as_tile, new_tile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Logical reductions as reductions of the truth values.
_LOGICAL: Mapping[str, str] = MappingProxyType({"logical_and": "minimum", "logical_or": "maximum"})


@documented("nl")
def sum(  # noqa: A001  (NKI's name, here and below)
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Sum over free axes.

    Args:
        x: on-chip tile.
        axis: a free axis or several in ascending order; negative ones count from the end.
        dtype: dtype of the result, else the input's. The accumulator is fp32 in any case.
        mask: condition on the elements that are reduced; the others are skipped.
        keepdims: keep reduced axes with size 1. A result always keeps one free axis.

    Raises:
        NKIError: an axis that cannot be reduced.
    """
    return reduce_free(x, "add", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.sum")


@documented("nl")
def max(  # noqa: A001
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Maximum over free axes, see `sum`."""
    return reduce_free(x, "maximum", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.max")


@documented("nl")
def min(  # noqa: A001
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Minimum over free axes, see `sum`."""
    return reduce_free(x, "minimum", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.min")


@documented("nl")
def mean(
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Mean over free axes, divided in fp32 before the rounding, see `sum`."""
    return reduce_free(x, "add", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.mean", mean=True)


@documented("nl")
def prod(
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Product over free axes, see `sum`."""
    return reduce_free(x, "multiply", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.prod")


@documented("nl")
def all(x: Tile, axis: int | Sequence[int], *, dtype: object = bool, mask: object = None) -> Tile:  # noqa: A001
    """Whether all elements along free axes are not 0, see `sum`."""
    return reduce_free(x, "logical_and", axis, dtype=dtype, mask=mask, keepdims=False, api="nl.all")


@documented("nl")
def var(x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None) -> Tile:
    """Variance over free axes: the mean squared distance from the mean, in fp32 and rounded once, see `mean`."""
    name = "nl.var"
    tile = as_tile(x, "x", name)
    center = reduce_free(tile, "add", axis, dtype="float32", mask=mask, keepdims=True, api=name, mean=True)
    distance = binary("subtract", tile, center, dtype="float32", mask=mask, api=name)
    squares = binary("multiply", distance, distance, dtype="float32", mask=mask, api=name)
    dtype = tile.dtype if dtype is None else dtype
    return reduce_free(squares, "add", axis, dtype=dtype, mask=mask, keepdims=False, api=name, mean=True)


def reduce_free(
    x: object,
    op: str,
    axis: int | Sequence[int],
    *,
    dtype: object,
    mask: object,
    keepdims: bool,
    api: str,
    mean: bool = False,
    negate: bool = False,
) -> Tile:
    """Reduce free axes of a tile into a new SBUF tile, see `sum`."""
    data = as_tile(x, "x", api)
    axes = free_axes(axis, data, api)
    dtype = data.dtype if dtype is None else dtype
    if op in _LOGICAL:
        data = binary("not_equal", data, 0, dtype=bool, mask=mask, api=api)
        op = _LOGICAL[op]
    shape = [1 if d in axes else n for d, n in enumerate(data.shape)]
    kept = shape
    if not keepdims:
        kept = [n for d, n in enumerate(shape) if d not in axes]
        kept += [1] * (2 - len(kept))
    result = new_tile(kept, dtype)
    count = math.prod(data.shape[a] for a in axes) if mean else None
    condition = condition_of(mask, api)
    if op in integers.BITWISE_REDUCTIONS and condition is None and not negate:
        integers.bitwise_reduce(result.access, op, data.access, axes, api=api)
        return result
    if op not in engine.REDUCTIONS:
        raise UnsupportedByEmulator(f"{api} by {op}{'' if mask is None else ' with a mask'}", "legacy", "nl.sum")
    if condition is None:
        engine.reduce(result.access, op, data.access, axes, divisor=count, negate=negate, api=api)
        return result
    region = region_of(condition, data.shape, api)
    if mean and not (region.empty or region.spans(axes)):
        raise UnsupportedByEmulator(f"{api} of a part of the reduced elements", "legacy", "nl.sum and a division")
    whole = AccessPattern(result.storage, 0, tuple(shape), contiguous_strides(tuple(shape)))
    source = part_of(data, under_mask=True)
    written = masked.reduce(whole, op, source, axes, region, divisor=count, negate=negate, api=api)
    return PartialTile(result.access, written.reshape(tuple(kept)))


def free_axes(axis: int | Sequence[int], data: Tile, api: str) -> tuple[int, ...]:
    """Normalise the axes of a reduction.

    Raises:
        NKIError: the partition axis, an axis out of range, duplicates, or no ascending order.
    """
    rank = data.ndim
    given = axis if isinstance(axis, (list, tuple)) else (axis,)
    try:
        axes = tuple([a + rank if a < 0 else a for a in map(operator.index, given)])
    except TypeError:
        raise NKIError(f"{api}: axis is an integer or a list of integers, got {axis!r}") from None
    ascending = sorted(set(axes))
    if not axes or ascending[0] < 0 or ascending[-1] >= rank:
        raise NKIError(f"{api}: axis {axis!r} is not among the {rank} dimensions of {data!r}")
    if ascending[0] == 0:
        raise NKIError(f"{api}: axis 0 is the partition dimension of {data!r}; only free axes can be reduced")
    if list(axes) != ascending:
        raise NKIError(f"{api}: axes are distinct and ascending, got {axis!r}")
    return axes
