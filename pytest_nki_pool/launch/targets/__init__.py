"""Where a kernel can execute; one module per target, each with `missing()` and `executor()`."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel

TARGETS: Mapping[str, str] = MappingProxyType(
    {name: f"pytest_nki_pool.launch.targets.{name}" for name in ("device", "simulator", "emulator")}
)


class Target(Protocol):
    """What a target's module offers."""

    def missing(self) -> str:
        """What was looked for and not found; empty when kernels can execute here."""

    def found(self) -> str:
        """What there is of the target on this machine, usable or not; empty when nothing."""

    def resolve(self, name: str) -> ModuleType | None:
        """The module that stands for an NKI name in a kernel; None leaves the import as it is."""

    def executor(self, kernel: Kernel, platform: str) -> Callable[..., Any]:
        """The kernel as a function of NumPy arrays."""


def target(name: str) -> Target:
    """The target of this name."""
    module: Any = importlib.import_module(TARGETS[name])
    return module  # type: ignore[no-any-return]


def choose(asked: str) -> tuple[str, str]:
    """The target to use, and why it cannot be used (empty when it can).

    "auto" takes the device if a device node exists, else the simulator if an SDK is installed, else the emulator, and
    having chosen never falls back.
    """
    name = asked if asked != "auto" else next(name for name in TARGETS if target(name).found())
    return name, target(name).missing()
