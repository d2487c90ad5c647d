"""PyTorch: tensors as NumPy arrays on the same memory, and array operations as custom operators."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ml_dtypes
import numpy as np
import torch

from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: dtypes that NumPy itself has, by the name that both sides use.
_NATIVE = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")

#: dtypes that NumPy knows through ml_dtypes. Neuron's float8_e4m3 (IEEE style, largest value 240, has infinities) is
#: not among them because PyTorch has no such dtype: its float8_e4m3fn reaches 448 and has none.
_EXTENDED = ("bfloat16", "float8_e4m3fn", "float8_e5m2")

#: torch dtype of every NumPy dtype that has one.
TORCH_DTYPES: Mapping[np.dtype[Any], torch.dtype] = MappingProxyType(
    {np.dtype(name): getattr(torch, name) for name in _NATIVE}
    | {np.dtype(getattr(ml_dtypes, name)): getattr(torch, name) for name in _EXTENDED}
)

_NUMPY_DTYPES: Mapping[torch.dtype, np.dtype[Any]] = MappingProxyType({b: a for a, b in TORCH_DTYPES.items()})

#: Integers as wide as the ml_dtypes dtypes, whose bits cross between the two libraries under their name.
_BITS: Mapping[int, tuple[torch.dtype, np.dtype[Any]]] = MappingProxyType(
    {1: (torch.uint8, np.dtype(np.uint8)), 2: (torch.int16, np.dtype(np.int16))}
)

_SCHEMA_TYPES: Mapping[type, str] = MappingProxyType({int: "SymInt", float: "float", bool: "bool", str: "str"})


def torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    """Give the torch dtype of a NumPy dtype.

    Args:
        dtype: NumPy or ml_dtypes dtype.

    Raises:
        TypeError: PyTorch has no such dtype; Neuron's ``float8_e4m3`` is one.
    """
    try:
        return TORCH_DTYPES[np.dtype(dtype)]
    except KeyError:
        allowed = ", ".join(str(known) for known in TORCH_DTYPES)
        raise TypeError(f"PyTorch has no dtype {dtype}; it has {allowed}") from None


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Give the NumPy or ml_dtypes dtype of a torch dtype.

    Args:
        dtype: torch dtype.

    Raises:
        TypeError: NumPy and ml_dtypes have no such dtype, or NKI has no use for it.
    """
    try:
        return _NUMPY_DTYPES[dtype]
    except KeyError:
        allowed = ", ".join(str(known) for known in _NUMPY_DTYPES)
        raise TypeError(f"{dtype} has no NumPy dtype to run on; use one of {allowed}") from None


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """View a tensor as a NumPy array.

    Args:
        tensor: dense tensor in CPU memory, of any strides; one that requires gradients is detached.

    Returns:
        An array of the same shape, strides and bits on the same memory.

    Raises:
        TypeError: the tensor is on another device or its dtype has no NumPy twin.
    """
    if tensor.device.type != "cpu":
        raise TypeError(f"the emulator works on CPU tensors, got one on {tensor.device}; move it with .cpu()")
    dtype = numpy_dtype(tensor.dtype)
    tensor = tensor.detach()
    if dtype.isbuiltin == 1:
        return tensor.numpy()
    bits, _ = _BITS[dtype.itemsize]
    return tensor.view(bits).numpy().view(dtype)


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """View a NumPy array as a tensor, or copy it where PyTorch cannot take its layout.

    Args:
        array: NumPy or ml_dtypes array. A read-only one, and one with strides that are negative or no multiple of the
            element, is copied.

    Returns:
        A CPU tensor of the same shape and bits.

    Raises:
        TypeError: PyTorch has no such dtype.
    """
    dtype = torch_dtype(array.dtype)
    if not array.flags.writeable or any(stride < 0 or stride % array.itemsize for stride in array.strides):
        array = array.copy()
    if array.dtype.isbuiltin == 1:
        return torch.from_numpy(array)
    _, bits = _BITS[array.itemsize]
    return torch.from_numpy(array.view(bits)).view(dtype)


