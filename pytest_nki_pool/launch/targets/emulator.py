"""The built-in emulator of NKI; always there."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pytest_nki_pool import emulator
from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.launch.exits import contained
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel
    from pytest_nki_pool.launch.launcher import FrameworkPath
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec


def missing() -> str:
    """Nothing is ever missing."""
    return ""


def found() -> str:
    """It comes with the package."""
    return "built in"


def sdk() -> str:
    """None is needed."""
    return ""


def resolve(name: str) -> ModuleType | None:
    """The emulator's module for an NKI name."""
    return emulator.resolve(name)


def refusal(_dialect: Dialect | None, _convention: Convention | None) -> str:
    """Kernels of every kind can be launched."""
    return ""


def without(_backend: str) -> str:
    """No framework path lacks anything here."""
    return ""


def witness() -> KernelSpec | None:
    """Nothing needs to be shown: what is launched is this package's own."""
    return None


def path(backend: str) -> FrameworkPath:
    """The framework's arrays in the host's memory."""
    return BACKENDS[backend].path()


def executor(kernel: Kernel, platform: str, _path: FrameworkPath) -> Callable[..., Any]:
    """The kernel as a function of NumPy arrays, on the emulated generation of a platform."""
    machine = emulator.Machine(generation=GENERATIONS[platform])
    outputs = kernel.output_names or None

    def execute(*args: Any) -> Any:
        call = kernel.arrange(args)
        function = _on_grid(kernel.loaded.function, call.grid, kernel.dialect)
        if call.kwargs:
            function = functools.partial(function, **call.kwargs)
        with contained():
            result = emulator.launch(function, *call.args, machine=machine, outputs=outputs)
        return kernel.settle(call, result)

    return execute


def _on_grid(function: Callable[..., Any], grid: tuple[int, ...], dialect: Dialect | None) -> Callable[..., Any]:
    """The kernel with a launch grid, whichever decorators it has."""
    if not grid:
        return function
    if isinstance(function, functools.partial):
        return functools.partial(_on_grid(function.func, grid, dialect), *function.args, **function.keywords)
    nki: Any = emulator.resolve("nki" if dialect == "current" else "neuronxcc.nki")
    launched: Callable[..., Any] = nki.jit(function)[grid[0] if dialect == "current" else grid]
    return launched
