"""Access patterns: the one representation of a piece of a tensor.

An access pattern is an offset into a storage and a (stride, count) pair per dimension, in elements, as the hardware
addresses memory (NKI programming guide, ISA access patterns). Nothing is ever gathered: a pattern becomes a strided
view.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, SupportsIndex, cast

import numpy as np

from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array, DType
    from pytest_nki_pool.emulator.core.memory import Storage


@dataclass(slots=True, eq=False)  # frozen, it takes three times as long to make
class Span:
    """A regular selection on one dimension: `count` indices from `start` in steps of `step`; it never changes."""

    start: int
    count: int
    step: int = 1


@dataclass(slots=True, eq=False)  # as `Span`
class DynamicSlice:
    """`nl.ds(start, size)`: `size` indices from `start`; the start may be a loop variable, the size is static."""

    start: object
    size: int


@dataclass(slots=True, eq=False)  # as `Span`, and every operation makes some
class AccessPattern:
    """A piece of a tensor; never changed once it is made.

    Attributes:
        storage: the tensor.
        offset: address of the first element.
        shape: counts per dimension.
        strides: steps per dimension; 0 repeats an element.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def whole(cls, storage: Storage) -> AccessPattern:
        """Access all of a tensor in its own order."""
        return cls(storage, 0, storage.shape, storage.strides)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def bounds(self) -> tuple[int, int]:
        """Lowest and highest address, inclusive."""
        low = high = self.offset
        for count, stride in zip(self.shape, self.strides, strict=True):
            if stride < 0:
                low += stride * (count - 1)
            else:
                high += stride * (count - 1)
        return low, high

    def view(self) -> Array:
        """Strided view of the storage's memory."""
        storage = self.storage
        if self.is_whole():
            return storage.array
        if storage.pitch != storage.row:
            if self._stays_in_partitions():
                return self._pitched_view()
            storage.thaw()
        return self._view_of(storage.array.dtype, storage.bytes)

    def _view_of(self, dtype: DType, flat_bytes: Array) -> Array:
        size = dtype.itemsize
        return np.ndarray(self.shape, dtype, flat_bytes, self.offset * size, [stride * size for stride in self.strides])

    def _stays_in_partitions(self) -> bool:
        """Whether the first dimension alone goes from one partition to another."""
        row = self.storage.row
        if self.shape[0] > 1 and self.strides[0] not in (0, row):
            return False
        low = high = self.offset % row
        for count, stride in zip(self.shape[1:], self.strides[1:], strict=True):
            if stride < 0:
                low += stride * (count - 1)
            else:
                high += stride * (count - 1)
        return low >= 0 and high < row

    def _pitched_view(self) -> Array:
        storage = self.storage
        dtype = storage.array.dtype
        size = dtype.itemsize
        partition, inside = divmod(self.offset, storage.row)
        first = storage.pitch if self.strides[0] else 0
        return np.ndarray(
            self.shape,
            dtype,
            storage.bytes,
            storage.origin + (partition * storage.pitch + inside) * size,
            [first * size, *[stride * size for stride in self.strides[1:]]],
        )

    def covers(self) -> bool:
        """Whether the pattern touches every element of the storage exactly once."""
        if self.is_whole():
            return True
        if self.size != self.storage.size:
            return False
        expected = 1
        for stride, count in sorted(p for p in zip(self.strides, self.shape, strict=True) if p[1] > 1):
            if stride != expected:
                return False
            expected *= count
        return self.offset == 0

    def is_whole(self) -> bool:
        """Whether the pattern is all of the tensor in its own shape and order."""
        storage = self.storage
        return self.offset == 0 and self.shape == storage.shape and self.strides == storage.strides

    def defined(self) -> bool | Array:
        """Which elements are defined: True (all), False (none) or a bool array of the pattern's shape."""
        whole = self.storage.defined
        if isinstance(whole, bool):
            return whole
        part = self._view_of(whole.dtype, whole.view(np.uint8))
        if part.all():
            return True
        return part if part.any() else False

    def mark(self, defined: bool | Array) -> None:
        """Record which elements a write has defined."""
        storage = self.storage
        if isinstance(defined, bool):
            if storage.defined is defined:
                return
            if self.covers():
                storage.defined = defined
                return
        if isinstance(storage.defined, bool):
            storage.defined = np.full(storage.size, storage.defined)
        flat = storage.defined
        self._view_of(flat.dtype, flat.view(np.uint8))[...] = defined
        storage.defined = flat  # an alias under another dtype hands the map on

    def overlaps(self, other: AccessPattern) -> bool:
        """Whether two patterns share an element (exact)."""
        if self.storage is not other.storage:
            return False
        low, high = self.bounds()
        other_low, other_high = other.bounds()
        if high < other_low or other_high < low:
            return False
        return bool(np.shares_memory(self.view(), other.view()))

    def take(self, selection: Sequence[int | Span], *, keep: bool = False) -> AccessPattern:
        """Select on the leading dimensions.

        Args:
            selection: an index or a span per dimension, inside the bounds; see `basic_selection`.
            keep: an index keeps its dimension with size 1 instead of dropping it.
        """
        offset = self.offset
        shape: list[int] = []
        strides: list[int] = []
        for entry, stride in zip(selection, self.strides, strict=False):
            if isinstance(entry, Span):
                offset += entry.start * stride
                shape.append(entry.count)
                strides.append(entry.step * stride)
            else:
                offset += entry * stride
                if keep:
                    shape.append(1)
                    strides.append(stride)
        used = len(selection)
        return AccessPattern(self.storage, offset, (*shape, *self.shape[used:]), (*strides, *self.strides[used:]))

    def permute(self, order: Sequence[int]) -> AccessPattern:
        """Reorder the dimensions."""
        shape, strides = self.shape, self.strides
        return AccessPattern(
            self.storage, self.offset, tuple(shape[d] for d in order), tuple(strides[d] for d in order)
        )

    def insert(self, dim: int) -> AccessPattern:
        """Insert a dimension of size 1 before `dim`."""
        shape, strides = self.shape, self.strides
        return AccessPattern(
            self.storage, self.offset, (*shape[:dim], 1, *shape[dim:]), (*strides[:dim], 0, *strides[dim:])
        )

    def broadcast_to(self, shape: tuple[int, ...]) -> AccessPattern | None:
        """Repeat dimensions of size 1 (and leading ones) as NumPy does; None when the shapes do not fit."""
        missing = len(shape) - len(self.shape)
        if missing < 0:
            return None
        own = (1,) * missing + self.shape
        steps = (0,) * missing + self.strides
        if any(have not in (1, want) for have, want in zip(own, shape, strict=True)):
            return None
        strides = tuple(0 if have == 1 else step for have, step in zip(own, steps, strict=True))
        return AccessPattern(self.storage, self.offset, shape, strides)

    def reshape(self, shape: tuple[int, ...]) -> AccessPattern | None:
        """Same elements in the same order under another shape; None when no strides can express it."""
        if prod(shape) != self.size:
            return None
        runs = coalesce(self.shape, self.strides)
        strides: list[int] = []
        run_count, run_stride = runs.pop() if runs else (1, 1)
        for count in reversed(shape):
            if run_count == 1 and runs:
                run_count, run_stride = runs.pop()
            if run_count % count:
                return None
            strides.append(run_stride)
            run_stride *= count
            run_count //= count
        return AccessPattern(self.storage, self.offset, shape, tuple(reversed(strides)))


