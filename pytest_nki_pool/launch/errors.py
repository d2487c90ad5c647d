"""What it means that a launch raised."""

from __future__ import annotations

from pytest_nki_pool.emulator import UnsupportedByEmulator
from pytest_nki_pool.emulator.frameworks.op import ResultMismatch


class UnsupportedByPath(Exception):  # noqa: N818 - a verdict, not a fault
    """The framework path cannot carry what the case asks for, whatever the kernel does."""


class KernelSignatureError(Exception):
    """A kernel's parameters cannot be told apart as input, output and pool size."""


class KernelClaimError(Exception):
    """A kernel claims what no kernel can."""


class KernelExitError(Exception):
    """A kernel raised what ends a program or a test, such as `SystemExit`; neither may end the run."""


#: A kernel that raises one of these is broken, or nobody can tell; it has not refused anything.
_NO_REFUSAL = (
    NameError,
    AttributeError,
    ImportError,
    MemoryError,
    RecursionError,
    KernelExitError,
    ResultMismatch,
    UnsupportedByEmulator,
    UnsupportedByPath,
)


def is_refusal(error: Exception) -> bool:
    """Whether an exception is the kernel's own refusal or a rule of hardware or compiler."""
    return not isinstance(error, _NO_REFUSAL)
