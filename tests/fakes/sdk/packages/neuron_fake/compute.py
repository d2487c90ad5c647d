"""Launches of a kernel on the arrays of NumPy, PyTorch and JAX; the emulator computes."""

import os
import sys

import numpy as np

from neuron_fake import faults
from pytest_nki_pool import emulator

#: What NEURON_PLATFORM_TARGET_OVERRIDE may be. Source: NKI simulator guide.
_GENERATIONS = {"trn1": "gen2", "inf2": "gen2", "trn2": "gen3", "trn3": "gen4"}


def generation(default="trn2"):
    asked = os.environ.get("NEURON_PLATFORM_TARGET_OVERRIDE", default)
    return _GENERATIONS.get(asked, asked)


def compute(function, args, kwargs, grid, default="trn2"):
    """A launch on NumPy arrays; a kernel without a result writes to its arguments."""
    machine = emulator.Machine(generation=generation(default))
    return emulator.launch(_on(function, grid), *args, machine=machine, **kwargs)


def on_device(function, args, kwargs, grid=()):
    """A launch on the device, on arrays of one framework; the result is the framework's."""
    values = [*args, *kwargs.values()]
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch and any(isinstance(value, torch.Tensor) for value in values):
        return _on_tensors(torch, function, args, kwargs, grid)
    if jax and any(isinstance(value, jax.Array) for value in values):
        return _on_jax_arrays(jax, function, args, kwargs, grid)
    faults.strike()
    return _each(faults.spoil, compute(function, args, kwargs, grid))


def _on_tensors(torch, function, args, kwargs, grid):
    from torch._subclasses import FakeTensor

    from pytest_nki_pool.emulator.frameworks import torch as bridge

    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
    device = tensors[0].device
    if any(isinstance(tensor, FakeTensor) for tensor in tensors):
        shapes = [np.zeros(tensor.shape, bridge.numpy_dtype(tensor.dtype)) for tensor in tensors]
        result = compute(function, *_replaced(args, kwargs, tensors, shapes), grid)
        return _each(lambda array: tensors[0].new_empty(array.shape, dtype=bridge.torch_dtype(array.dtype)), result)
    if device.type not in {"xla", "neuron"}:
        raise RuntimeError(f"NKI kernels take tensors on a Neuron device, got one on {device}")
    hosts = [bridge.to_numpy(tensor.detach().cpu()).copy() for tensor in tensors]
    before = [host.tobytes() for host in hosts]
    faults.strike()
    result = compute(function, *_replaced(args, kwargs, tensors, hosts), grid)
    for tensor, host, bits in zip(tensors, hosts, before, strict=True):
        if host.tobytes() != bits:
            written = bridge.from_numpy(faults.spoil(host))
            # Of a stand-in for an XLA tensor its host memory: PyTorch alone has no device to guard.
            getattr(tensor, "host", tensor).detach().copy_(written)
    return _each(lambda array: bridge.from_numpy(faults.spoil(array)).to(device), result)


def _on_jax_arrays(jax, function, args, kwargs, grid):
    arrays = [value for value in (*args, *kwargs.values()) if isinstance(value, jax.Array)]

    def run(*hosts):
        faults.strike()
        result = compute(function, *_replaced(args, kwargs, arrays, list(map(np.asarray, hosts))), grid)
        return _each(faults.spoil, result)

    return through_jax(run, arrays)


def through_jax(run, arrays, shapes=None):
    """Run a function of NumPy arrays on JAX's, also while they are traced."""
    import jax

    if not any(isinstance(array, jax.core.Tracer) for array in arrays):
        return _each(jax.numpy.array, run(*map(np.asarray, arrays)))
    if shapes is None:
        result = run(*(np.zeros(array.shape, array.dtype) for array in arrays))
        shapes = _each(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), result)
    return jax.pure_callback(run, shapes, *arrays)


def _replaced(args, kwargs, old, new):
    """The arguments with some values in the place of others."""

    def pick(value):
        return next((host for array, host in zip(old, new, strict=True) if array is value), value)

    return tuple(map(pick, args)), {name: pick(value) for name, value in kwargs.items()}


def _on(function, grid):
    """The kernel as the emulator launches it: on a grid, or on the cores of a logical NeuronCore."""
    if not grid:
        return function
    return emulator.resolve("neuronxcc.nki" if isinstance(grid, tuple) else "nki").jit(function)[grid]


def _each(change, result):
    if result is None:
        return None
    return tuple(map(change, result)) if isinstance(result, tuple) else change(result)