@functools.lru_cache(maxsize=256)  # every allocation asks, and most ask again
@functools.lru_cache(maxsize=1024)  # every allocation asks, for few shapes
def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a row-major tensor."""
    step = 1
    strides = []
    for count in reversed(shape):
        strides.append(step)
        step *= count
    return tuple(reversed(strides))


def coalesce(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Merge neighbouring dimensions that one (count, stride) pair can express; sizes of 1 vanish."""
    merged: list[tuple[int, int]] = []
    for count, stride in zip(shape, strides, strict=True):
        if count == 1:
            continue
        if merged and merged[-1][1] == stride * count:
            merged[-1] = (merged[-1][0] * count, stride)
        else:
            merged.append((count, stride))
    return merged


def out_of_bounds(name: str, dim: int, low: int, high: int, size: int, *, span: bool = False) -> NKIError:
    """The documented error for an index outside its dimension ("NKI error manual", err_tensor_access_out_of_bound)."""
    seen = f"index {low}" if low == high and not span else f"index range [{low}, {high}]"
    return NKIError(
        f"Out-of-bound access for tensor `{name}` on dimension {dim}: {seen} exceed dimension size of {size}",
        "err_tensor_access_out_of_bound",
    )


def basic_selection(
    key: Sequence[object], shape: Sequence[int], name: str, *, negative: bool
) -> tuple[int | Span, ...]:
    """Resolve ints, slices, `Ellipsis` and `DynamicSlice` against a shape, with bounds.

    Args:
        key: the subscript, one entry per dimension; dimensions left out are taken whole.
        shape: shape of what is subscripted.
        name: what is subscripted, for messages.
        negative: whether negative indices count from the end.

    Returns:
        An index or a span for every dimension.

    Raises:
        NKIError: too many indices, an index outside its dimension, an empty or backward slice, no such index kind.
    """
    entries = list(key)
    at = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    if len(at) > 1:
        raise NKIError(f"tensor `{name}`: an index can hold only one Ellipsis")
    if len(entries) - len(at) > len(shape):
        raise NKIError(
            f"tensor `{name}` of shape {list(shape)} has {len(shape)} dimensions, got {len(entries)} indices"
        )
    gap = [slice(None)] * (len(shape) - len(entries) + len(at))
    if at:
        entries[at[0] : at[0] + 1] = gap
    else:
        entries += gap
    selection = tuple([_entry(entry, shape[dim], dim, name, negative=negative) for dim, entry in enumerate(entries)])
    # Bounds come last: what is out of bounds and nothing else, a mask may make legal.
    for dim, selected in enumerate(selection):
        if isinstance(selected, Span):
            low = selected.start
            high = low + (selected.count - 1) * selected.step
        else:
            low = high = selected
        if low < 0 or high >= shape[dim]:
            raise out_of_bounds(name, dim, low, high, shape[dim], span=isinstance(selected, Span))
    return selection


