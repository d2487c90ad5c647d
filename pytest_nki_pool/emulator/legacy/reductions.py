"""`nl.sum`, `nl.max`, `nl.min` and `nl.mean`: reductions over free axes, with one rounding."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.legacy.surface import refuse_mask
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, new_tile

if TYPE_CHECKING:
    from collections.abc import Sequence


def sum(  # noqa: A001  (NKI's name, here and below)
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Sum over free axes.

    Args:
        x: on-chip tile.
        axis: a free axis or several in ascending order; negative ones count from the end.
        dtype: dtype of the result, else the input's. The accumulator is fp32 in any case.
        mask: not emulated.
        keepdims: keep reduced axes with size 1. A result always keeps one free axis.

    Raises:
        NKIError: an axis that cannot be reduced.
    """
    return reduce_free(x, "add", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.sum")


def max(  # noqa: A001
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Maximum over free axes, see `sum`."""
    return reduce_free(x, "maximum", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.max")


def min(  # noqa: A001
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Minimum over free axes, see `sum`."""
    return reduce_free(x, "minimum", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.min")


def mean(
    x: Tile, axis: int | Sequence[int], *, dtype: object = None, mask: object = None, keepdims: bool = False
) -> Tile:
    """Mean over free axes, divided in fp32 before the rounding, see `sum`."""
    return reduce_free(x, "add", axis, dtype=dtype, mask=mask, keepdims=keepdims, api="nl.mean", mean=True)


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
    refuse_mask(api, mask)
    data = as_tile(x, "x", api)
    axes = free_axes(axis, data, api)
    kept = [1 if d in axes else n for d, n in enumerate(data.shape)]
    if not keepdims:
        kept = [n for d, n in enumerate(kept) if d not in axes]
        kept += [1] * (2 - len(kept))
    result = new_tile(kept, data.dtype if dtype is None else dtype)
    count = 1
    for a in axes:
        count *= data.shape[a]
    engine.reduce(result.access, op, data.access, axes, divisor=count if mean else None, negate=negate, api=api)
    return result


def free_axes(axis: int | Sequence[int], data: Tile, api: str) -> tuple[int, ...]:
    """Normalise the axes of a reduction.

    Raises:
        NKIError: the partition axis, an axis out of range, duplicates, or no ascending order.
    """
    rank = data.ndim
    given = axis if isinstance(axis, (list, tuple)) else (axis,)
    try:
        axes = tuple(a + rank if a < 0 else a for a in map(operator.index, given))
    except TypeError:
        raise NKIError(f"{api}: axis is an integer or a list of integers, got {axis!r}") from None
    if not axes or any(not 0 <= a < rank for a in axes):
        raise NKIError(f"{api}: axis {axis!r} is not among the {rank} dimensions of {data!r}")
    if 0 in axes:
        raise NKIError(f"{api}: axis 0 is the partition dimension of {data!r}; only free axes can be reduced")
    if list(axes) != sorted(set(axes)):
        raise NKIError(f"{api}: axes are distinct and ascending, got {axis!r}")
    return axes
