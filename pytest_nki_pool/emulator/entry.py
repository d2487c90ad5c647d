"""`launch` and `measure`: the doors for everything that is no kernel."""

from __future__ import annotations

import functools
import importlib
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.cost import Cost, metered
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.kernel import Kernel
from pytest_nki_pool.emulator.core.launch import Dialect, Machine, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array

_HERE = __name__.rpartition(".")[0]

#: Dialect -> module with its `DIALECT`.
_DIALECTS: Mapping[str, str] = MappingProxyType(
    {"legacy": f"{_HERE}.legacy.entry", "current": f"{_HERE}.current.entry"}
)


def launch(
    kernel: Callable[..., Any],
    *args: Any,
    machine: Machine | None = None,
    outputs: Sequence[str] | None = None,
    grid: int | Sequence[int] = (),
    lnc: int | None = None,
    **kwargs: Any,
) -> Array | tuple[Array, ...] | None:
    """Launch a kernel on NumPy arrays.

    Args:
        kernel: a plain function, or what `nki.jit` and its relatives returned.
        *args: arguments of the kernel; NumPy and `ml_dtypes` arrays become HBM tensors, everything else passes
            unchanged.
        machine: what is modelled; gen3 with loops forward by default.
        outputs: names of the parameters that the kernel writes: they start undefined, must be wholly written, and are
            written in place. None: whichever array parameters a kernel without a return value writes.
        grid: programs per dimension of the launch grid of a legacy kernel, as in `kernel[grid](…)`.
        lnc: physical cores that a kernel of the current dialect runs on, as in `kernel[lnc](…)`: 1 or 2.
        **kwargs: more arguments of the kernel.

    Returns:
        None, an array or a tuple of arrays, as the kernel returns; arrays are contiguous, writable and own their
        memory.

    Raises:
        NKIError: the kernel breaks a rule of NKI or of the hardware.
        UnsupportedByEmulator: the kernel uses a part of NKI that the emulator does not have.
    """
    plain, dialect, own = _look_through(kernel)
    programs = _programs(dialect, own, grid, lnc)
    return run(plain, dialect, args, kwargs, machine=machine, outputs=outputs, grid=programs)  # type: ignore[no-any-return]


def measure(
    kernel: Callable[..., Any],
    *args: Any,
    machine: Machine | None = None,
    outputs: Sequence[str] | None = None,
    grid: int | Sequence[int] = (),
    lnc: int | None = None,
    **kwargs: Any,
) -> Cost:
    """Launch a kernel and say what the launch would cost on the hardware, by a model.

    Args:
        kernel: see `launch`, as everything below.
        *args: arguments of the kernel.
        machine: what is modelled; its generation decides the rates.
        outputs: names of the parameters that the kernel writes.
        grid: programs per dimension of the launch grid.
        lnc: physical cores.
        **kwargs: more arguments of the kernel.

    Raises:
        NKIError: the kernel breaks a rule of NKI or of the hardware.
        UnsupportedByEmulator: the kernel uses a part of NKI that the emulator does not have.
    """
    costs: list[Cost] = []
    with metered(lambda _, cost: costs.append(cost)):
        launch(kernel, *args, machine=machine, outputs=outputs, grid=grid, lnc=lnc, **kwargs)
    return costs[0]


def _look_through(kernel: Callable[..., Any]) -> tuple[Callable[..., Any], Dialect, tuple[int, ...]]:
    if isinstance(kernel, functools.partial):
        plain, dialect, grid = _look_through(kernel.func)
        return functools.partial(plain, *kernel.args, **kernel.keywords), dialect, grid
    if isinstance(kernel, Kernel):
        return kernel.function, kernel.dialect, kernel.grid
    return kernel, _dialect_module(_dialect_of(kernel)).DIALECT, ()


def _programs(dialect: Dialect, own: tuple[int, ...], grid: int | Sequence[int], lnc: int | None) -> tuple[int, ...]:
    """Check what a launch and its kernel say about programs, and return the launch grid.

    Raises:
        NKIError: both say something, or the dialect has no such grid.
    """
    asked = lnc if grid == () else grid if lnc is None else None
    if asked is None:
        if grid == ():
            return own
        raise NKIError(f"a launch takes grid (legacy dialect) or lnc (current dialect), got {grid!r} and {lnc}")
    if own:
        raise NKIError(f"the kernel has the launch grid {list(own)} already, got another one: {asked!r}")
    if (lnc is not None) != (dialect.name == "current"):
        right, wrong = ("lnc", "grid") if lnc is None else ("grid", "lnc")
        raise NKIError(f"a kernel of the {dialect.name} dialect is launched with {right}=, got {wrong}={asked!r}")
    return dialect.grid(asked)


def _dialect_module(name: str) -> Any:
    return importlib.import_module(_DIALECTS[name])


def _dialect_of(function: Callable[..., Any]) -> str:
    """Tell a plain function's dialect from the NKI modules that its globals hold; legacy kernels need no decorator.

    Raises:
        NKIError: no Python function, or one of a module that imports both dialects.
    """
    if not hasattr(function, "__code__"):
        raise NKIError(f"a kernel is a Python function, got {type(function).__name__}")
    names = function.__globals__
    used = [names[name] for name in function.__code__.co_names if name in names]
    found = _dialects_among(used) or _dialects_among(names.values())
    if len(found) > 1:
        raise NKIError(
            f"{function.__name__}: its module imports both `neuronxcc.nki` and `nki`; a kernel uses one of them"
        )
    return found.pop() if found else "legacy"


def _dialects_among(values: Iterable[object]) -> set[str]:
    found = set()
    for value in values:
        home = getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", None)
        if isinstance(home, str) and home.startswith(_HERE):
            found.add(home[len(_HERE) + 1 :].partition(".")[0])
    return found & _DIALECTS.keys()
