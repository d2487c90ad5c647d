"""A Neuron device of this machine."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.launch import sdk as generations
from pytest_nki_pool.launch.exits import contained
from pytest_nki_pool.launch.kernel import Call
from pytest_nki_pool.launch.layouts import LAYOUTS
from pytest_nki_pool.launch.trust import witness_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel
    from pytest_nki_pool.launch.launcher import DevicePath, FrameworkPath
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec

_NODES = "neuron[0-9]*"


def missing() -> str:
    """What of the SDK was looked for and not found; whether there is a device node is for `choose` to say."""
    try:
        generations.find()
    except generations.SdkError as error:
        return f"there is a device, but {error}"
    return ""


def found() -> str:
    """The device nodes of this machine."""
    return ", ".join(sorted(str(node) for node in Path("/dev").glob(_NODES)))


def sdk() -> str:
    """The installed SDK and the generation that it is launched as."""
    return str(generations.find())


def resolve(_name: str) -> ModuleType | None:
    """NKI is the installed one."""
    return None


def refusal(dialect: Dialect | None, convention: Convention | None) -> str:
    """Why the installed SDK does not launch kernels of a kind."""
    return generations.find().refusal(dialect, convention)


def without(backend: str) -> str:
    """Which part of the SDK a framework path lacks to reach the device."""
    return generations.find().without(backend)


def witness() -> KernelSpec | None:
    """The first of our own kernels that the SDK launches."""
    return witness_of(generations.find())


def path(backend: str) -> FrameworkPath:
    """The framework's arrays on the device."""
    module = importlib.import_module(f"pytest_nki_pool.launch.{backend}")
    path: FrameworkPath = module.DevicePath(generations.find().adapter.tensors)
    return path


def executor(kernel: Kernel, _platform: str, path: DevicePath) -> Callable[..., Any]:
    """The kernel as a function of the framework's arrays on the device, by the entry point of the installed SDK."""
    entry = generations.find().adapter.entries[path.name]

    def execute(*args: Any) -> Any:
        call = _arrange(kernel, path, args)
        with contained():
            output = entry(kernel.loaded.function, call, kernel.loaded.parameters)
        return kernel.settle(replace(call, out=None), output)

    return execute


class _Sketch(np.ndarray):
    """Stands for an array on the device while a launch is arranged: shape and dtype in a single element."""


def _arrange(kernel: Kernel, path: DevicePath, args: Sequence[Any]) -> Call:
    """Put the launch's arguments where the kernel expects them, each array on the device."""
    if not kernel.pools:
        return Call(tuple(args))
    x, k = args
    spec = path.sketch(x)
    call = kernel.arrange((np.broadcast_to(np.zeros((), spec.dtype).view(_Sketch), spec.shape, subok=True), k))
    image = LAYOUTS[kernel.spec.layout].to_kernel(x)
    out = None if call.out is None else path.to_native(call.out)

    def placed(value: Any) -> Any:
        if isinstance(value, _Sketch):
            return image
        if value is call.out:
            return out
        return path.to_native(value) if isinstance(value, np.ndarray) else value

    keywords = {name: placed(value) for name, value in call.kwargs.items()}
    return replace(call, args=tuple(map(placed, call.args)), kwargs=keywords, out=out)
