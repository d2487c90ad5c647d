"""The enums of `nki.isa`, with the numbers of this dialect."""
# ruff: noqa: N801  (the names of NKI)

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engines as core
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern


class engine(Enum):
    """Engines of a NeuronCore."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    dma = 4
    vector = 5
    sync = 6


class reduce_cmd(Enum):
    """Commands to the reduction registers of an engine."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class dge_mode(Enum):
    """Who generates the descriptors of a DMA; the numbers differ from those of the legacy dialect."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class oob_mode(Enum):
    """What a DMA does with a dynamic index out of bounds."""

    error = 0
    skip = 1


class matmul_perf_mode(Enum):
    """How TensorE packs its operands."""

    none = 0
    double_row = 1


class nc_version(Enum):
    """Versions of the NeuronCore."""

    gen2 = 2
    gen3 = 3
    gen4 = 4


def check_member(api: str, parameter: str, value: object, kind: type[Enum]) -> None:
    """Check that an argument is a member of an enum, not its number.

    Raises:
        NKIError: it is not.
    """
    if not isinstance(value, kind):
        raise NKIError(f"{api} {parameter} must be a member of nisa.{kind.__name__}, got {value!r}")


def check_engine(
    api: str, value: engine, dst: AccessPattern | None = None, **sources: AccessPattern | float | None
) -> None:
    """Check that an engine runs an instruction and reaches its operands, see `core.engines`.

    Raises:
        NKIError: it does not, or is no member of the enum.
    """
    check_member(api, "engine", value, engine)
    core.check_engine(api, value.name, current_launch(api).generation, dst=dst, **sources)
