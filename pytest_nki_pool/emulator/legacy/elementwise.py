"""Elementwise functions of `neuronxcc.nki.language`; all of them take tiles, and `mask=` and `dtype=` by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core import activation, integers, select
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.legacy.compute import binary, broadcast_shape, dtype_of_operand, run
from pytest_nki_pool.emulator.legacy.promotion import promote
from pytest_nki_pool.emulator.legacy.surface import api
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, is_scalar, new_tile

if TYPE_CHECKING:
    from collections.abc import Callable


def _arithmetic(op: str, does: str, dtype: object = None) -> Callable[..., Tile]:
    result_dtype = dtype

    def function(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
        return binary(op, x, y, dtype=result_dtype if dtype is None else dtype, mask=mask, api=f"nl.{op}")

    return _named(function, op, f"{does}; dimensions of size 1 repeat.")


def _positional(op: str, does: str) -> Callable[..., Tile]:
    def function(x: object, y: object, dtype: object = None, mask: object = None) -> Tile:
        return binary(op, x, y, dtype=dtype, mask=mask, api=f"nl.{op}")

    return _named(function, op, f"{does}; dimensions of size 1 repeat.")


def _function(op: str, does: str, dtype: object = None) -> Callable[..., Tile]:
    result_dtype = dtype

    def function(x: Tile, *, dtype: object = None, mask: object = None) -> Tile:
        return unary(op, x, dtype=result_dtype if dtype is None else dtype, mask=mask, api=f"nl.{op}")

    return _named(function, op, f"{does}.")


def _bits(op: str, does: str) -> Callable[..., Tile]:
    def function(x: Any, y: Any, *, dtype: object = None, mask: object = None) -> Tile:
        return bitwise(op, x, y, dtype=dtype, mask=mask, api=f"nl.{op}")

    return _named(function, op, f"{does} of integers.")


def _named(function: Callable[..., Tile], name: str, does: str) -> Callable[..., Tile]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = does
    return api("nl")(function)


def unary(op: str, x: object, *, dtype: object = None, mask: object = None, api: str) -> Tile:
    """Compute a function of `alu.UNARY` into a new SBUF tile.

    Raises:
        NKIError: the operand is no on-chip tile.
    """
    tile = as_tile(x, "x", api)
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    return run(api, result, (tile,), lambda dst, data: _activate(dst, op, data, api), mask)


def _activate(dst: AccessPattern, op: str, data: AccessPattern, api: str) -> None:
    activation.activate(dst, op, data, limited=op != "reciprocal", api=api)


def bitwise(
    op: str, x: object, y: object, *, reverse: bool = False, dtype: object = None, mask: object = None, api: str
) -> Tile:
    """Combine the bits of integer tiles, or of a tile and an integer, into a new SBUF tile.

    Raises:
        NKIError: operands that are no integers, or of different widths.
    """
    if not isinstance(x, Tile):
        x, y, reverse = y, x, not reverse
    tile = as_tile(x, "x", api)
    if not isinstance(y, Tile) and not isinstance(y, (int, np.integer)):
        raise NKIError(f"{api}: operands are integer tensors and integers, got {type(y).__name__}")
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)

    def instruction(dst: AccessPattern, data: AccessPattern, operand: Any) -> None:
        integers.bitwise(dst, data, [(op, operand, reverse)], api=api)

    return run(api, result, (tile, y), instruction, mask)


@api("nl")
def where(condition: Tile, x: Tile | float, y: Tile | float, *, dtype: object = None, mask: object = None) -> Tile:
    """Take elements of `x` where a condition is not 0 and of `y` elsewhere.

    Args:
        condition: on-chip tile.
        x: tile or scalar.
        y: tile or scalar, not both scalar.
        dtype: dtype of the result, else by promotion.
        mask: condition on the elements that are computed.

    Raises:
        NKIError: operands of other shapes, or two scalars.
    """
    name = "nl.where"
    tiles = [operand for operand in (x, y) if isinstance(operand, Tile)]
    if not tiles:
        raise NKIError(f"{name}: one of x and y is a tensor")
    for operand in (x, y):
        if not isinstance(operand, Tile) and not is_scalar(operand):
            raise NKIError(f"{name}: operands are tensors and scalars, got {type(operand).__name__}")
    predicate = as_tile(condition, "condition", name)
    shape = broadcast_shape([predicate, tiles[0]], name, partitions=False)
    broadcast_shape([predicate, tiles[-1]], name, partitions=False)
    if dtype is None:
        dtype = promote(dtype_of_operand(x), dtype_of_operand(y))

    def instruction(dst: AccessPattern, flag: AccessPattern, *values: Any) -> None:
        mask_values, defined = select.predicate_of(_spread(flag, dst))
        select.choose(dst, mask_values, defined, *(_spread(value, dst) for value in values), api=name)

    return run(name, new_tile(shape, dtype), (predicate, x, y), instruction, mask)


def _spread(operand: Any, dst: AccessPattern) -> Any:
    """Repeat the dimensions of size 1 of a tile to the destination's shape."""
    if not isinstance(operand, AccessPattern) or operand.shape == dst.shape:
        return operand
    return operand.broadcast_to(dst.shape)


