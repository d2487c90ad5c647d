"""The enums of `nki.isa`, with the numbers of this dialect, and the engines that run an instruction."""
# ruff: noqa: N801  (the names of NKI)

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.current.tensor import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

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


#: Engines that run an instruction, beside `unknown` (the compiler chooses).
_ENGINES: Mapping[str, tuple[engine, ...]] = MappingProxyType(
    {
        "dma_copy": (engine.sync, engine.scalar, engine.gpsimd, engine.dma),
        "memset": (engine.vector, engine.gpsimd),
        "nc_transpose": (engine.tensor, engine.vector),
        "tensor_copy": (engine.vector, engine.scalar, engine.gpsimd),
        "tensor_scalar": (engine.vector, engine.scalar, engine.gpsimd),
        "tensor_tensor": (engine.vector, engine.gpsimd),
    }
)


def check_member(api: str, parameter: str, value: object, kind: type[Enum]) -> None:
    """Check that an argument is a member of an enum, not its number.

    Raises:
        NKIError: it is not.
    """
    if not isinstance(value, kind):
        raise NKIError(f"{api} {parameter} must be a member of nisa.{kind.__name__}, got {value!r}")


def check_engine(api: str, value: engine, *operands: AccessPattern) -> None:
    """Check that an engine runs an instruction and reaches its operands.

    Raises:
        NKIError: it does not.
    """
    check_member(api, "engine", value, engine)
    if value is not engine.unknown and value not in _ENGINES[api]:
        allowed = ", ".join(member.name for member in _ENGINES[api])
        raise NKIError(f"{api} does not run on engine {value.name}; use one of {allowed}")
    for access in operands:
        if value is engine.gpsimd and access.storage.buffer is Buffer.PSUM:
            raise NKIError(f"{api} on engine gpsimd cannot reach psum: {describe(access)}")
