"""The Neuron SDK's own CPU simulator."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.launch import sdk as generations
from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.launch.errors import Mistrusted
from pytest_nki_pool.launch.exits import contained
from pytest_nki_pool.launch.trust import witness_of
from pytest_nki_pool.neuron.environment import prepare_simulator
from pytest_nki_pool.neuron.errors import NeuronError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel
    from pytest_nki_pool.launch.launcher import FrameworkPath
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec


def missing() -> str:
    """What was looked for and not found."""
    try:
        generations.find()
    except generations.SdkError as error:
        return str(error)
    return ""


def found() -> str:
    """The SDK's distributions that are installed and hold NKI, placeholders left out."""
    versions = generations.installed()
    return ", ".join(f"{name} {versions[name]}" for name in ("nki", "neuronx-cc") if name in versions)


def sdk() -> str:
    """The installed SDK and the generation that it is launched as."""
    return str(generations.find())


def resolve(_name: str) -> ModuleType | None:
    """NKI is the installed one."""
    return None


def refusal(dialect: Dialect | None, convention: Convention | None) -> str:
    """Why the installed SDK does not launch kernels of a kind."""
    return generations.find().refusal(dialect, convention)


def without(_backend: str) -> str:
    """The simulator takes NumPy arrays from every framework path."""
    return ""


def witness() -> KernelSpec | None:
    """The first of our own kernels that the SDK launches."""
    return witness_of(generations.find())


def path(backend: str) -> FrameworkPath:
    """The framework's arrays in the host's memory."""
    return BACKENDS[backend].path()


def executor(kernel: Kernel, platform: str, _path: FrameworkPath) -> Callable[..., Any]:
    """The kernel as a function of NumPy arrays, on the simulated chip of a platform."""
    simulate = generations.find().adapter.simulate

    def execute(*args: Any) -> Any:
        call = kernel.arrange(args)
        with contained(), _as_chip(platform):
            returned = simulate(kernel.loaded.function, call)
        return kernel.settle(call, returned)

    return execute


@contextmanager
def _as_chip(platform: str) -> Iterator[None]:
    """Tell the simulator which chip to stand for: unset, it takes that of the machine, or else trn3."""
    try:
        wanted = prepare_simulator(os.environ, platform).set
    except NeuronError as error:
        raise Mistrusted(str(error)) from error
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
