"""Result dtypes of operations on two dtypes ("NKI API common fields", supported data types and type promotion)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.dtypes import DTYPES, is_float, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.dtypes import DType

#: Pairs that promote to something else than the wider or the floating-point one of the two.
_PAIRS: Mapping[frozenset[str], str] = MappingProxyType(
    {
        frozenset({"float16", "bfloat16"}): "float32",
        frozenset({"float8_e4m3", "float8_e5m2"}): "bfloat16",
        frozenset({"int8", "uint8"}): "int16",
        frozenset({"int8", "uint16"}): "int32",
        frozenset({"int16", "uint16"}): "int32",
        frozenset({"int32", "uint32"}): "float32",
    }
)


def promote(a: DType, b: DType) -> DType:
    """Result dtype of an arithmetic operation on two dtypes."""
    if a == b:
        return a
    special = _PAIRS.get(frozenset({name_of(a), name_of(b)}))
    if special:
        return DTYPES[special]
    if is_float(a) != is_float(b):
        return a if is_float(a) else b
    return a if a.itemsize >= b.itemsize and a.kind != "b" else b
