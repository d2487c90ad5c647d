"""Samples of PyTorch's own tests that are average pools with square, non-overlapping, unpadded windows.

PyTorch's OpInfo and ModuleInfo databases give the arguments, its CPU implementation the results. Of their fourteen
samples four qualify; the others overlap, pad, round the shape up or replace the divisor.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

#: Parameters of `torch.nn.functional.avg_pool2d` and `torch.nn.AvgPool2d` in their order.
_PARAMETERS = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
#: Moves PyTorch's generator to where the samples are the same at each reading.
_SEED = 0

_TORCH_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def read(test: str, geometry: Sequence[int], dtype: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read a sample from the installed package.

    Args:
        test: "op" for the OpInfo of `avg_pool2d`, "module" for the ModuleInfo of `AvgPool2d`.
        geometry: C, H, W and k; a batch counts as further channels.
        dtype: "fp32", "bf16" or "fp16".

    Returns:
        Input C x H x W and PyTorch's output C x floor(H/k) x floor(W/k), of the dtype.

    Raises:
        ImportError: `torch` or `expecttest`, which its test databases need, is not installed.
        LookupError: the installed version has no such sample.
    """
    torch = importlib.import_module("torch")
    *shape, pool = geometry
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for tensor, arguments in _SAMPLES[test](getattr(torch, _TORCH_NAMES[dtype])):
            image = tensor.reshape(-1, *tensor.shape[-2:])
            if list(image.shape) == shape and _side(arguments) == pool:
                return _array(image), _array(torch.nn.functional.avg_pool2d(image[None], pool)[0])
    raise LookupError(f"the installed torch has no {test} sample of an average pool of {shape} by {pool}")


def _op_samples(dtype: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    database = importlib.import_module("torch.testing._internal.common_methods_invocations").op_db
    (info,) = (info for info in database if info.name == "nn.functional.avg_pool2d")
    for sample in info.sample_inputs("cpu", dtype):
        yield sample.input, {**dict(zip(_PARAMETERS, sample.args, strict=False)), **sample.kwargs}


def _module_samples(dtype: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    module = importlib.import_module("torch").nn.AvgPool2d
    database = importlib.import_module("torch.testing._internal.common_modules").module_db
    (info,) = (info for info in database if info.module_cls is module)
    for sample in info.module_inputs_func(info, "cpu", dtype, False, True):
        made, (tensor, *_) = sample.constructor_input, sample.forward_input.args
        yield tensor, {**dict(zip(_PARAMETERS, made.args, strict=False)), **made.kwargs}


_SAMPLES = {"op": _op_samples, "module": _module_samples}


def _side(arguments: Mapping[str, Any]) -> int:
    """The pool size of a sample; 0 for one that is another operation."""
    (side, *others) = set(_pair(arguments["kernel_size"]))
    stride = arguments.get("stride") or side
    plain = not others and set(_pair(stride)) == {side} and set(_pair(arguments.get("padding", 0))) == {0}
    if not plain or arguments.get("ceil_mode") or arguments.get("divisor_override") is not None:
        return 0
    return int(side)


def _pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _array(tensor: Any) -> NDArray[Any]:
    torch = importlib.import_module("torch")
    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.contiguous().view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
    return np.asarray(tensor.contiguous().numpy())
