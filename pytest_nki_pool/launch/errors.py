"""What it means that a launch raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator import UnsupportedByEmulator
from pytest_nki_pool.emulator.frameworks.op import ResultMismatch
from pytest_nki_pool.neuron.faults import Kind, Outcome, classify

if TYPE_CHECKING:
    from pytest_nki_pool.neuron.faults import Fault


class UnsupportedByPath(Exception):  # noqa: N818 - a verdict, not a fault
    """The framework path cannot carry what the case asks for, whatever the kernel does."""


class Mistrusted(Exception):  # noqa: N818 - a verdict, not a fault
    """It is not shown that a launch executed where it was to execute; what it returned says nothing of the kernel."""


class KernelSignatureError(Exception):
    """A kernel's parameters cannot be told apart as input, output and pool size."""


class KernelSpecError(Exception):
    """A function of a `KernelSpec` raised for a launch that every average pool must take; the kernel was not asked."""


class KernelDialectError(Exception):
    """The installed Neuron SDK does not launch kernels of this kind."""


class KernelClaimError(Exception):
    """A kernel claims what no kernel can."""


class KernelExitError(Exception):
    """A kernel raised what ends a program or a test, such as `SystemExit`; neither may end the run."""


class MachineError(Exception):
    """A launch on a device raised what tells of the machine, its driver or its toolchain, and not of the kernel.

    Attributes:
        fault: what it tells.
        error: what was raised.
    """

    def __init__(self, fault: Fault, error: Exception) -> None:
        super().__init__(f"{fault}: {type(error).__name__}: {error}")
        self.fault = fault
        self.error = error


#: What an exception may tell of the kernel alone.
_OF_THE_KERNEL = frozenset({Kind.NONE, Kind.KERNEL_REJECTED, Kind.CRASH})

#: A kernel that raises one of these is broken, or nobody can tell; it has not refused anything.
_NO_REFUSAL = (
    NameError,
    AttributeError,
    ImportError,
    MemoryError,
    RecursionError,
    KernelExitError,
    KernelSpecError,
    MachineError,
    ResultMismatch,
    UnsupportedByEmulator,
    UnsupportedByPath,
    Mistrusted,
)


def is_refusal(error: Exception) -> bool:
    """Whether an exception is the kernel's own refusal or a rule of hardware or compiler."""
    return not isinstance(error, _NO_REFUSAL)


def blame(error: Exception) -> Exception:
    """What a launch on a device raised, as a `MachineError` where it tells of the machine rather than of the kernel."""
    fault = classify(Outcome(text=str(error), exception=type(error).__name__))
    return error if fault.kind in _OF_THE_KERNEL else MachineError(fault, error)
