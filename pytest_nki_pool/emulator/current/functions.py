"""`nki.language`: functions of tiles, which are the operations (`op=`) of instructions at the same time."""
# ruff: noqa: A001  (the names of NKI)

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import engine, integers, movement
from pytest_nki_pool.emulator.core import matmul as core_matmul
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.activation import activate
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.promotion import promote
from pytest_nki_pool.emulator.core.scan import logical_reduce, variance
from pytest_nki_pool.emulator.core.select import choose, predicate_of
from pytest_nki_pool.emulator.current.creation import allocate, tile_like
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.operands import (
    alu_op,
    check_pair,
    is_number,
    on_chip,
    placed,
    tensor,
    trailing_axes,
    whole_number,
)
from pytest_nki_pool.emulator.current.patterns import static_integer, static_integers
from pytest_nki_pool.emulator.current.tensor import NkiTensor, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.current.operands import Axes, Scalar


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of two values: callable on tiles, and an operation (`op=`) of instructions.

    Attributes:
        alu: its name.
    """

    alu: str

    def __call__(self, x: NkiTensor | Scalar, y: NkiTensor | Scalar, dtype: object = None) -> NkiTensor:
        """Combine two tiles of one shape, or a tile and a number, in float32, rounding once.

        32-bit integers of two tiles are combined exactly, and bit patterns without a cast. Comparisons and logical
        operations give 1 or 0.

        Args:
            x: tile or number.
            y: tile or number; tiles do not broadcast.
            dtype: dtype of the result; None: that of the tiles, or what two of them promote to.

        Returns:
            A new SBUF tile.
        """
        api = self.alu
        alu_op(self, "op", f"nl.{api}")
        tiles = [on_chip(value, "operand", api) for value in (x, y) if isinstance(value, NkiTensor)]
        if not tiles:
            raise NKIError(f"nl.{api} takes at least one tile, got {type(x).__name__} and {type(y).__name__}")
        if len(tiles) == 2:
            self._check_tiles(*tiles)
        if api == "power":
            self._check_power(tiles)
        result = tile_like(api, tiles[0], _promoted(tiles) if dtype is None else dtype)
        left, right = (_operand(value, api) for value in (x, y))
        if api in integers.BITWISE:
            self._on_bits(result, left, right)
        elif len(tiles) == 2 and integers.is_exact(api, result, *tiles):
            integers.exact(result, api, *tiles, api=api)
        else:
            engine.elementwise(result, api, left, right, api=api)
        return NkiTensor(result)

    def _check_tiles(self, a: AccessPattern, b: AccessPattern) -> None:
        check_pair(self.alu, a, b)
        if a.shape != b.shape:
            raise NKIError(f"nl.{self.alu}: {describe(a)} and {describe(b)} differ in shape; tiles do not broadcast")

    def _check_power(self, tiles: list[AccessPattern]) -> None:
        if len(tiles) < 2:
            raise NKIError("nl.power takes two tiles; a number as base or exponent does not compile")
        for tile in tiles:
            if tile.storage.buffer is Buffer.PSUM:
                raise NKIError(f"nl.power runs on GpSimdE, which cannot reach psum: {describe(tile)}")

    def _on_bits(self, result: AccessPattern, x: AccessPattern | float, y: AccessPattern | float) -> None:
        if isinstance(x, AccessPattern):
            other = y if isinstance(y, AccessPattern) else whole_number(y, f"nl.{self.alu}")
            integers.bitwise(result, x, [(self.alu, other, False)], api=self.alu)
        elif isinstance(y, AccessPattern):
            integers.bitwise(result, y, [(self.alu, whole_number(x, f"nl.{self.alu}"), True)], api=self.alu)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one value: callable on tiles, and an operation (`op=`) of `nisa.activation`.

    Attributes:
        act: its name.
    """

    act: str

    @property
    def alu(self) -> str:
        """Its name as an operation of VectorE and GpSimdE; few functions are one."""
        return self.act

    def __call__(self, x: NkiTensor, dtype: object = None) -> NkiTensor:
        """Compute the function of every element in float32, rounding once; `copy` of equal dtypes is bit-exact.

        Args:
            x: tile.
            dtype: dtype of the result; None: that of `x`.

        Returns:
            A new SBUF tile.
        """
        source = on_chip(x, "x", self.act)
        result = tile_like(self.act, source, dtype)
        if self.act == "copy":
            movement.copy(result, source, api="copy")
        else:
            activate(result, self.act, source, limited=self.act != "reciprocal", api=self.act)
        return NkiTensor(result)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction of the last free dimensions.

    Attributes:
        name: its name in NKI.
        alu: operation that it repeats.
        mean: whether the result is divided by the number of elements.
    """

    name: str
    alu: str
    mean: bool = False

    def __call__(self, x: NkiTensor, axis: Axes, dtype: object = None, keepdims: bool = False) -> NkiTensor:
        """Reduce in float32 and round once to the dtype of the result.

        Args:
            x: tile.
            axis: the last free dimensions, without a gap.
            dtype: dtype of the result; None: that of `x`.
            keepdims: keep the reduced dimensions with size 1. One is kept anyway where the partition dimension alone
                would be left.

        Returns:
            A new SBUF tile.
        """
        source, axes, shape = _reduced(self.name, x, axis, keepdims=keepdims)
        result = tile_like(self.name, source, dtype, shape)
        divisor = source.size / result.size if self.mean else None
        engine.reduce(result, self.alu, source, axes, divisor=divisor, api=self.name)
        return NkiTensor(result)


add = Operation("add")
subtract = Operation("subtract")
multiply = Operation("multiply")
divide = Operation("divide")
maximum = Operation("maximum")
minimum = Operation("minimum")
power = Operation("power")
mod = Operation("mod")
fmod = Operation("fmod")
abs_max = Operation("abs_max")
abs_min = Operation("abs_min")
equal = Operation("equal")
not_equal = Operation("not_equal")
greater = Operation("greater")
greater_equal = Operation("greater_equal")
less = Operation("less")
less_equal = Operation("less_equal")
logical_and = Operation("logical_and")
logical_or = Operation("logical_or")
logical_xor = Operation("logical_xor")
bitwise_and = Operation("bitwise_and")
bitwise_or = Operation("bitwise_or")
bitwise_xor = Operation("bitwise_xor")
left_shift = Operation("left_shift")
right_shift = Operation("right_shift")

abs = Function("abs")
arctan = Function("arctan")
ceil = Function("ceil")
copy = Function("copy")
cos = Function("cos")
erf = Function("erf")
erf_dx = Function("erf_dx")
exp = Function("exp")
floor = Function("floor")
gelu = Function("gelu")
gelu_apprx_sigmoid = Function("gelu_apprx_sigmoid")
gelu_apprx_sigmoid_dx = Function("gelu_apprx_sigmoid_dx")
gelu_apprx_tanh = Function("gelu_apprx_tanh")
gelu_dx = Function("gelu_dx")
log = Function("log")
logical_not = Function("logical_not")
mish = Function("mish")
negative = Function("negative")
reciprocal = Function("reciprocal")
relu = Function("relu")
rsqrt = Function("rsqrt")
sigmoid = Function("sigmoid")
sign = Function("sign")
silu = Function("silu")
silu_dx = Function("silu_dx")
sin = Function("sin")
softplus = Function("softplus")
sqrt = Function("sqrt")
square = Function("square")
tan = Function("tan")
tanh = Function("tanh")
trunc = Function("trunc")

sum = Reduction("sum", "add")
prod = Reduction("prod", "multiply")
max = Reduction("max", "maximum")
min = Reduction("min", "minimum")
mean = Reduction("mean", "add", mean=True)


def invert(x: NkiTensor, dtype: object = None) -> NkiTensor:
    """Flip every bit of an integer tile into a new SBUF tile.

    Args:
        x: tile of integers.
        dtype: dtype of the result, of the same width; None: that of `x`.
    """
    return bitwise_xor(x, -1, dtype)


def all(x: NkiTensor, axis: Axes, dtype: object = None) -> NkiTensor:
    """Tell where all elements along the last free dimensions differ from 0, as 1 or 0.

    Args:
        x: tile.
        axis: the last free dimensions, without a gap.
        dtype: dtype of the result; None: that of `x`.
    """
    source, axes, shape = _reduced("all", x, axis, keepdims=False)
    result = tile_like("all", source, dtype, shape)
    logical_reduce(result, "logical_and", source, axes, api="all")
    return NkiTensor(result)


def var(x: NkiTensor, axis: Axes, dtype: object = None, keepdims: bool = False) -> NkiTensor:  # noqa: ARG001  (NKI)
    """Compute the variance along the last free dimensions in float32, rounding once.

    Args:
        x: tile.
        axis: the last free dimensions, without a gap.
        dtype: dtype of the result; None: that of `x`.
        keepdims: ignored by NKI 0.6: the reduced dimensions stay with size 1.
    """
    source, axes, shape = _reduced("var", x, axis, keepdims=True)
    result = tile_like("var", source, dtype, shape)
    variance(result, source, axes)
    return NkiTensor(result)


def where(condition: NkiTensor, x: NkiTensor | Scalar, y: NkiTensor | Scalar, dtype: object = None) -> NkiTensor:
    """Take elements of `x` where a condition holds and of `y` elsewhere.

    Args:
        condition: tile of 1 and 0, as comparisons give it.
        x: tile of its shape, or a number.
        y: likewise; at least one is a tile.
        dtype: dtype of the result; None: that of the tiles.

    Returns:
        A new SBUF tile.
    """
    predicate = on_chip(condition, "condition", "where")
    tiles = [on_chip(value, "operand", "where") for value in (x, y) if isinstance(value, NkiTensor)]
    if not tiles:
        raise NKIError(f"nl.where takes at least one tile, got {type(x).__name__} and {type(y).__name__}")
    for tile in tiles:
        if tile.shape != predicate.shape:
            seen = f"{describe(predicate)} and {describe(tile)}"
            raise NKIError(f"nl.where: {seen} differ in shape; tiles do not broadcast")
    result = tile_like("where", tiles[0], _promoted(tiles) if dtype is None else dtype)
    left, right = (_operand(value, "where") for value in (x, y))
    choose(result, *predicate_of(predicate), left, right, api="where")
    return NkiTensor(result)


def expand_dims(x: NkiTensor, axis: int) -> NkiTensor:
    """View a tile with one more dimension of size 1 at a place; see `NkiTensor.expand_dim`."""
    tensor(x, "x", "expand_dims")
    at = static_integer(axis, "axis of nl.expand_dims")
    return x.expand_dim(at if at >= 0 else at + x.ndim + 1)


def broadcast_to(x: NkiTensor, shape: Sequence[int], dtype: object = None) -> NkiTensor:
    """Repeat free dimensions of size 1 into a new SBUF tile.

    Args:
        x: tile.
        shape: as many dimensions; each that of `x`, or any size where that of `x` is 1.
        dtype: dtype of the result; None: that of `x`.

    Returns:
        A new tile, or `x` itself when nothing changes.
    """
    source = on_chip(x, "x", "broadcast_to")
    wanted = tuple(static_integers(shape, "shape of nl.broadcast_to"))
    view = source.broadcast_to(wanted) if len(wanted) == len(source.shape) else None
    if view is None:
        raise NKIError(
            f"nl.broadcast_to of {describe(source)} to {list(wanted)}: every dimension stays or has size 1 before"
        )
    if wanted[0] != source.shape[0]:
        raise unsupported("nl.broadcast_to along the partition dimension", "nisa.dma_copy of every partition")
    if wanted == source.shape and dtype is None:
        return x
    result = tile_like("broadcast_to", view, dtype)
    movement.copy(result, view, api="broadcast_to")
    return NkiTensor(result)


def matmul(x: NkiTensor, y: NkiTensor, transpose_x: bool = False) -> NkiTensor:
    """Multiply two matrices on TensorE.

    Args:
        x: M x K in SBUF, or K x M with `transpose_x`; M and K up to 128.
        y: K x N in SBUF, N up to 512.
        transpose_x: whether `x` is transposed already, as TensorE needs it.

    Returns:
        A new float32 tile M x N in PSUM.
    """
    left, right = (placed(value, role, "matmul", (Buffer.SBUF,)) for value, role in ((x, "x"), (y, "y")))
    if not transpose_x:
        swapped = placed(transpose(x), "x", "matmul", (Buffer.PSUM,))
        left = tile_like("matmul", swapped, None)
        movement.copy(left, swapped, api="matmul")
    rows, columns = left.size // left.shape[0], right.size // right.shape[0]
    result = allocate("matmul", (rows, columns), "float32", Buffer.PSUM)
    core_matmul.matmul(result, left, right, accumulate=False, api="matmul")
    return NkiTensor(result)


def transpose(x: NkiTensor, dtype: object = None) -> NkiTensor:
    """Swap the partition dimension and the free dimension of a tile on TensorE, bit for bit.

    Args:
        x: 2 dimensions in SBUF, up to 128 x 128.
        dtype: None or the dtype of `x`.

    Returns:
        A new tile in PSUM.
    """
    source = placed(x, "x", "transpose", (Buffer.SBUF,))
    if len(source.shape) != 2:
        raise NKIError(
            f"Number of dimensions of 'transpose' exceed max supported number of dimensions of 2.: {describe(source)}",
            "err_exceed_max_supported_dimension",
        )
    result = allocate("transpose", source.shape[::-1], source.storage.dtype if dtype is None else dtype, Buffer.PSUM)
    core_matmul.transpose(result, source, engine="tensor", api="transpose")
    return NkiTensor(result)


def _reduced(
    api: str, x: NkiTensor, axis: Axes, *, keepdims: bool
) -> tuple[AccessPattern, tuple[int, ...], tuple[int, ...]]:
    """Source, axes and shape of the result of a reduction."""
    source = on_chip(x, "x", api)
    axes = trailing_axes(axis, source, f"nl.{api}")
    kept = source.shape[: axes[0]]
    return source, axes, (*kept, *(1,) * len(axes)) if keepdims else kept if len(kept) > 1 else (*kept, 1)


def _promoted(tiles: Sequence[AccessPattern]) -> object:
    """Dtype of a result of one or two tiles."""
    return functools.reduce(promote, [tile.storage.dtype for tile in tiles])


def _operand(value: Any, api: str) -> AccessPattern | float:
    if isinstance(value, NkiTensor):
        return tensor(value, "operand", api)
    if is_number(value):
        return float(value)
    raise NKIError(f"nl.{api} takes tiles and numbers, got {type(value).__name__}")