add = _arithmetic("add", "Add")
subtract = _arithmetic("subtract", "Subtract")
multiply = _arithmetic("multiply", "Multiply")
divide = _arithmetic("divide", "Divide")
maximum = _arithmetic("maximum", "Larger of two values")
minimum = _arithmetic("minimum", "Smaller of two values")
power = _arithmetic("power", "Raise to a power")
mod = _positional("mod", "Remainder with the sign of the divisor")
fmod = _positional("fmod", "Remainder with the sign of the dividend")

equal = _arithmetic("equal", "Whether values are equal", bool)
not_equal = _arithmetic("not_equal", "Whether values differ", bool)
less = _arithmetic("less", "Whether values are smaller", bool)
less_equal = _arithmetic("less_equal", "Whether values are not larger", bool)
greater = _arithmetic("greater", "Whether values are larger", bool)
greater_equal = _arithmetic("greater_equal", "Whether values are not smaller", bool)
logical_and = _arithmetic("logical_and", "Whether both values are not 0", bool)
logical_or = _arithmetic("logical_or", "Whether one of the values is not 0", bool)
logical_xor = _arithmetic("logical_xor", "Whether exactly one of the values is not 0", bool)
logical_not = _function("logical_not", "Whether values are 0", bool)

bitwise_and = _bits("bitwise_and", "Bitwise and")
bitwise_or = _bits("bitwise_or", "Bitwise or")
bitwise_xor = _bits("bitwise_xor", "Bitwise exclusive or")
left_shift = _bits("left_shift", "Shift to the left")
right_shift = _bits("right_shift", "Shift to the right, filled with zeros")


@api("nl")
def invert(x: Tile, *, dtype: object = None, mask: object = None) -> Tile:
    """Flip the bits of integers."""
    return bitwise("bitwise_xor", x, -1, dtype=dtype, mask=mask, api="nl.invert")


abs = _function("abs", "Absolute value")  # noqa: A001  (NKI's name)
negative = _function("negative", "Negated value")
sign = _function("sign", "-1, 0 or 1 by sign")
ceil = _function("ceil", "Smallest integer that is not smaller")
floor = _function("floor", "Largest integer that is not larger")
trunc = _function("trunc", "Integer part")
square = _function("square", "Square")
sqrt = _function("sqrt", "Square root")
rsqrt = _function("rsqrt", "Reciprocal square root")
reciprocal = _function("reciprocal", "Reciprocal")
exp = _function("exp", "Exponential")
log = _function("log", "Natural logarithm")
sin = _function("sin", "Sine")
cos = _function("cos", "Cosine")
tan = _function("tan", "Tangent")
tanh = _function("tanh", "Hyperbolic tangent")
arctan = _function("arctan", "Inverse tangent")
sigmoid = _function("sigmoid", "Logistic function")
relu = _function("relu", "Positive part")
gelu = _function("gelu", "Gaussian error linear unit")
gelu_dx = _function("gelu_dx", "Derivative of gelu")
gelu_apprx_tanh = _function("gelu_apprx_tanh", "Gaussian error linear unit by tanh")
gelu_apprx_sigmoid = _function("gelu_apprx_sigmoid", "Gaussian error linear unit by the logistic function")
silu = _function("silu", "Sigmoid linear unit")
silu_dx = _function("silu_dx", "Derivative of silu")
softplus = _function("softplus", "Smooth positive part")
mish = _function("mish", "x * tanh(softplus(x))")
erf = _function("erf", "Error function")
erf_dx = _function("erf_dx", "Derivative of erf")
