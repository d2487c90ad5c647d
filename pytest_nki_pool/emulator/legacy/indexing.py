"""Subscripts of legacy tensors: basic or advanced, never both ("NKI programming model, tensor indexing")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.access import DynamicSlice, basic_selection
from pytest_nki_pool.emulator.core.affine import Index, subscript
from pytest_nki_pool.emulator.core.errors import NKIError

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
    if any(isinstance(entry, Index) and entry.axes for entry in entries):
        return _advanced(access, entries)
    entries = tuple(_value(entry) for entry in entries)
    selection = basic_selection(entries, access.shape, access.storage.name, negative=False)
    if access.storage.on_chip and isinstance(selection[0], int):
        raise NKIError(
            f"{access.storage.describe()}: an integer index drops the partition dimension; "
            f"keep it with a slice such as {selection[0]}:{selection[0] + 1}",
            "err_leading_dimension_of_tensor_must_be_partition",
        )
    return access.take(selection)


def _advanced(access: AccessPattern, entries: tuple[object, ...]) -> AccessPattern:
    what = access.storage.describe()
    indices = [entry for entry in entries if isinstance(entry, Index)]
    if len(indices) < len(entries):
        raise NKIError(
            f"Mixing basic tensor indexing and advanced tensor indexing is not supported. {what}: index every "
            "dimension with nl.arange, nl.mgrid and loop variables, or none",
            "err_unsupported_mixing_basic_advanced_tensor_indexing",
        )
    if any(len(index.axes) == 1 for index in indices):
        raise NKIError(
            f"{what}: 1D arange is not supported; give the index a rank of at least 2, such as nl.arange(n)[:, None]",
            "err_1d_arange_not_supported",
        )
    if len(indices) != len(access.shape):
        raise NKIError(
            f"{what} has {len(access.shape)} dimensions, got {len(indices)} index expressions; index them all"
        )
    return subscript(access, indices)


def _value(entry: object) -> object:
    """Read loop variables where they may stand: as an index, a slice bound or the start of `nl.ds`."""
    if isinstance(entry, Index):
        return entry.offset
    if isinstance(entry, slice):
        return slice(_value(entry.start), _value(entry.stop), _value(entry.step))
    if isinstance(entry, DynamicSlice):
        return DynamicSlice(_value(entry.start), entry.size)
    return entry
