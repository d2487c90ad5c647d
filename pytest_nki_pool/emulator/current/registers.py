"""The reduction that some instructions add to what they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.registers import Registers, lanes_of
from pytest_nki_pool.emulator.current.enums import reduce_cmd
from pytest_nki_pool.emulator.current.operands import on_chip

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined
    from pytest_nki_pool.emulator.current.tensor import NkiTensor


def reduce_result(
    engine: str,
    command: reduce_cmd,
    op: str,
    data: AccessPattern,
    values: Array,
    defined: Defined,
    result: NkiTensor | None,
    *,
    api: str,
    initial: Array | None = None,
) -> None:
    """Carry out a command to the reduction registers of an engine, and read them out.

    Args:
        engine: "scalar" or "vector"; an idle VectorE may change its registers (NKI ISA, select_reduce).
        command: the command.
        op: operation of the reduction.
        data: source of the instruction, whose partitions are the registers.
        values: fp32 results of the instruction, partitions x free elements.
        defined: where they are defined.
        result: (P, 1) tile for the registers, or None.
        api: NKI function in messages.
        initial: what `load_reduce` starts from.

    Raises:
        NKIError: `reduce` on registers that hold nothing, or no such result tile.
    """
    registers = current_launch(api).registers.setdefault(engine, Registers())
    lanes = lanes_of(data)
    if command is reduce_cmd.idle:
        if engine == "vector":
            registers.forget()
            if result is not None:
                raise NKIError(f"{api}: reduce_res goes with a reduce_cmd other than idle")
    elif command is reduce_cmd.reset:
        registers.reset(op, lanes)
    else:
        if command is not reduce_cmd.reduce:
            registers.reset(op, lanes, initial)
        registers.reduce(op, lanes, values, defined, api)
    if result is not None:
        registers.read_out(on_chip(result, "reduce_res", api), lanes, api)
