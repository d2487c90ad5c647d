"""The JAX path: the kernel as a host callback inside a jitted, differentiable function."""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from pytest_nki_pool.emulator.frameworks import jax as bridge
from pytest_nki_pool.emulator.frameworks.op import ArraySpec
from pytest_nki_pool.launch.baremetal import counted
from pytest_nki_pool.launch.errors import Mistrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_nki_pool.emulator.frameworks.op import ArrayOp


class Path:
    """Carries arrays as committed, ready `jax.Array` of the same bits."""

    compiler = ""
    lacks: Mapping[str, str] = MappingProxyType({})

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


class DevicePath(Path):
    """Carries arrays as `jax.Array` on the Neuron device; the kernel itself takes and returns them.

    Nothing here calls back to the host: JAX on Neuron cannot.
    """

    name = "jax"
    lacks = MappingProxyType(
        {
            "jax_vmap": "a kernel on a device has no batching rule in JAX",
            "jax_grad": "a kernel on a device has no derivative in JAX",
            "jax_eval_shape": "to know the shape the SDK calls the kernel's function, which looks like a launch",
        }
    )

    def __init__(self, _tensors: str) -> None:
        pass

    def sketch(self, array: Any) -> ArraySpec:
        """Shape and dtype, also of an array that is traced."""
        return ArraySpec(tuple(array.shape), np.dtype(array.dtype))

    def to_numpy(self, value: Any) -> np.ndarray:
        """Wait for an array and fetch it.

        Raises:
            Mistrusted: it is not on a Neuron device.
        """
        default = jax.devices()[0].platform
        jax.block_until_ready(value)  # type: ignore[no-untyped-call]  # JAX leaves it without annotations
        platforms = sorted({device.platform for device in value.devices()})
        if [default, *platforms] != ["neuron", "neuron"]:
            raise Mistrusted(
                f"JAX did not use the Neuron device: its default device is on {default}, the array on "
                f"{' and '.join(platforms)}; is libneuronxla the SDK's, and JAX_PLATFORMS not set?"
            )
        return super().to_numpy(value)

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """The launch itself, which `jit` can trace."""
        return counted(op, jax.Array)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep JAX from logging what a callback raised, traceback and all: the caller gets the exception itself."""
    logger = logging.getLogger("jax._src.callback")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
