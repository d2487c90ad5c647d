"""``torch_neuronx.nki_jit``. Source: NKI tutorials of SDK 2.20."""

import functools

import torch_xla  # noqa: F401 - as the package does
from neuron_fake.kernel import Kernel, plain

from pytest_nki_pool import emulator


def nki_jit(func=None, **kwargs):
    if func is None:
        return functools.partial(nki_jit, **kwargs)
    return Kernel(plain(func), emulator.resolve("neuronxcc.nki").jit(plain(func)))
