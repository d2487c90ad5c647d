"""Reduction registers: the fp32 accumulator that ScalarE and VectorE keep for every partition.

Sources: NKI ISA, activation (`reduce_cmd`), tensor_scalar_reduce and select_reduce.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.alu import BINARY
from pytest_nki_pool.emulator.core.dtypes import FLOAT32
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import check_operands, is_column, put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined

#: What a reset leaves in a register.
IDENTITY: Mapping[str, float] = MappingProxyType({"add": 0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf})


class Registers:
    """The reduction registers of one engine."""

    __slots__ = ("_defined", "_op", "_values")

    def __init__(self) -> None:
        self._values = np.zeros(128, FLOAT32)
        self._defined = np.zeros(128, np.bool_)
        self._op = ""

    def forget(self) -> None:
        """Leave the registers undefined."""
        self._op = ""
        self._defined[...] = False

    def reset(self, op: str, lanes: slice, initial: Array | None = None) -> None:
        """Load registers with the identity of an operation, or with a value per partition."""
        self._op = op
        self._values[lanes] = IDENTITY[op] if initial is None else initial
        self._defined[lanes] = True

    def reduce(self, op: str, lanes: slice, values: Array, defined: Defined, api: str) -> None:
        """Reduce fp32 values, partitions x free elements, on top of the registers.

        Raises:
            NKIError: the registers hold nothing, or the result of another operation.
        """
        if self._op != op:
            held = f"hold the result of {self._op}" if self._op else "were never reset"
            raise NKIError(f"{api}: reduce_cmd reduce by {op} on registers that {held}; begin with reset_reduce")
        total = BINARY[op].reduce(values, axis=1)
        self._values[lanes] = BINARY[op](self._values[lanes], total)
        self._defined[lanes] &= defined if isinstance(defined, bool) else defined.all(axis=1)

    def read_out(self, dst: AccessPattern, lanes: slice, api: str) -> None:
        """Write the registers to a tile of one element per partition, rounding once.

        Raises:
            NKIError: no such tile.
        """
        check_operands(api, reduce_res=dst)
        if not is_column(dst, lanes.stop - lanes.start):
            raise NKIError(
                f"{api}: reduce_res must hold one element per partition, [{lanes.stop - lanes.start}, 1], got "
                f"{list(dst.shape)} of {dst.storage.describe()}"
            )
        put(dst, self._values[lanes, None], self._defined[lanes, None])


def reduce_result(
    engine: str,
    command: str,
    op: str,
    data: AccessPattern,
    values: Array,
    defined: Defined,
    result: AccessPattern | None,
    *,
    api: str,
    initial: Array | None = None,
) -> None:
    """Carry out a command to the reduction registers of an engine, and read them out.

    Args:
        engine: "scalar" or "vector"; an idle VectorE may change its registers (NKI ISA, select_reduce).
        command: name of a `reduce_cmd`.
        op: operation of the reduction.
        data: source of the instruction, whose partitions are the registers.
        values: fp32 results of the instruction, partitions x free elements.
        defined: where they are defined.
        result: tile of one element per partition for the registers, or None.
        api: NKI function in messages.
        initial: what `load_reduce` starts from.

    Raises:
        NKIError: `reduce` on registers that hold nothing, or no such result tile.
    """
    registers = data.storage.launch.registers.setdefault(engine, Registers())
    lanes = lanes_of(data)
    if command == "idle":
        if engine == "vector":
            registers.forget()
            if result is not None:
                raise NKIError(f"{api}: reduce_res goes with a reduce_cmd other than idle")
    elif command == "reset":
        registers.reset(op, lanes)
    else:
        if command != "reduce":
            registers.reset(op, lanes, initial)
        registers.reduce(op, lanes, values, defined, api)
    if result is not None:
        registers.read_out(result, lanes, api)


def lanes_of(access: AccessPattern) -> slice:
    """Partitions that an access touches."""
    start = access.offset // access.storage.row
    return slice(start, start + access.shape[0])
