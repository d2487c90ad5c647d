"""The object that ``jit`` and its relatives return."""

import functools

from neuron_fake.compute import on_device
from pytest_nki_pool.emulator.core.launch import in_launch


class Kernel:
    """A kernel; ``kernel[grid]`` launches on a grid."""

    def __init__(self, function, inner, launch=on_device, grid=()):
        functools.update_wrapper(self, function)
        self._function, self._inner, self._launch, self._grid = function, inner, launch, grid

    def __getitem__(self, grid):
        return Kernel(self._function, self._inner, self._launch, grid)

    def __call__(self, *args, **kwargs):
        if in_launch():  # another kernel calls it
            return self._inner(*args, **kwargs)
        return self._launch(self._function, args, kwargs, self._grid)


def plain(function):
    """The function behind a kernel."""
    return function._function if isinstance(function, Kernel) else function


def modules(package, names):
    """Let the emulator's modules stand below a package under their names in the SDK."""
    import sys

    from pytest_nki_pool import emulator

    for name in names:
        module = emulator.resolve(f"{package}.{name}")
        sys.modules[f"{package}.{name}"] = module
        setattr(sys.modules[package], name, module)


def number(distribution):
    """Major and minor number of an installed distribution; (0, 0) for none."""
    from importlib import metadata

    try:
        return tuple(map(int, metadata.version(distribution).split(".")[:2]))
    except metadata.PackageNotFoundError:
        return (0, 0)
