"""The baremetal path: NumPy arrays, as the kernel's own author would call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ResultMismatch

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
        """The operation itself; shapes and dtypes of its results are for the caller to judge."""

        def run(*args: Any) -> Any:
            result = op.run(*args)
            results = (result,) if op.outputs == 1 else tuple(result)
            for array in results:
                if not isinstance(array, np.ndarray):
                    raise ResultMismatch(f"{op.name} returned {type(array).__name__} where an array is declared")
            if len(results) != op.outputs:
                raise ResultMismatch(f"{op.name} returned {len(results)} arrays where {op.outputs} are declared")
            return result if op.outputs == 1 else results

        return run