def _entry(entry: object, size: int, dim: int, name: str, *, negative: bool) -> int | Span:
    if isinstance(entry, slice):
        start = 0 if entry.start is None else _integer(entry.start, dim, name)
        stop = size if entry.stop is None else _integer(entry.stop, dim, name)
        step = 1 if entry.step is None else _integer(entry.step, dim, name)
        if step < 1:
            raise NKIError(f"tensor `{name}`, dimension {dim}: a slice step is at least 1, got {step}")
        if negative:
            start += size if start < 0 else 0
            stop += size if stop < 0 else 0
        span = Span(start, -((start - stop) // step), step)
    elif isinstance(entry, DynamicSlice):
        span = Span(_integer(entry.start, dim, name), entry.size)
    else:
        index = _integer(entry, dim, name)
        return index + size if negative and index < 0 else index
    if span.count < 1:
        raise NKIError(f"tensor `{name}`, dimension {dim}: the slice is empty; every access has at least one element")
    return span


def _integer(value: object, dim: int, name: str) -> int:
    if type(value) is int:
        return value
    try:
        if not isinstance(value, (bool, np.bool_)):
            return operator.index(cast("SupportsIndex", value))
    except TypeError:
        pass
    raise NKIError(
        f"tensor `{name}`, dimension {dim}: an index is an integer, a slice or nl.ds, got {type(value).__name__}"
    )
