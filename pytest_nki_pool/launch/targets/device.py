"""A Neuron device of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel

_NODES = "neuron[0-9]*"


def missing() -> str:
    """What was looked for and not found."""
    if not found():
        return f"no Neuron device: looked for device nodes /dev/{_NODES} and found none"
    return f"found {found()}, but launching on a device is not part of this version; use --nki-target=emulator"


def found() -> str:
    """The device nodes of this machine."""
    return ", ".join(sorted(str(node) for node in Path("/dev").glob(_NODES)))


def resolve(_name: str) -> ModuleType | None:
    """NKI is the installed one."""
    return None


def executor(_kernel: Kernel, _platform: str) -> NoReturn:
    """Refused: `missing` says why before it comes to this."""
    raise NotImplementedError(missing())
