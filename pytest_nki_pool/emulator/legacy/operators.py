"""The operators of a tile: each stands for an `nl` function ("NKI API reference, nki.tensor")."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.legacy.compute import assign, binary, update
from pytest_nki_pool.emulator.legacy.tensor import Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Stem of the operator's special method -> operation; all of them also exist reversed and as an assignment.
_ARITHMETIC: Mapping[str, str] = MappingProxyType(
    {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "truediv": "divide",
        "mod": "mod",
        "pow": "power",
    }
)

_COMPARISONS: Mapping[str, str] = MappingProxyType(
    {
        "eq": "equal",
        "ne": "not_equal",
        "lt": "less",
        "le": "less_equal",
        "gt": "greater",
        "ge": "greater_equal",
    }
)


def _plain(op: str, dtype: object = None) -> Callable[[Tile, object], Tile]:
    return lambda x, y: binary(op, x, y, dtype=dtype, api=f"operator {op}", partitions=False)


def _reversed(op: str) -> Callable[[Tile, object], Tile]:
    return lambda x, y: binary(op, y, x, api=f"operator {op}", partitions=False)


def _in_place(op: str) -> Callable[[Tile, object], Tile]:
    return lambda x, y: update(op, x, y)


def _negated(tile: Tile) -> Tile:
    return binary("multiply", tile, np.int8(-1), api="operator -", partitions=False)


def _set_item(tile: Tile, key: object, value: object) -> None:
    assign(tile[key], value)


def give_operators() -> None:
    """Give the tile class its operators, which compute tiles and so cannot stand in the class itself."""
    special: dict[str, Callable[..., object]] = {"neg": _negated, "setitem": _set_item}
    for stem, op in _ARITHMETIC.items():
        special |= {stem: _plain(op), f"r{stem}": _reversed(op), f"i{stem}": _in_place(op)}
    special |= {stem: _plain(op, bool) for stem, op in _COMPARISONS.items()}
    for stem, method in special.items():
        setattr(Tile, f"__{stem}__", method)
