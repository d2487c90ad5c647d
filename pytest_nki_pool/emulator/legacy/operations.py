"""What an `op` argument may be: functions of NumPy and of `nl`, by the operation they name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.alu import BINARY, UNARY
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.integers import BITWISE
from pytest_nki_pool.emulator.legacy import elementwise, reductions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _named(operations: Iterable[str]) -> Mapping[Any, str]:
    """Find each operation in NumPy and in `nl` under its own name."""
    found = {}
    for name in operations:
        for module in (np, elementwise):
            function = getattr(module, name, None)
            if function is not None:
                found[function] = name
    return MappingProxyType(found)


#: Function -> operation of the ALU. Divide is none ("NKI API common fields, supported math operators").
_ALU: Mapping[Any, str] = MappingProxyType(
    {
        **_named(sorted((BINARY.keys() | BITWISE.keys()) - {"divide"})),
        np.max: "maximum",
        np.min: "minimum",
        reductions.sum: "add",
        reductions.max: "maximum",
        reductions.min: "minimum",
        np.sum: "add",
        elementwise.abs: "abs",
        np.abs: "abs",
        elementwise.rsqrt: "rsqrt",
    }
)

#: Function -> activation function.
_ACTIVATIONS: Mapping[Any, str] = MappingProxyType({**_named(sorted(UNARY)), np.copy: "copy"})


def alu_operation(op: Any, api: str) -> str:
    """Name the ALU operation that a function stands for.

    Raises:
        NKIError: divide, which the ALU does not have.
        UnsupportedByEmulator: any other function.
    """
    if op in (np.divide, elementwise.divide):
        raise NKIError(f"{api}: divide is no operation of the ALU; multiply by the reciprocal, or use nl.divide")
    return _look_up(_ALU, op, api)


def activation_function(op: Any, api: str) -> str:
    """Name the function of ScalarE that a function stands for.

    Raises:
        UnsupportedByEmulator: another function.
    """
    return _look_up(_ACTIVATIONS, op, api)


def _look_up(table: Mapping[Any, str], op: Any, api: str) -> str:
    try:
        return table[op]
    except (KeyError, TypeError):
        names = ", ".join(sorted(set(table.values())))
        raise UnsupportedByEmulator(f"{api}(op={getattr(op, '__name__', op)})", "legacy", names) from None
