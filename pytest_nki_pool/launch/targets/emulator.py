"""The built-in emulator of NKI; always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool import emulator
from pytest_nki_pool.launch.errors import KernelExitError
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel


def missing() -> str:
    """Nothing is ever missing."""
    return ""


def found() -> str:
    """It comes with the package."""
    return "built in"


def resolve(name: str) -> ModuleType | None:
    """The emulator's module for an NKI name."""
    return emulator.resolve(name)


def executor(kernel: Kernel, platform: str) -> Callable[..., Any]:
    """The kernel as a function of NumPy arrays, on the emulated generation of a platform."""
    machine = emulator.Machine(generation=GENERATIONS[platform])
    outputs = kernel.output_names or None

    def execute(*args: Any) -> Any:
        positional, out = kernel.arrange(args)
        try:
            result = emulator.launch(kernel.loaded.function, *positional, machine=machine, outputs=outputs)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            left = KernelExitError(f"{type(error).__name__}: {error}")
            raise left.with_traceback(error.__traceback__) from error
        return result if out is None else out

    return execute
