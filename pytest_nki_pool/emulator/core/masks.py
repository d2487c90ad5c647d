"""Masks: the elements of an iteration space that a condition on its index expressions selects.

A condition whose comparisons bound one axis each is a box; any other one is a boolean map inside its bounding box
("NKI API common fields, masks").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.affine import Condition, Index
    from pytest_nki_pool.emulator.core.dtypes import Array


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The selected part of an iteration space.

    Attributes:
        shape: counts of the iteration space.
        start, count: the bounding box of what is selected, per axis.
        where: which elements of the box are selected, None for all of them.
    """

    shape: tuple[int, ...]
    start: tuple[int, ...]
    count: tuple[int, ...]
    where: Array | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is selected."""
        return 0 in self.count

    def spans(self, axes: Sequence[int]) -> bool:
        """Whether all elements along some axes are selected wherever any is."""
        return self.where is None and all(self.count[a] == self.shape[a] for a in axes)

    def without(self, axes: Sequence[int]) -> Region:
        """Select what a reduction over axes gives a value: any selected element is enough; the axes keep size 1."""
        reduced = tuple(axes)
        where = None if self.where is None else np.any(self.where, axis=reduced, keepdims=True)
        return Region(
            tuple(1 if d in reduced else n for d, n in enumerate(self.shape)),
            tuple(0 if d in reduced else n for d, n in enumerate(self.start)),
            tuple(min(n, 1) if d in reduced else n for d, n in enumerate(self.count)),
            where,
        )

    def reshape(self, shape: tuple[int, ...]) -> Region:
        """Add or drop axes of size 1."""
        spans = [(s, c) for s, c, n in zip(self.start, self.count, self.shape, strict=True) if n > 1]
        if self.empty:
            return Region(shape, (0,) * len(shape), (0,) * len(shape))
        start, count = zip(*(spans.pop(0) if n > 1 else (0, 1) for n in shape), strict=True)
        return Region(shape, start, count, None if self.where is None else self.where.reshape(count))


@dataclass(slots=True, eq=False)
class Selection(AccessPattern):
    """An access of which an instruction touches some elements alone.

    Attributes:
        where: which elements, of the pattern's shape.
    """

    where: Array

    @classmethod
    def of(cls, access: AccessPattern, where: Array) -> Selection:
        """Restrict an access, whose dimensions of size 1 repeat, to elements of what it broadcasts to."""
        aligned = where.reshape((1,) * (len(access.shape) - where.ndim) + where.shape)
        extra = aligned.ndim - len(access.shape)
        repeated = tuple(d for d, n in enumerate(access.shape, extra) if n == 1 and aligned.shape[d] > 1)
        touched = np.any(aligned, axis=(*range(extra), *repeated), keepdims=True)
        return cls(
            access.storage,
            access.offset,
            access.shape,
            access.strides,
            np.broadcast_to(touched.reshape(touched.shape[extra:]), access.shape),
        )

    def addresses(self) -> Array:
        """Addresses of the elements."""
        lines = np.ix_(*(stride * np.arange(n) for n, stride in zip(self.shape, self.strides, strict=True)))
        return np.broadcast_to(self.offset + sum(lines), self.shape)[self.where]


def meet(a: AccessPattern, b: AccessPattern) -> bool:
    """Whether two accesses touch a common element (exact)."""
    if not a.overlaps(b):
        return False
    if not isinstance(a, Selection) and not isinstance(b, Selection):
        return True
    return bool(np.isin(_addresses(a), _addresses(b)).any())


def _addresses(access: AccessPattern) -> Array:
    return (access if isinstance(access, Selection) else Selection.of(access, np.ones((1,), np.bool_))).addresses()


def region_of(mask: Condition, shape: tuple[int, ...], api: str) -> Region:
    """Find the elements of an iteration space that a condition selects.

    Args:
        mask: condition whose axes broadcast to the iteration space, the last axis to the last.
        shape: counts of the iteration space.
        api: NKI function in messages.

    Raises:
        NKIError: the mask's axes do not fit the iteration space.
    """
    terms = [(term.offset, _aligned(term, shape, api)) for term in mask.terms]
    start = [0] * len(shape)
    stop = list(shape)
    pending = terms
    for _ in range(len(shape) + 1):
        before = (*start, *stop)
        pending = [term for term in pending if not _tighten(term, start, stop)]
        if any(a >= b for a, b in zip(start, stop, strict=True)):
            return Region(shape, (0,) * len(shape), (0,) * len(shape))
        if (*start, *stop) == before:
            break
    count = tuple(b - a for a, b in zip(start, stop, strict=True))
    return Region(shape, tuple(start), count, _map(pending, start, count))


def _aligned(term: Index, shape: tuple[int, ...], api: str) -> tuple[int, ...]:
    """Coefficients of a term, one per axis of the iteration space."""
    axes = term.axes
    if len(axes) == 1 and axes[0][1] > 1:
        raise NKIError(
            f"{api}: 1D arange is not supported in a mask; give the index the rank of the access, such as "
            "nl.arange(n)[:, None]",
            "err_1d_arange_not_supported",
        )
    missing = len(shape) - len(axes)
    counts = [n for _, n in axes]
    if any(n != 1 for n in counts[: max(-missing, 0)]) or any(
        n not in (1, have) for n, have in zip(counts[::-1], shape[::-1], strict=False)
    ):
        raise NKIError(
            f"{api}: a mask of shape {counts} does not broadcast to the shape {list(shape)} that is accessed; "
            "write it with the index expressions of the access"
        )
    coefficients = [c for c, _ in axes]
    return (0,) * missing + tuple(coefficients[max(-missing, 0) :])


def _tighten(term: tuple[int, tuple[int, ...]], start: list[int], stop: list[int]) -> bool:
    """Shrink the box to what `term >= 0` allows; True when all of what is left satisfies it."""
    offset, coefficients = term
    used = [(axis, c) for axis, c in enumerate(coefficients) if c]
    most = offset + sum(c * (stop[axis] - 1 if c > 0 else start[axis]) for axis, c in used)
    if most < 0:
        stop[0] = start[0]
        return True
    for axis, c in used:
        slack = most // abs(c)  # steps that this axis can go from its best end
        if c > 0:
            start[axis] = max(start[axis], stop[axis] - 1 - slack)
        else:
            stop[axis] = min(stop[axis], start[axis] + 1 + slack)
    return offset + sum(c * (start[axis] if c > 0 else stop[axis] - 1) for axis, c in used) >= 0


def _map(terms: Sequence[tuple[int, tuple[int, ...]]], start: Sequence[int], count: tuple[int, ...]) -> Array | None:
    selected: Any = True
    for offset, coefficients in terms:
        value: Any = offset
        for axis, (coefficient, first, n) in enumerate(zip(coefficients, start, count, strict=True)):
            if coefficient:
                line = coefficient * np.arange(first, first + n)
                value = value + line.reshape((1,) * axis + (n,) + (1,) * (len(count) - axis - 1))
        selected = selected & (value >= 0)
    return None if np.all(selected) else np.broadcast_to(selected, count)
