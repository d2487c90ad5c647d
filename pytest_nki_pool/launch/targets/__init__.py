"""Where a kernel can execute; one module per target, see `Target`."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel
    from pytest_nki_pool.launch.launcher import FrameworkPath
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec

TARGETS: Mapping[str, str] = MappingProxyType(
    {name: f"pytest_nki_pool.launch.targets.{name}" for name in ("device", "simulator", "emulator")}
)


class Target(Protocol):
    """What a target's module offers."""

    def missing(self) -> str:
        """What was looked for and not found; empty when kernels can execute here."""

    def found(self) -> str:
        """What there is of the target on this machine, usable or not; empty when nothing."""

    def sdk(self) -> str:
        """The SDK that launches and how, for people; empty where it takes none."""

    def resolve(self, name: str) -> ModuleType | None:
        """The module that stands for an NKI name in a kernel; None leaves the import as it is."""

    def refusal(self, dialect: Dialect | None, convention: Convention | None) -> str:
        """Why kernels of a kind cannot be launched here, and what would launch them; empty when they can."""

    def without(self, backend: str) -> str:
        """What a framework path lacks here, apart from the framework; empty when nothing."""

    def witness(self) -> KernelSpec | None:
        """A kernel of our own with which the target has to show that it can be trusted; None where it need not."""

    def path(self, backend: str) -> FrameworkPath:
        """How the arrays of a framework get here."""

    def executor(self, kernel: Kernel, platform: str, path: FrameworkPath) -> Callable[..., Any]:
        """The kernel as a function of the arrays that the path's `wrap` hands on."""


def target(name: str) -> Target:
    """The target of this name."""
    module: Any = importlib.import_module(TARGETS[name])
    return module  # type: ignore[no-any-return]


def choose(asked: str, devices: str | None = None) -> tuple[str, str]:
    """The target to use, and why it cannot be used (empty when it can).

    "auto" takes the device if a device node exists, else the simulator if an SDK is installed, else the emulator, and
    having chosen never falls back.

    Args:
        asked: "auto" or a target.
        devices: the device nodes, by somebody who looked for them elsewhere than in ``/dev``; empty for none.
    """
    nodes = target("device").found() if devices is None else devices
    found = {name: nodes if name == "device" else target(name).found() for name in TARGETS}
    name = asked if asked != "auto" else next(name for name in TARGETS if found[name])
    if name == "device" and not nodes:
        return name, "no Neuron device: looked for device nodes /dev/neuron<N> and found none"
    return name, target(name).missing()
