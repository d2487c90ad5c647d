"""The reduction that some instructions add to what they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import registers as core
from pytest_nki_pool.emulator.current.operands import on_chip

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.operands import Defined
    from pytest_nki_pool.emulator.current.enums import reduce_cmd
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
    """Carry out a command to the reduction registers of an engine, see `core.registers.reduce_result`."""
    place = None if result is None else on_chip(result, "reduce_res", api)
    core.reduce_result(engine, command.name, op, data, values, defined, place, api=api, initial=initial)
