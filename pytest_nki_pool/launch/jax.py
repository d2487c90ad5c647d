"""The JAX path: the kernel as a host callback inside a jitted, differentiable function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.frameworks import jax as bridge

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries arrays as committed, ready `jax.Array` of the same bits."""

    def to_native(self, array: np.ndarray) -> Any:
        """The `jax.Array` of the same bits, ready before it is handed on."""
        return bridge.from_numpy(array)

    def to_numpy(self, value: Any) -> np.ndarray:
        """The array of the same bits."""
        return bridge.to_numpy(value)

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """A function for `jit`, `vmap` and `grad`."""
        return bridge.callback_op(op)
