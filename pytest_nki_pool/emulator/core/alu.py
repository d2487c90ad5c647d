"""Operations of the engines by name, on fp32 values.

"NKI API common fields" lists them: binary operations of the arithmetic kind, and the functions of one value that
VectorE, GpSimdE (`abs`, `rsqrt`, `reciprocal`) and ScalarE (all of them) compute. ScalarE approximates its functions by
piecewise polynomials that are not published: they are computed in fp64 here and rounded once to fp32.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.dtypes import FLOAT32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.emulator.core.dtypes import Array

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _one_or_zero(ufunc: np.ufunc) -> Callable[[Any, Any], Array]:
    return lambda a, b: ufunc(a, b).astype(FLOAT32)


#: Comparisons and logical operations; they give 1.0 or 0.0.
_PREDICATES: Mapping[str, np.ufunc] = MappingProxyType(
    {
        "equal": np.equal,
        "not_equal": np.not_equal,
        "greater": np.greater,
        "greater_equal": np.greater_equal,
        "less": np.less,
        "less_equal": np.less_equal,
        "logical_and": np.logical_and,
        "logical_or": np.logical_or,
        "logical_xor": np.logical_xor,
    }
)

COMPARISONS = frozenset({"equal", "not_equal", "greater", "greater_equal", "less", "less_equal"})


def _gate(x: Array, weight: Array) -> Array:
    """`x * weight`, where a weight of 0 closes even on infinity."""
    return np.where(weight == 0, 0.0, x * weight)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def _tanh_argument(x: Array) -> Array:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _normal_density(x: Array) -> Array:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _sigmoid_gate_slope(x: Array, scale: float) -> Array:
    """Derivative of `x * sigmoid(scale * x)`."""
    gate = _sigmoid(scale * x)
    return gate + _gate(scale * x, gate * (1 - gate))


#: Functions of one value that fp32 computes exactly or rounds once by itself.
_EXACT: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "copy": np.positive,
        "abs": np.abs,
        "negative": np.negative,
        "square": np.square,
        "sign": np.sign,
        "ceil": np.ceil,
        "floor": np.floor,
        "trunc": np.trunc,
        "relu": lambda x: np.maximum(x, np.float32(0)),
        "reciprocal": np.reciprocal,
        "sqrt": np.sqrt,
        "logical_not": lambda x: (x == 0).astype(FLOAT32),
    }
)

#: Functions of one value that are computed in fp64.
_ROUNDED: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "exp": np.exp,
        "log": np.log,
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "sin": np.sin,
        "cos": np.cos,
        "tan": np.tan,
        "arctan": np.arctan,
        "tanh": np.tanh,
        "sigmoid": _sigmoid,
        "gelu": lambda x: _gate(x, 0.5 * _erfc(-x / math.sqrt(2))),
        "gelu_dx": lambda x: 0.5 * _erfc(-x / math.sqrt(2)) + _gate(x, _normal_density(x)),
        "gelu_apprx_tanh": lambda x: _gate(x, _sigmoid(2 * _tanh_argument(x))),
        "gelu_apprx_sigmoid": lambda x: _gate(x, _sigmoid(1.702 * x)),
        "gelu_apprx_sigmoid_dx": lambda x: _sigmoid_gate_slope(x, 1.702),
        "silu": lambda x: _gate(x, _sigmoid(x)),
        "silu_dx": lambda x: _sigmoid_gate_slope(x, 1.0),
        "softplus": _softplus,
        "mish": lambda x: _gate(x, np.tanh(_softplus(x))),
        "erf": _erf,
        "erf_dx": lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x),
    }
)


def _in_float64(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: function(x.astype(np.float64)).astype(FLOAT32)


#: Functions of one fp32 array by name.
UNARY: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {**_EXACT, **{name: _in_float64(function) for name, function in _ROUNDED.items()}}
)


#: Operations of VectorE and GpSimdE that take one value; as a binary operation they leave the second alone.
FIRST_ONLY = frozenset({"abs", "rsqrt", "reciprocal"})


def _of_first(function: Callable[[Array], Array]) -> Callable[[Any, Any], Array]:
    return lambda a, _: function(a)


#: Operations of two values by name; those of `engine.REDUCTIONS` are ufuncs.
BINARY: Mapping[str, Any] = MappingProxyType(
    {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
        "power": np.power,
        "mod": np.mod,
        "fmod": np.fmod,
        "abs_max": lambda a, b: np.where(np.abs(a) > np.abs(b), a, b),
        "abs_min": lambda a, b: np.where(np.abs(a) < np.abs(b), a, b),
        **{name: _one_or_zero(ufunc) for name, ufunc in _PREDICATES.items()},
        **{name: _of_first(UNARY[name]) for name in FIRST_ONLY},
    }
)
