"""The axes of a kernel's arrays, and the way to them from the C x H x W of a case."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ResultMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """Which axes a kernel's arrays have.

    Attributes:
        name: name in `KernelSpec.layout`.
        batched: whether a batch axis N comes first; a single image is launched with N = 1.
        channels_last: whether C is the last axis.
    """

    name: str
    batched: bool = False
    channels_last: bool = False

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The kernel's shape of an array that is C x H x W, or N x C x H x W for a kernel that takes batches."""
        if self.batched and len(shape) < 4:
            shape = (1, *shape)
        return (shape[0], *shape[2:], shape[1]) if self.channels_last else shape

    def to_kernel(self, x: Any) -> Any:
        """View an array, shaped as for `shape`, with the kernel's axes: what the kernel writes, the caller sees."""
        if self.batched and x.ndim < 4:
            x = x[None]
        return _permuted(x, 0, 2, 3, 1) if self.channels_last else x

    def from_kernel(self, result: Any, *, images: bool) -> Any:
        """Give a kernel's output the axes of a case.

        Args:
            result: what the kernel returned or wrote; only an array is changed.
            images: whether a batch was launched, which keeps its batch axis.

        Raises:
            ResultMismatch: the output has no such axes.
        """
        if not self.batched or not hasattr(result, "ndim"):
            return result
        if result.ndim != 4 or not (images or result.shape[0] == 1):
            shape = " x ".join(map(str, result.shape))
            expected = self.name if images else self.name.replace("N", "1", 1)
            raise ResultMismatch(f"the kernel returned {shape} where its layout declares {' x '.join(expected)}")
        result = _permuted(result, 0, 3, 1, 2) if self.channels_last else result
        result = np.ascontiguousarray(result) if isinstance(result, np.ndarray) else result
        return result if images else result[0]


def _permuted(array: Any, *axes: int) -> Any:
    """An array of any framework with its axes in another order."""
    return array.permute(axes) if hasattr(array, "permute") else array.transpose(axes)


LAYOUTS: Mapping[str, AxisOrder] = MappingProxyType(
    {
        order.name: order
        for order in (
            AxisOrder("CHW"),
            AxisOrder("NCHW", batched=True),
            AxisOrder("NHWC", batched=True, channels_last=True),
        )
    }
)
