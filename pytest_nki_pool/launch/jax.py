"""The JAX path: the kernel as a host callback inside a jitted, differentiable function."""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.frameworks import jax as bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        function = bridge.callback_op(op)

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            with _unlogged():
                return function(*args)

        return call


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep JAX from logging what a callback raised, traceback and all: the caller gets the exception itself."""
    logger = logging.getLogger("jax._src.callback")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
