"""Launches on the arrays of whichever framework a kernel is called with."""

from __future__ import annotations

import importlib
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool import emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: The array type of each framework; the module of the same name beside this one converts it.
_ARRAY_TYPES: Mapping[str, str] = MappingProxyType({"torch": "Tensor", "jax": "Array"})


def framework_of(value: object) -> str:
    """Say whose array a value is.

    Args:
        value: anything.

    Returns:
        "numpy", "torch" or "jax"; "" for what is no array. A framework that is not loaded has no arrays, and none is
        imported to find out.
    """
    if isinstance(value, np.ndarray):
        return "numpy"
    for framework, name in _ARRAY_TYPES.items():
        array_type = getattr(sys.modules.get(framework), name, None)
        if array_type is not None and isinstance(value, array_type):
            return framework
    return ""


def as_numpy(array: object) -> np.ndarray:
    """View an array of any framework as a NumPy array.

    Args:
        array: NumPy or ml_dtypes array, CPU tensor of PyTorch, concrete JAX array.

    Returns:
        An array of the same bits, on the same memory where the framework allows.

    Raises:
        TypeError: it is no array, or the framework cannot hand its values over.
    """
    framework = framework_of(array)
    if isinstance(array, np.ndarray):
        return array
    if not framework:
        raise TypeError(f"expected a NumPy, PyTorch or JAX array, got {type(array).__name__}")
    converted: np.ndarray = _bridge(framework).to_numpy(array)
    return converted


def launch_native(kernel: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Launch a kernel on the emulator with the arrays of one framework and return arrays of the same.

    Args:
        kernel: plain kernel function, or a kernel object with the function as its attribute ``function``.
        args: positional arguments; arrays become HBM tensors, everything else passes unchanged.
        kwargs: keyword arguments, likewise.

    Returns:
        What the kernel returns: None, an array or a tuple of arrays. NumPy arrays and CPU tensors that the kernel
        writes are written in place.

    Raises:
        TypeError: arrays of several frameworks are mixed, an array cannot be handed over, or the kernel returns nothing
            and its arguments are JAX arrays, which are immutable.
        NKIError: the kernel breaks a rule of NKI.
    """
    framework = _common_framework([*args, *kwargs.values()])
    function = getattr(kernel, "function", kernel)
    if framework == "numpy":
        return emulator.launch(kernel, *args, **kwargs)
    bridge = _bridge(framework)

    def convert(value: Any) -> Any:
        if framework_of(value) != framework:
            return value
        array = bridge.to_numpy(value)
        # A kernel may write its parameters, which must not reach an array that JAX promises never to change.
        return array if array.flags.writeable else array.copy()

    result = emulator.launch(kernel, *map(convert, args), **{name: convert(value) for name, value in kwargs.items()})
    if result is None and framework == "jax":
        raise TypeError(
            f"kernel {getattr(function, '__name__', function)} returns nothing and JAX arrays cannot be written in "
            "place; call it through jax_neuronx.nki_call with out_shape="
        )
    if isinstance(result, tuple):
        return tuple(map(bridge.from_numpy, result))
    return None if result is None else bridge.from_numpy(result)


def _common_framework(values: Iterable[object]) -> str:
    found = sorted({framework for framework in map(framework_of, values) if framework})
    if len(found) > 1:
        raise TypeError(f"arrays of {' and '.join(found)} in one launch; convert them to one framework first")
    return found[0] if found else "numpy"


def _bridge(framework: str) -> Any:
    return importlib.import_module(f"pytest_nki_pool.emulator.frameworks.{framework}")
