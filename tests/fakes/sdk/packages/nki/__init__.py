"""Stand-in for `nki`. Source: NKI API reference and release notes, 0.1 to 0.7."""

import os

from neuron_fake.compute import compute, on_device
from neuron_fake.kernel import Kernel, modules, number, plain

from pytest_nki_pool import emulator

_VERSION = number("nki")
modules("nki", ("language", "isa", "typing"))


def jit(func=None, mode="auto", **kwargs):
    if _VERSION >= (0, 3) and "platform_target" in kwargs:
        raise TypeError("nki.jit: platform_target is no longer an argument; set NEURON_PLATFORM_TARGET_OVERRIDE")
    if func is None:
        return jit
    return Kernel(func, emulator.resolve("nki").jit(func), _launch)


def _launch(function, args, kwargs, grid):
    if _VERSION < (0, 2):
        return Kernel(function, None)  # the automatic mode of 0.1 returned a kernel that had not run
    if os.environ.get("NKI_SIMULATOR", "0") == "1":
        return compute(function, args, kwargs, grid, default="trn3")
    return on_device(function, args, kwargs, grid)


if _VERSION >= (0, 3):

    def simulate(kernel):
        def run(*args, **kwargs):
            grid = kernel._grid if isinstance(kernel, Kernel) else ()
            return on_simulator(plain(kernel), args, kwargs, grid)

        return run
else:

    def _gone(*args, **kwargs):
        raise NotImplementedError("not available in nki; use neuronxcc.nki")

    baremetal = benchmark = profile = simulate_kernel = _gone


def on_simulator(function, args, kwargs, grid):
    from neuron_fake import faults

    faults.strike()
    result = compute(function, args, kwargs, grid, default="trn3")
    return tuple(map(faults.spoil, result)) if isinstance(result, tuple) else faults.spoil(result)
