"""The PyTorch path: the kernel as a `torch.library` operator on tensors."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ml_dtypes
import numpy as np
import torch

from pytest_nki_pool.emulator.frameworks import torch as bridge
from pytest_nki_pool.emulator.frameworks.op import ArraySpec
from pytest_nki_pool.launch.baremetal import counted
from pytest_nki_pool.launch.errors import Mistrusted, UnsupportedByPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries arrays as CPU tensors of the same bits."""

    compiler = "aot_eager"
    lacks: Mapping[str, str] = MappingProxyType({})

    def to_native(self, array: np.ndarray) -> Any:
        """The tensor of the same bits.

        Raises:
            UnsupportedByPath: the dtype is Neuron's IEEE float8_e4m3, which PyTorch does not have.
        """
        if array.dtype == np.dtype(ml_dtypes.float8_e4m3):
            raise UnsupportedByPath(
                "PyTorch has no IEEE float8_e4m3 (largest value 240); its float8_e4m3fn (448) is another format"
            )
        return bridge.from_numpy(array)

    def to_numpy(self, value: Any) -> np.ndarray:
        """The array of the same bits."""
        return bridge.to_numpy(value)

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """A custom operator with fake kernel, autograd and vmap."""
        return bridge.custom_op(op)


_NO_AUTOGRAD = "a kernel on a device has no derivative in PyTorch"
_NO_VMAP = "a kernel on a device has no batching rule in PyTorch"


class DevicePath(Path):
    """Carries arrays as tensors on the Neuron device; the kernel itself takes and returns them.

    Args:
        tensors: the device type: "xla" for PyTorch/XLA, "neuron" for TorchNeuron.
    """

    name = "torch"

    def __init__(self, tensors: str) -> None:
        self._kind = _KINDS[tensors]()
        self.compiler = self._kind.compiler
        self.lacks = self._kind.lacks

    def sketch(self, tensor: torch.Tensor) -> ArraySpec:
        """Shape and dtype."""
        return ArraySpec(tuple(tensor.shape), bridge.numpy_dtype(tensor.dtype))

    def to_native(self, array: np.ndarray) -> Any:
        """A tensor of the same bits on the device.

        Raises:
            UnsupportedByPath: see `Path.to_native`.
        """
        # A view of the array's own memory, to which a device that is in truth the host would write.
        return super().to_native(array.copy()).to(self._kind.device)

    def to_numpy(self, value: Any) -> np.ndarray:
        """Finish what is pending and fetch a tensor.

        Raises:
            Mistrusted: it is not on a Neuron device.
        """
        fault = self._kind.fault(value.device)
        if fault:
            raise Mistrusted(f"PyTorch did not use the Neuron device: {fault}")
        return super().to_numpy(value.detach().cpu())

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """The launch itself, or the SDK's operator around it."""
        launch = counted(op, torch.Tensor)

        def checked(*args: Any) -> Any:
            for tensor in args[: op.arrays]:
                if tensor.device.type != self._kind.device.type:
                    raise TypeError(
                        f"{op.name} takes tensors on {self._kind.device.type}, got one on {tensor.device.type}"
                    )
            return launch(*args)

        return self._kind.operator(op, checked)


class _Xla:
    """Lazy tensors of PyTorch/XLA."""

    compiler = ""
    lacks = MappingProxyType(
        {
            "torch_opcheck": "a kernel called with XLA tensors is no operator of PyTorch",
            "torch_compile": "a kernel called with XLA tensors is no operator for torch.compile's graph",
            "torch_autograd": _NO_AUTOGRAD,
            "torch_vmap": _NO_VMAP,
        }
    )

    def __init__(self) -> None:
        self._model = import_module("torch_xla.core.xla_model")
        find = getattr(import_module("torch_xla"), "device", None) or self._model.xla_device  # the older name
        self.device: torch.device = find()

    def fault(self, device: torch.device) -> str:
        """Why a tensor's device is no Neuron device; the client that holds the tensor is asked, not the environment."""
        if device.type != "xla":
            return f"the tensor is on {device}, expected xla"
        (real,) = self._model.xla_real_devices([str(device)])
        platform = real.partition(":")[0]
        return "" if platform == "NEURON" else f"{device} is {real}, the PJRT platform must be NEURON; set PJRT_DEVICE"

    def operator(self, _op: ArrayOp, launch: Callable[..., Any]) -> Callable[..., Any]:
        """The launch itself, which puts the kernel into the lazy graph."""
        return launch


class _TorchNeuron:
    """Eager tensors of TorchNeuron."""

    compiler = "neuron"
    lacks = MappingProxyType(
        {
            "torch_opcheck": "the operator around a kernel is registered by torch_neuronx and not part of the kernel",
            "torch_autograd": _NO_AUTOGRAD,
            "torch_vmap": _NO_VMAP,
        }
    )

    def __init__(self) -> None:
        self._torch_neuronx = import_module("torch_neuronx")
        self.device = torch.device("neuron", 0)

    def fault(self, device: torch.device) -> str:
        """Why a tensor's device is no Neuron device."""
        current = torch.accelerator.current_accelerator()
        accelerator = current.type if current else "none"
        if (device.type, accelerator) == ("neuron", "neuron"):
            return ""
        return f"the tensor is on {device} and the accelerator of PyTorch is {accelerator}; both must be neuron"

    def operator(self, op: ArrayOp, launch: Callable[..., Any]) -> Callable[..., Any]:
        """An operator that torch.compile keeps in its graph. Source: TorchNeuron's guide to NKI kernels, SDK 2.33."""
        name = f"nki_pool::{op.name}_{uuid4().hex}"
        operator: Callable[..., Any] = self._torch_neuronx.nki_op(name, mutates_args={})(_annotated(op, launch))
        return operator


def _annotated(op: ArrayOp, launch: Callable[..., Any]) -> Callable[..., Any]:
    """The launch with the signature that PyTorch makes an operator's schema of."""
    kinds = [*[torch.Tensor] * op.arrays, *op.statics]
    returns: Any = torch.Tensor if op.outputs == 1 else tuple[(torch.Tensor,) * op.outputs]  # type: ignore[misc]
    parameters = [
        inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
        for i, kind in enumerate(kinds)
    ]

    def body(*args: Any) -> Any:
        return launch(*args)

    body.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    return body


_KINDS: Mapping[str, type[_Xla | _TorchNeuron]] = MappingProxyType({"xla": _Xla, "neuron": _TorchNeuron})
