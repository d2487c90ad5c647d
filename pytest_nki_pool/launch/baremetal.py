"""The baremetal path: NumPy arrays, as the kernel's own author would call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries NumPy and ml_dtypes arrays as they are."""

    def to_native(self, array: np.ndarray) -> np.ndarray:
        """The array itself."""
        return array

    def to_numpy(self, value: Any) -> np.ndarray:
        """The array itself."""
        return np.asarray(value)

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """The operation itself."""
        return op.run
