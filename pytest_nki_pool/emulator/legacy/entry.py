"""`nki.jit` and its relatives of the legacy dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.kernel import Kernel as CoreKernel
from pytest_nki_pool.emulator.core.launch import run
from pytest_nki_pool.emulator.legacy.tensor import DIALECT

if TYPE_CHECKING:
    from collections.abc import Callable

_MODES = ("auto", "jax", "torchxla", "baremetal", "benchmark", "simulation", "trace")


class Kernel(CoreKernel):
    """What the decorators of the legacy dialect return."""

    dialect = DIALECT


def jit(func: Callable[..., Any] | None = None, mode: str = "auto", **_options: Any) -> Any:
    """Make a kernel; bare decorator, decorator with arguments, or wrapper.

    Args:
        func: the kernel function.
        mode: any of NKI's modes; the emulator launches by the kind of the arrays in all of them.
        **_options: compiler options, without effect here.

    Raises:
        NKIError: no such mode.
    """
    if mode not in _MODES:
        raise NKIError(f"nki.jit: mode {mode!r} does not exist; use one of {', '.join(_MODES)}")
    return Kernel if func is None else Kernel(func)


def baremetal(kernel: Callable[..., Any] | None = None, **_options: Any) -> Any:
    """Make a kernel that takes and returns NumPy arrays; bare decorator, decorator with arguments, or wrapper."""
    return Kernel if kernel is None else Kernel(kernel)


def simulate_kernel(kernel: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Launch a kernel on NumPy arrays.

    Args:
        kernel: plain, jit or baremetal kernel.
        *args: NumPy arrays and other arguments of the kernel.
        **kwargs: more of them.

    Returns:
        What the kernel returns, as NumPy arrays.
    """
    for value in (*args, *kwargs.values()):
        if hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic)):
            raise NKIError(f"nki.simulate_kernel takes NumPy arrays, got {type(value).__name__}; convert it")
    function = kernel.function if isinstance(kernel, CoreKernel) else kernel
    return run(function, DIALECT, args, kwargs)
