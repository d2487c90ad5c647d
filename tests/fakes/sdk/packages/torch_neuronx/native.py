"""TorchNeuron: the device ``neuron``, here PyTorch's out-of-tree device on the host's memory, and its NKI operators.

Source: TorchNeuron's guide to NKI kernels, SDK 2.33.
"""

import ctypes

import nki  # noqa: F401 - torch_neuronx needs it
import torch
from neuron_fake.compute import on_device
from neuron_fake.kernel import Kernel, plain
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend
from torch.utils.dlpack import from_dlpack, to_dlpack

from pytest_nki_pool import emulator

_CPU, _EXTENSION = 1, 12  # DLPack's device types
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _relabelled(tensor, device_type):
    """The same memory as a tensor of another device: the capsule's device field follows its data pointer."""
    capsule = to_dlpack(tensor.detach())
    ctypes.c_int32.from_address(_pointer(capsule, b"dltensor") + 8).value = device_type
    return from_dlpack(capsule)


def _to_host(tensor):
    if tensor.numel() == 0:
        return torch.empty(tensor.shape, dtype=tensor.dtype)
    return _relabelled(tensor, _CPU)


def _to_device(tensor):
    return _relabelled(tensor, _EXTENSION)


def _is_ours(value):
    return isinstance(value, torch.Tensor) and value.device.type == "neuron"


class _Module(_DummyBackendModule):
    def synchronize(self, device=None):
        pass


_setup_privateuseone_for_python_backend("neuron", backend_module=_Module())


def _on_host(operator, *args, **kwargs):
    """Any operator: on the host's view of the same memory."""
    pairs = []

    def host(value):
        if _is_ours(value):
            pairs.append((value, _to_host(value)))
            return pairs[-1][1]
        return torch.device("cpu") if isinstance(value, torch.device) and value.type == "neuron" else value

    def back(value):
        if not isinstance(value, torch.Tensor) or value.device.type != "cpu":
            return value
        return next((ours for ours, theirs in pairs if theirs is value), _to_device(value))

    args, kwargs = tree_map(host, (args, kwargs))
    return tree_map(back, operator(*args, **kwargs))


def _empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    return _to_device(torch.empty(size, dtype=dtype))


def _empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):
    return _to_device(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source, destination, non_blocking=False):
    host = _to_host(destination) if _is_ours(destination) else destination
    host.copy_(_to_host(source) if _is_ours(source) else source)
    return destination


_every = torch.library.Library("_", "IMPL")
_every.fallback(_on_host, "PrivateUse1")
_aten = torch.library.Library("aten", "IMPL")
for _name, _function in (
    ("empty.memory_format", _empty),
    ("empty_strided", _empty_strided),
    ("_copy_from", _copy_from),
):
    _aten.impl(_name, _function, "PrivateUse1")


@torch._dynamo.register_backend(name="neuron")
def _compile(graph, inputs):
    """``torch.compile(backend="neuron")``: the graph as it is."""
    return graph.forward


def wrap_nki(kernel):
    """A kernel that PyTorch's tracing keeps as one node."""
    return Kernel(plain(kernel), emulator.resolve("nki").jit(plain(kernel)), on_device)


def nki_op(name, mutates_args, **kwargs):
    """A custom operator whose fake kernel is the body itself."""

    def decorate(body):
        operator = torch.library.custom_op(name, body, mutates_args=tuple(mutates_args))
        operator.register_fake(body)
        return operator

    return decorate