def custom_op(op: ArrayOp) -> Callable[..., Any]:
    """Make an array operation an operator of PyTorch.

    The operator runs in eager mode, under ``torch.compile(fullgraph=True)``, under ``torch.vmap`` (one run per element
    of the batch, so that limits of a kernel keep their meaning) and, if the operation has an adjoint, under autograd.
    Second derivatives raise, and so does ``torch.func.grad``, which PyTorch's custom ops do not take part in. An
    exception of ``op.run`` reaches the caller as it is.

    PyTorch replaces an operator silently when its name is registered again, and compiled or recorded graphs refer to an
    operator for as long as they live. So every call registers a name of its own that stays for the life of the process:
    make an operator once per kernel, not once per call.

    Args:
        op: the operation; its arrays become CPU tensors, its static values plain arguments.

    Returns:
        The ``torch.library`` custom op: ``operator(*tensors, *statics)`` gives a tensor or a tuple of them.
    """
    statics = [f"{_SCHEMA_TYPES[kind]} s{i}" for i, kind in enumerate(op.statics)]
    tensors = [f"Tensor x{i}" for i in range(op.arrays)]
    returns = "Tensor" if op.outputs == 1 else f"({', '.join(['Tensor'] * op.outputs)})"

    def run(*args: Any) -> Any:
        arrays = [to_numpy(tensor) for tensor in args[: op.arrays]]
        return _unpack([from_numpy(result) for result in op.forward(arrays, args[op.arrays :])])

    def fake(*args: Any) -> Any:
        specs = op.specs([_spec(tensor) for tensor in args[: op.arrays]], args[op.arrays :])
        return _unpack([args[0].new_empty(spec.shape, dtype=torch_dtype(spec.dtype)) for spec in specs])

    operator: Callable[..., Any] = _register(op.name, f"({', '.join(tensors + statics)}) -> {returns}", run, fake)
    if op.adjoint is not None:
        _register_adjoint(operator, op, statics)
    return operator


def _register_adjoint(operator: Any, op: ArrayOp, statics: Sequence[str]) -> None:
    """Give an operator its gradient; the gradient is an operator too, so that compiled graphs can hold it."""

    def run(grad: torch.Tensor, shape: Sequence[int], dtype: torch.dtype, *statics: Any) -> torch.Tensor:
        return from_numpy(op.backward(to_numpy(grad), ArraySpec(tuple(shape), numpy_dtype(dtype)), statics))

    def fake(grad: torch.Tensor, shape: Sequence[int], dtype: torch.dtype, *_: Any) -> torch.Tensor:
        return grad.new_empty(tuple(shape), dtype=dtype)

    schema = f"({', '.join(['Tensor grad', 'SymInt[] shape', 'ScalarType dtype', *statics])}) -> Tensor"
    adjoint = _register(f"{op.name}_adjoint", schema, run, fake)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001 (named by PyTorch)
        ctx.shape, ctx.dtype, ctx.statics = inputs[0].shape, inputs[0].dtype, inputs[1:]

    def differentiate(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return adjoint(grad, ctx.shape, ctx.dtype, *ctx.statics), *(None for _ in ctx.statics)

    operator.register_autograd(differentiate, setup_context=keep)


def _register(name: str, schema: str, run: Callable[..., Any], fake: Callable[..., Any]) -> Any:
    """Register one operator with fake kernel and batching rule, under a name that no other has."""
    operator = torch.library.custom_op(f"nki_pool::{name}_{uuid4().hex}", run, mutates_args=(), schema=schema)
    operator.register_fake(fake)

    def batched(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        elements = [_element(args, in_dims, i) for i in range(info.batch_size)]
        if elements:
            columns = [torch.stack(column) for column in zip(*(_as_tuple(operator(*x)) for x in elements), strict=True)]
        else:
            like = _as_tuple(fake(*_element(args, in_dims, None)))
            columns = [result.new_empty((0, *result.shape)) for result in like]
        return (columns[0], 0) if len(columns) == 1 else (tuple(columns), (0,) * len(columns))

    operator.register_vmap(batched)
    return operator


def _element(args: Sequence[Any], in_dims: Sequence[Any], index: int | None) -> tuple[Any, ...]:
    """Give the arguments of one element of a batch; of index None only shape and dtype count."""

    def pick(arg: torch.Tensor, dim: int) -> torch.Tensor:
        if index is None:
            return arg.new_empty(arg.shape[:dim] + arg.shape[dim + 1 :])
        return arg.select(dim, index)

    # The dimensions of an argument that is a list are a list themselves; only tensors are batched.
    return tuple(pick(arg, dim) if isinstance(dim, int) else arg for arg, dim in zip(args, in_dims, strict=True))


def _spec(tensor: torch.Tensor) -> ArraySpec:
    return ArraySpec(tuple(tensor.shape), numpy_dtype(tensor.dtype))


def _unpack(results: list[torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    return results[0] if len(results) == 1 else tuple(results)


def _as_tuple(results: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (results,) if isinstance(results, torch.Tensor) else results
