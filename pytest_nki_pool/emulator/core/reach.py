"""Accesses that leave their tensor, which only a mask makes legal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern, Span, out_of_bounds
from pytest_nki_pool.emulator.core.affine import Index, subscript
from pytest_nki_pool.emulator.core.masks import Selection
from pytest_nki_pool.emulator.core.memory import ON_CHIP, Buffer, Storage
from pytest_nki_pool.emulator.core.traffic import read, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.masks import Region


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """An access that leaves its tensor, which only a mask can make legal.

    Attributes:
        base: what is subscripted.
        key: an index expression per dimension of it, all of one rank.
    """

    base: AccessPattern
    key: tuple[Index, ...]

    @property
    def storage(self) -> Storage:
        """The tensor."""
        return self.base.storage

    @property
    def shape(self) -> tuple[int, ...]:
        """Counts of the access."""
        shape = [1] * max(index.ndim for index in self.key)
        for index in self.key:
            for axis, n in enumerate(index.shape, len(shape) - index.ndim):
                shape[axis] = max(shape[axis], n)
        return tuple(shape)

    def check(self, region: Region) -> None:
        """Check that the selected elements exist.

        Raises:
            NKIError: they leave a dimension.
        """
        for dim, (index, size) in enumerate(zip(self.key, self.base.shape, strict=True)):
            low, high = _bounds(index, region)
            if low >= 0 and high < size:
                continue
            if region.where is not None:
                values = _values(index, region)
                outside = region.where & ((values < 0) | (values >= size))
                if not outside.any():
                    continue
                selected = np.broadcast_to(values, region.count)[region.where]
                low, high = int(selected.min()), int(selected.max())
            raise out_of_bounds(self.base.storage.name, dim, low, high, size)

    def within(self, region: Region) -> AccessPattern:
        """Access the bounding box of a region; what lies outside the tensor reads as undefined zeros.

        Raises:
            NKIError: a selected element leaves the tensor.
        """
        self.check(region)
        base = self.base
        spans = [_bounds(index, region) for index in self.key]
        key = [_shifted(index, region) for index in self.key]
        sized = list(zip(spans, base.shape, strict=True))
        if all(low >= 0 and high < size for (low, high), size in sized):
            access = subscript(base, key)
            return access if region.where is None else Selection.of(access, region.where)
        inside = [Span(max(low, 0), min(high, size - 1) + 1 - max(low, 0)) for (low, high), size in sized]
        origin = [min(low, 0) if dim == 0 else low for dim, (low, _) in enumerate(spans)]
        place = tuple(
            slice(span.start - first, span.start - first + span.count)
            for span, first in zip(inside, origin, strict=True)
        )
        counts = [high + 1 - first for first, (_, high) in zip(origin, spans, strict=True)]
        array = np.zeros(counts, base.storage.array.dtype)
        exists = np.zeros(array.shape, np.bool_)
        part = base.take(inside)
        touched = _touched(part, [v - s.start for v, s in zip(self._selected(region), inside, strict=True)])
        array[place] = read(touched)
        exists[place] = part.defined()
        padded = scratch(array, base.storage, exists, base.storage.buffer)
        return subscript(padded, [index - first for index, first in zip(key, origin, strict=True)])

    def inside(self, region: Region) -> AccessPattern:
        """Access a region that is a box.

        Raises:
            NKIError: an element of it leaves the tensor.
        """
        self.check(region)
        return subscript(self.base, [_shifted(index, region) for index in self.key])

    def scatter(self, region: Region, values: Array, defined: bool | Array) -> None:
        """Write the selected elements.

        Raises:
            NKIError: a selected element leaves the tensor.
        """
        self.check(region)
        base = self.base
        where = _where(region)
        at = self._selected(region)
        part = base.take([Span(int(i.min()), int(i.max() - i.min()) + 1) for i in at])
        place = tuple(i - i.min() for i in at)
        write(_touched(part, place))[place] = values[where]
        marks = np.broadcast_to(part.defined(), part.shape).copy()
        marks[place] = defined if isinstance(defined, bool) else defined[where]
        part.mark(True if marks.all() else marks)

    def _selected(self, region: Region) -> tuple[Array, ...]:
        """Indices of the selected elements, per dimension of the tensor."""
        where = _where(region)
        return tuple(np.broadcast_to(_values(index, region), region.count)[where] for index in self.key)


def _where(region: Region) -> Array:
    return np.ones(region.count, np.bool_) if region.where is None else region.where


def _touched(part: AccessPattern, place: Sequence[Array]) -> Selection:
    """Restrict an access to the elements at some indices."""
    where = np.zeros(part.shape, np.bool_)
    where[tuple(place)] = True
    return Selection.of(part, where)


def _bounds(index: Index, region: Region) -> tuple[int, int]:
    low = high = index.offset
    skip = len(region.shape) - index.ndim
    for axis, (coefficient, n) in enumerate(index.axes, skip):
        if n > 1:
            ends = coefficient * region.start[axis], coefficient * (region.start[axis] + region.count[axis] - 1)
            low += min(ends)
            high += max(ends)
    return low, high


def _shifted(index: Index, region: Region) -> Index:
    """The same expression over the region's bounding box."""
    offset = index.offset
    axes = []
    for axis, (coefficient, n) in enumerate(index.axes, len(region.shape) - index.ndim):
        count = 1
        if n > 1:
            offset += coefficient * region.start[axis]
            count = region.count[axis]
        axes.append((coefficient if count > 1 else 0, count))
    return Index(offset, tuple(axes))


def _values(index: Index, region: Region) -> Array:
    moved = _shifted(index, region)
    values = np.full((1,) * len(region.shape), moved.offset)
    for axis, (coefficient, n) in enumerate(moved.axes, len(region.shape) - index.ndim):
        if n > 1:
            values = values + (coefficient * np.arange(n)).reshape((n,) + (1,) * (len(region.shape) - axis - 1))
    return values


class _Scratch(Storage):
    """Values on their way through an instruction; they occupy no memory of the chip."""

    __slots__ = ()


def scratch(array: Array, like: Storage, defined: bool | Array, buffer: Buffer = Buffer.SBUF) -> AccessPattern:
    """Hold values on their way through an instruction.

    Args:
        array: the values.
        like: tensor whose name and launch they have.
        defined: which of them are defined.
        buffer: where an instruction shall find them.
    """
    tensor = _Scratch(like.launch, array.shape, array.dtype, Buffer.HBM, name=like.name, array=array)
    tensor.defined = defined if isinstance(defined, bool) else defined.reshape(-1)
    tensor.buffer = buffer
    tensor.on_chip = buffer in ON_CHIP
    return AccessPattern.whole(tensor)
