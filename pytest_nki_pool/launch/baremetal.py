"""The baremetal path: NumPy arrays, as the kernel's own author would call it."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ArraySpec, ResultMismatch
from pytest_nki_pool.launch.errors import Mistrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries NumPy and ml_dtypes arrays as they are."""

    compiler = ""
    lacks: Mapping[str, str] = MappingProxyType({})

    def to_native(self, array: np.ndarray) -> np.ndarray:
        """The array itself."""
        return array

    def to_numpy(self, value: Any) -> np.ndarray:
        """The array itself."""
        return np.asarray(value)

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """The operation itself; shapes and dtypes of its results are for the caller to judge."""
        return counted(op, np.ndarray)


class DevicePath(Path):
    """Hands NumPy arrays to the SDK, which takes them to the device and back."""

    name = "baremetal"

    def __init__(self, _tensors: str) -> None:
        pass

    def sketch(self, array: np.ndarray) -> ArraySpec:
        """Shape and dtype."""
        return ArraySpec(array.shape, array.dtype)

    def to_numpy(self, value: Any) -> np.ndarray:
        """The array itself.

        Raises:
            Mistrusted: the SDK was told to simulate; arrays of NumPy do not say where they were computed.
        """
        if os.environ.get("NKI_SIMULATOR", "0") not in {"", "0"}:
            raise Mistrusted("NKI_SIMULATOR is set: kernels run in the CPU simulator instead of the device; unset it")
        return super().to_numpy(value)


def counted(op: ArrayOp, kind: type) -> Callable[..., Any]:
    """The operation itself, held to return as many arrays as it declares.

    Args:
        op: the operation on the framework's arrays.
        kind: the framework's type of arrays.
    """

    def run(*args: Any) -> Any:
        result = op.run(*args)
        results = (result,) if op.outputs == 1 else tuple(result)
        for array in results:
            if not isinstance(array, kind):
                raise ResultMismatch(f"{op.name} returned {type(array).__name__} where an array is declared")
        if len(results) != op.outputs:
            raise ResultMismatch(f"{op.name} returned {len(results)} arrays where {op.outputs} are declared")
        return result if op.outputs == 1 else results

    return run
