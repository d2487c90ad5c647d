"""Stand-in for `torch_xla`: tensors whose device is ``xla:0`` and whose values lie in the host's memory.

A subclass of tensors wraps each; real lazy tensors need the real package.
"""

from importlib.metadata import version

import torch
from torch.utils._pytree import tree_map

_XLA = torch.device("xla", 0)
__version__ = version("torch-xla")


class XlaTensor(torch.Tensor):
    @staticmethod
    def __new__(cls, host):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            device=_XLA,
        )

    def __init__(self, host):
        self.host = host

    def __getitem__(self, index):
        return XlaTensor(self.host[index])

    def __repr__(self, **_):
        return f"{self.host!r} on xla:0"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        wrapped = []

        def unwrap(value):
            if isinstance(value, XlaTensor):
                wrapped.append(value)
                return value.host
            return torch.device("cpu") if isinstance(value, torch.device) and value.type == "xla" else value

        inner, named = tree_map(unwrap, (tuple(args), dict(kwargs)))
        result = func(*inner, **named)
        if torch.device(kwargs.get("device") or _XLA).type != "xla":
            return result
        if func is torch.ops.aten.copy_.default and not isinstance(args[0], XlaTensor):
            return args[0]

        def wrap(value):
            if not isinstance(value, torch.Tensor):
                return value
            return next((tensor for tensor in wrapped if tensor.host is value), XlaTensor(value))

        return tree_map(wrap, result)


def _empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):
    return XlaTensor(torch.empty_strided(size, stride, dtype=dtype))


def _empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    return XlaTensor(torch.empty(size, dtype=dtype))


_library = torch.library.Library("aten", "IMPL")
_library.impl("empty_strided", _empty_strided, "XLA")
_library.impl("empty.memory_format", _empty, "XLA")

if tuple(map(int, __version__.split(".")[:2])) >= (2, 2):

    def device(index=None):
        return _XLA

    def sync():
        pass
