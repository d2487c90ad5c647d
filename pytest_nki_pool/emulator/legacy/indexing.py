"""Subscripts of legacy tensors: basic or advanced, never both ("NKI programming model, tensor indexing")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.access import DynamicSlice, basic_selection
from pytest_nki_pool.emulator.core.affine import Index, arange, subscript
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.reach import Reach

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern


def resolve_subscript(access: AccessPattern, key: object) -> AccessPattern:
    """Turn a subscript into an access pattern.

    Args:
        access: what is subscripted.
        key: what stands between the brackets.

    Raises:
        NKIError: the subscript breaks an indexing rule.
    """
    entries = key if isinstance(key, tuple) else (key,)
    for entry in entries:
        if isinstance(entry, Index) and entry.axes:
            return _advanced(access, entries)
    storage = access.storage
    selection = basic_selection([_value(entry) for entry in entries], access.shape, storage.name, negative=False)
    if not storage.on_chip:
        return access.take(selection)
    if isinstance(selection[0], int):
        raise NKIError(
            f"{storage.describe()}: an integer index drops the partition dimension; "
            f"keep it with a slice such as {selection[0]}:{selection[0] + 1}",
            "err_leading_dimension_of_tensor_must_be_partition",
        )
    taken = access.take(selection)
    return taken.insert(1) if len(taken.shape) == 1 else taken


def resolve_block(access: AccessPattern, key: tuple[object, ...]) -> AccessPattern:
    """Select one tile of a tensor with block dimensions by an integer or loop variable per block dimension."""
    entries = [_constant(entry) for entry in key]
    selection = basic_selection(entries, access.shape[: len(key)], access.storage.name, negative=False)
    return access.take(selection)


def _constant(entry: object) -> object:
    """Read a loop variable that was lifted beside index expressions, as in `tile[i + 0 * lane, lane, free]`."""
    if isinstance(entry, Index) and all(count == 1 for count in entry.shape):
        return entry.offset
    return entry


def _advanced(access: AccessPattern, entries: tuple[object, ...]) -> AccessPattern:
    storage = access.storage
    indices = [entry for entry in entries if isinstance(entry, Index)]
    if len(indices) < len(entries):
        raise NKIError(
            "Mixing basic tensor indexing and advanced tensor indexing is not supported. "
            f"{storage.describe()}: index every "
            "dimension with nl.arange, nl.mgrid and loop variables, or none",
            "err_unsupported_mixing_basic_advanced_tensor_indexing",
        )
    for index in indices:
        if len(index.axes) == 1:
            raise NKIError(
                f"{storage.describe()}: 1D arange is not supported; give the index a rank of at least 2, such as "
                "nl.arange(n)[:, None]",
                "err_1d_arange_not_supported",
            )
    if len(indices) != len(access.shape):
        raise NKIError(
            f"{storage.describe()} has {len(access.shape)} dimensions, got {len(indices)} index expressions; index "
            "them all"
        )
    return subscript(access, indices)


def _value(entry: object) -> object:
    """Read loop variables where they may stand: as an index, a slice bound or the start of `nl.ds`."""
    if isinstance(entry, Index):
        return entry.offset
    if isinstance(entry, DynamicSlice):
        return DynamicSlice(_value(entry.start), entry.size)
    if isinstance(entry, slice):
        return slice(_value(entry.start), _value(entry.stop), _value(entry.step))
    return entry


def reach(access: AccessPattern, key: object) -> Reach:
    """Keep a subscript that leaves its tensor for a mask to make legal.

    Args:
        access: what is subscripted.
        key: what stands between the brackets; `resolve_subscript` has refused its bounds and nothing else.
    """
    entries = key if isinstance(key, tuple) else (key,)
    if any(isinstance(entry, Index) and entry.axes for entry in entries):
        return Reach(access, tuple(entry for entry in entries if isinstance(entry, Index)))
    lines = [_line(entry, size) for entry, size in zip(_filled(entries, access), access.shape, strict=True)]
    rank = sum(line.ndim for line in lines)
    indices = []
    axis = 0
    for line in lines:
        indices.append(Index(line.offset, ((0, 1),) * axis + line.axes + ((0, 1),) * (rank - axis - line.ndim)))
        axis += line.ndim
    return Reach(access, tuple(indices))


def _filled(entries: tuple[object, ...], access: AccessPattern) -> list[object]:
    """Give every dimension its entry."""
    values = [_value(entry) for entry in entries]
    gap = [slice(None)] * (len(access.shape) - sum(value is not Ellipsis for value in values))
    at = next((i for i, value in enumerate(values) if value is Ellipsis), len(values))
    return [*values[:at], *gap, *values[at + 1 :]]


def _line(entry: Any, size: int) -> Index:
    if isinstance(entry, DynamicSlice):
        return arange(0, entry.size) + entry.start
    if not isinstance(entry, slice):
        return Index(int(entry))
    start = 0 if entry.start is None else int(entry.start)
    stop = size if entry.stop is None else int(entry.stop)
    step = 1 if entry.step is None else int(entry.step)
    return step * arange(0, -((start - stop) // step)) + start
