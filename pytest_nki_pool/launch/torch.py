"""The PyTorch path: the kernel as a `torch.library` operator on tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.frameworks import torch as bridge
from pytest_nki_pool.launch.errors import UnsupportedByPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries arrays as CPU tensors of the same bits."""

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
