"""`nki.jit` and its relatives of the legacy dialect."""

from __future__ import annotations

import sys
from types import GenericAlias
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.cost import Cost, current_report, metered
from pytest_nki_pool.emulator.core.dtypes import dtype_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.kernel import Kernel as CoreKernel
from pytest_nki_pool.emulator.core.launch import in_launch, run
from pytest_nki_pool.emulator.legacy.dialect import DIALECT
from pytest_nki_pool.emulator.legacy.indices import static_integer
from pytest_nki_pool.emulator.legacy.latency import BenchmarkResult
from pytest_nki_pool.emulator.legacy.typing import tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_MODES = ("auto", "jax", "torchxla", "baremetal", "benchmark", "simulation", "trace")


class Kernel(CoreKernel):
    """What the decorators of the legacy dialect return."""

    dialect = DIALECT


class BenchmarkKernel(Kernel):
    """What `nki.benchmark` returns.

    It launches once. Handed types instead of arrays, it has nothing to compute: the launch is counted as NKI traces it,
    one iteration per loop, and returns None.

    Attributes:
        benchmark_result: modelled latency of the last launch.
    """

    benchmark_result: BenchmarkResult

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102  (the class says it)
        if in_launch():
            return super().__call__(*args, **kwargs)
        outer = current_report()
        costs: list[Cost] = []

        def report(name: str, cost: Cost) -> None:
            costs.append(cost)
            if outer is not None:
                outer(name, cost)

        typed = any(map(_is_type, (*args, *kwargs.values())))
        with metered(report, traced=typed):
            result = super().__call__(*map(_array, args), **{name: _array(value) for name, value in kwargs.items()})
        self.benchmark_result = BenchmarkResult.of(costs[-1])
        sys.stderr.write(f"pytest_nki_pool: the latency of {self.function.__name__} is modelled, not measured\n")
        return result


def _array(value: Any) -> Any:
    """Make an array where a benchmark is handed a type, `tensor[[128, 512], nl.bfloat16]`, instead of one."""
    if _is_type(value):
        shape, dtype = value.__args__
        return np.zeros(shape, dtype_of(dtype))
    return value


def _is_type(value: Any) -> bool:
    return isinstance(value, GenericAlias) and value.__origin__ is tensor and len(value.__args__) == 2


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


def trace(func: Callable[..., Any] | None = None, **_options: Any) -> Any:
    """Make a kernel, as `jit` does (NKI of SDK 2.20)."""
    return jit(func)


def profile(func: Callable[..., Any] | None = None, **_options: Any) -> Any:
    """Make a kernel; there is no device whose profile could be saved, so `working_directory` stays empty."""
    return jit(func)


def benchmark(kernel: Callable[..., Any] | None = None, *, warmup: int = 10, iters: int = 100, **_options: Any) -> Any:
    """Make a kernel with a modelled latency; bare decorator, decorator with arguments, or wrapper.

    Args:
        kernel: the kernel function.
        warmup: launches that a device would not count.
        iters: launches that a device would count. The model is deterministic: the emulator launches once.
        **_options: names of files to save, without effect here.

    Returns:
        A kernel with the attribute `benchmark_result`, see `BenchmarkResult`.

    Raises:
        NKIError: no launch would be counted.
    """
    if static_integer(iters, "nki.benchmark") < 1 or static_integer(warmup, "nki.benchmark") < 0:
        raise NKIError(f"nki.benchmark: iters is at least 1 and warmup at least 0, got {iters} and {warmup}")
    return BenchmarkKernel if kernel is None else BenchmarkKernel(kernel)


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
    grid = kernel.grid if isinstance(kernel, CoreKernel) else ()
    function = kernel.function if isinstance(kernel, CoreKernel) else kernel
    return run(function, DIALECT, args, kwargs, grid=grid)
