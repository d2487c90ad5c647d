"""An operation on arrays, described once for every framework that is to carry it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NAME = re.compile(r"[a-z0-9_]+")

#: What a caller may hand over for a static argument of each kind; a tracer of JAX is none of these.
_STATIC_KINDS: Mapping[type, type | tuple[type, ...]] = MappingProxyType(
    {bool: (bool, np.bool_), int: Integral, float: Real, str: str}
)


class ResultMismatch(TypeError):  # noqa: N818  (it says what it is)
    """What ``run`` or ``adjoint`` returned is not what ``infer`` promised; the arguments were not refused."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Shape and dtype of an array that may not exist yet.

    Attributes:
        shape: extent of each axis; symbolic integers while a framework traces.
        dtype: NumPy or ml_dtypes dtype.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class ArrayOp:
    """A pure function on NumPy arrays that PyTorch and JAX can carry.

    Attributes:
        name: name of the operator in the frameworks, of ``a-z``, ``0-9`` and ``_``.
        run: ``run(*arrays, *statics)`` gives the result, a tuple of arrays if ``outputs`` is above one. It sees views
            of the caller's memory, possibly strided or read-only, and must not write to them.
        infer: ``infer(*specs, *statics)`` gives the `ArraySpec` of the result, likewise a tuple. Frameworks ask it
            before ``run``: arguments that ``run`` refuses should get some shape here, so that ``run`` is what refuses.
        arrays: number of array arguments, which come first.
        statics: kinds of the other arguments, each one of int, float, bool, str.
        outputs: number of results.
        adjoint: ``adjoint(grad, x, *statics)`` gives the gradient with respect to the array that ``x`` (an `ArraySpec`)
            describes. None: the operation is not differentiable. Needs one array and one output.

    Raises:
        ValueError: a name, a count or a kind is not one of those above.
    """

    name: str
    run: Callable[..., Any]
    infer: Callable[..., Any]
    arrays: int = 1
    statics: tuple[type, ...] = (int,)
    outputs: int = 1
    adjoint: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"operator name {self.name!r} must consist of a-z, 0-9 and _")
        if self.arrays < 1 or self.outputs < 1:
            raise ValueError(f"{self.name}: arrays={self.arrays} and outputs={self.outputs} must be at least 1")
        unknown = [kind for kind in self.statics if kind not in _STATIC_KINDS]
        if unknown:
            raise ValueError(f"{self.name}: static arguments are int, float, bool or str, not {unknown}")
        if self.adjoint is not None and (self.arrays, self.outputs) != (1, 1):
            raise ValueError(f"{self.name}: adjoint= needs one array and one output")

    def split(self, args: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Part the arguments of a call into arrays and static values.

        Args:
            args: arguments in the order of ``run``.

        Returns:
            The arrays as given, and the static values as plain Python values.

        Raises:
            TypeError: the count is wrong, or a static value is not of its kind (a traced one never is).
        """
        arrays, statics = tuple(args[: self.arrays]), tuple(args[self.arrays :])
        if len(arrays) != self.arrays or len(statics) != len(self.statics):
            expected = f"{self.arrays} arrays and {len(self.statics)} static values"
            raise TypeError(f"{self.name} takes {expected}, got {len(args)} arguments")
        for position, (kind, value) in enumerate(zip(self.statics, statics, strict=True), start=self.arrays):
            if not isinstance(value, _STATIC_KINDS[kind]):
                raise TypeError(
                    f"argument {position} of {self.name} must be a Python {kind.__name__} known before the call, "
                    f"got {type(value).__name__}; under jax.jit name it in static_argnums"
                )
        return arrays, tuple(kind(value) for kind, value in zip(self.statics, statics, strict=True))

    def specs(self, inputs: Sequence[ArraySpec], statics: Sequence[Any]) -> tuple[ArraySpec, ...]:
        """Say what the results look like, without running anything.

        Args:
            inputs: the array arguments.
            statics: the static arguments.
        """
        inferred = self.infer(*inputs, *statics)
        return (inferred,) if self.outputs == 1 else tuple(inferred)

    def forward(self, arrays: Sequence[np.ndarray], statics: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Run the operation and hold the results against what ``infer`` promised.

        Args:
            arrays: the array arguments.
            statics: the static arguments.

        Returns:
            Contiguous writable arrays that share no memory with the arguments.

        Raises:
            ResultMismatch: ``run`` returned another number of results, or another shape or dtype, than ``infer`` says.
                The frameworks would not notice: PyTorch's eager mode never asks, and JAX casts float64 silently.
        """
        result = self.run(*arrays, *statics)
        results = (result,) if self.outputs == 1 else tuple(result)
        expected = self.specs([ArraySpec(array.shape, array.dtype) for array in arrays], statics)
        if len(results) != len(expected):
            raise ResultMismatch(f"{self.name} returned {len(results)} arrays where {len(expected)} are declared")
        return tuple(_own(self.name, got, spec, arrays) for got, spec in zip(results, expected, strict=True))

    def backward(self, grad: np.ndarray, x: ArraySpec, statics: Sequence[Any]) -> np.ndarray:
        """Run the adjoint and hold its result against the argument that it is the gradient of.

        Args:
            grad: gradient with respect to the result.
            x: shape and dtype of the array argument.
            statics: the static arguments.

        Raises:
            TypeError: the operation has no adjoint.
            ResultMismatch: the gradient differs from ``x`` in shape or dtype.
        """
        if self.adjoint is None:
            raise TypeError(f"{self.name} is not differentiable: it has no adjoint")
        return _own(f"the adjoint of {self.name}", self.adjoint(grad, x, *statics), x, [grad])


def _own(name: str, got: object, spec: ArraySpec, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Check one result and give it memory of its own."""
    if not isinstance(got, np.ndarray):
        raise ResultMismatch(f"{name} returned {type(got).__name__} where an array is declared")
    if got.shape != tuple(spec.shape) or got.dtype != spec.dtype:
        raise ResultMismatch(
            f"{name} returned shape {got.shape} and dtype {got.dtype} where infer declares "
            f"shape {tuple(spec.shape)} and dtype {spec.dtype}"
        )
    flags = got.flags
    borrowed = not (flags.c_contiguous and flags.writeable) or any(np.may_share_memory(got, x) for x in inputs)
    return got.copy() if borrowed else got
