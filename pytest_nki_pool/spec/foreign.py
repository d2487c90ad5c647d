"""Foreign goldens: cases of ONNX and PyTorch that are average pools with square, non-overlapping, unpadded windows.

ONNX's inputs and expected outputs are read from the installed `onnx` package, which generates or ships them. Of its 29
pooling cases five qualify; the others overlap, pad, dilate, or have one or three spatial dimensions.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.spec import foreign_torch
from pytest_nki_pool.spec.family import Canvas, Family, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_nki_pool.spec.dtypes import DType


@dataclass(frozen=True, slots=True)
class OnnxCase:
    """A case of ONNX's backend test.

    Attributes:
        kind: the kind that ONNX's loader knows it under.
        test: its name there.
        geometry: C, H, W and k; a batch counts as further channels.
    """

    kind: str
    test: str
    geometry: tuple[int, int, int, int]


ONNX_CASES: Mapping[str, OnnxCase] = MappingProxyType(
    {
        "onnx_strides": OnnxCase("node", "test_averagepool_2d_precomputed_strides", (1, 5, 5, 2)),
        "onnx_global": OnnxCase("node", "test_globalaveragepool", (3, 5, 5, 5)),
        "onnx_global_precomputed": OnnxCase("node", "test_globalaveragepool_precomputed", (1, 3, 3, 3)),
        "onnx_converted": OnnxCase("pytorch-converted", "test_AvgPool2d", (6, 6, 6, 2)),
        "onnx_converted_stride": OnnxCase("pytorch-converted", "test_AvgPool2d_stride", (6, 6, 6, 2)),
    }
)


@dataclass(frozen=True, slots=True)
class TorchCase:
    """A sample of PyTorch's own tests.

    Attributes:
        test: "op" for OpInfo, "module" for ModuleInfo.
        geometry: C, H, W and k; a batch counts as further channels.
    """

    test: str
    geometry: tuple[int, int, int, int]


TORCH_CASES: Mapping[str, TorchCase] = MappingProxyType(
    {
        "torch_op": TorchCase("op", (3, 9, 9, 3)),
        "torch_module": TorchCase("module", (3, 6, 6, 2)),
        "torch_module_batch": TorchCase("module", (6, 6, 6, 2)),
    }
)
#: Dtypes of PyTorch's samples that a kernel may have.
TORCH_DTYPES = ("fp32", "bf16", "fp16")


def load(family: str, dtype: str = "fp32") -> tuple[NDArray[Any], NDArray[Any]]:
    """Read one of `ONNX_CASES` or `TORCH_CASES` from the installed package.

    Args:
        family: a name in `ONNX_CASES` or `TORCH_CASES`.
        dtype: dtype name; ONNX's cases are fp32 alone.

    Returns:
        Input C x H x W and output C x floor(H/k) x floor(W/k), as the package has them.

    Raises:
        ImportError: the package is not installed.
        LookupError: the installed version has no such case.
    """
    if family in TORCH_CASES:
        sample = TORCH_CASES[family]
        return foreign_torch.read(sample.test, sample.geometry, dtype)
    return _load_onnx(ONNX_CASES[family])


def _load_onnx(wanted: OnnxCase) -> tuple[NDArray[Any], NDArray[Any]]:
    loader = importlib.import_module("onnx.backend.test.loader")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the package's other cases are not ours to report
        cases = loader.load_model_tests(kind=wanted.kind)
    for case in cases:
        if case.name == wanted.test:
            x, y = _arrays(case)
            return x.reshape(-1, *x.shape[-2:]), y.reshape(-1, *y.shape[-2:])
    raise LookupError(f"the installed onnx has no case {wanted.test}; versions from 1.17 have it")


def _arrays(case: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input and output of a case: in memory for a generated one, files for a shipped one."""
    if case.data_sets:
        (inputs, outputs), *_ = case.data_sets
        return np.asarray(inputs[0]), np.asarray(outputs[0])
    onnx = importlib.import_module("onnx")
    tensors = (onnx.load_tensor(f"{case.model_dir}/test_data_set_0/{part}_0.pb") for part in ("input", "output"))
    x, y = map(onnx.numpy_helper.to_array, tensors)
    return x, y


def _fill(family: str, canvas: Canvas) -> NDArray[np.float64]:
    return load(family, canvas.dtype.name)[0].astype(np.float64)


def _fits(wanted: Sequence[int], dtypes: Sequence[str], shape: Shape, dtype: DType) -> bool:
    return dtype.name in dtypes and (shape.channels, shape.height, shape.width, shape.pool) == tuple(wanted)


def _family(name: str, geometry: Sequence[int], dtypes: Sequence[str], owner: str) -> Family:
    size = "c{}h{}w{}k{}".format(*geometry)
    return Family(
        name,
        "foreign",
        partial(_fill, name),
        applies=partial(_fits, geometry, dtypes),
        needs=f"{', '.join(dtypes)} and the geometry {size} of {owner}'s case",
    )


FAMILIES = (
    *(_family(name, case.geometry, ("fp32",), "ONNX") for name, case in ONNX_CASES.items()),
    *(_family(name, case.geometry, TORCH_DTYPES, "PyTorch") for name, case in TORCH_CASES.items()),
)
