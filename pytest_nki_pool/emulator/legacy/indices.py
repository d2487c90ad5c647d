"""`nl.arange` and `nl.mgrid`."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NoReturn

from pytest_nki_pool.emulator.core import affine
from pytest_nki_pool.emulator.core.affine import Index
from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nki_pool.emulator.core.affine import Axis


def arange(*bounds: int) -> Index:
    """Consecutive integers `arange(stop)` or `arange(start, stop)` as an index axis; lift it with `[:, None]`.

    Raises:
        NKIError: no one or two integers, or an empty range.
    """
    if len(bounds) not in (1, 2):
        raise NKIError(f"nl.arange takes (stop) or (start, stop), got {len(bounds)} arguments")
    start, stop = (0, *bounds)[-2:]
    return affine.arange(static_integer(start, "nl.arange"), static_integer(stop, "nl.arange"))


class Grid:
    """A dense grid of indices: unpack it, or name its axes `.p .x .y .z`."""

    __slots__ = ("_indices",)

    def __init__(self, indices: tuple[Index, ...]) -> None:
        self._indices = indices

    def __iter__(self) -> Iterator[Index]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, axis: int) -> Index:
        return self._indices[axis]

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise NKIError("an index object cannot be assigned to", "err_cannot_assign_to_index")

    def __getattr__(self, name: str) -> Index:
        axis = "pxyz".find(name) if len(name) == 1 else -1
        if axis < 0:
            raise AttributeError(f"nl.mgrid has no attribute {name!r}")
        if axis >= len(self._indices):
            raise NKIError(f"nl.mgrid of {len(self._indices)} axes has no axis .{name}")
        return self._indices[axis]


class _MGrid:
    """`nl.mgrid[a:b, c:d, …]`: every index has the shape of the grid."""

    __slots__ = ()

    def __getitem__(self, key: object) -> Grid:
        slices = key if isinstance(key, tuple) else (key,)
        lines = [_line(entry) for entry in slices]
        flat = [(0, count) for _, (_, count) in lines]
        indices = []
        for at, (start, axis) in enumerate(lines):
            axes = flat.copy()
            axes[at] = axis
            indices.append(Index(start, tuple(axes)))
        return Grid(tuple(indices))


def _line(entry: object) -> tuple[int, Axis]:
    """Where a slice starts, and its axis."""
    if not isinstance(entry, slice) or entry.stop is None or entry.step is not None:
        raise NKIError(f"nl.mgrid takes slices start:stop, got {entry!r}")
    start, stop = entry.start, entry.stop
    if type(start) is not int:
        start = 0 if start is None else static_integer(start, "nl.mgrid")
    return start, affine.axis_of(start, stop if type(stop) is int else static_integer(stop, "nl.mgrid"))


mgrid = _MGrid()


def static_integer(value: object, api: str) -> int:
    """Return a Python integer.

    Raises:
        NKIError: the value is none, such as a loop variable or a float.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise NKIError(f"{api} takes static integers, got {type(value).__name__} {value!r}") from None
