"""The names of `nki.language`."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import ON_CHIP, Buffer
from pytest_nki_pool.emulator.core.rules import HBM
from pytest_nki_pool.emulator.current.missing import refuse_missing, unsupported
from pytest_nki_pool.emulator.current.operands import (
    check_fill,
    check_pair,
    on_chip,
    placed,
    tensor,
    trailing_axes,
)
from pytest_nki_pool.emulator.current.tensor import NkiTensor, describe, ds
from pytest_nki_pool.emulator.current.tile_size import tile_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.current.operands import Axes, Scalar

bool_ = "bool"
int8, int16, int32 = "int8", "int16", "int32"
uint8, uint16, uint32 = "uint8", "uint16", "uint32"
float16, float32, bfloat16 = "float16", "float32", "bfloat16"
float8_e4m3, float8_e4m3fn, float8_e5m2 = "float8_e4m3", "float8_e4m3fn", "float8_e5m2"

sbuf, psum, shared_hbm = Buffer.SBUF, Buffer.PSUM, Buffer.SHARED_HBM
hbm = private_hbm = Buffer.HBM


class NKIObject:
    """Base of classes whose instances a kernel may take as arguments."""


def is_hbm(buffer: Buffer) -> bool:
    """Whether a memory is HBM of any kind."""
    return buffer in HBM


def is_sbuf(buffer: Buffer) -> bool:
    """Whether a memory is SBUF."""
    return buffer is sbuf


def is_psum(buffer: Buffer) -> bool:
    """Whether a memory is PSUM."""
    return buffer is psum


def is_on_chip(buffer: Buffer) -> bool:
    """Whether a memory is SBUF or PSUM."""
    return buffer in ON_CHIP


def ndarray(
    shape: Sequence[int], dtype: object, buffer: Buffer | str | None = sbuf, name: str = "", address: object = None
) -> NkiTensor:
    """Allocate an undefined tensor.

    Args:
        shape: sizes; on chip at least two, the first at most 128.
        dtype: any spelling.
        buffer: memory; None is SBUF. What a kernel returns lives in `shared_hbm`.
        name: its name in messages.
        address: not supported.
    """
    if address is not None:
        raise unsupported("nl.ndarray(address=…)", "nl.ndarray")
    return NkiTensor(_allocate("ndarray", shape, dtype, buffer, name))


def full(
    shape: Sequence[int], fill_value: Scalar, dtype: object, buffer: Buffer | str | None = sbuf, name: str = ""
) -> NkiTensor:
    """Allocate a tensor filled with a value; arguments as `ndarray`."""
    return _filled("full", _allocate("full", shape, dtype, buffer, name), fill_value)


def zeros(shape: Sequence[int], dtype: object, buffer: Buffer | str | None = sbuf, name: str = "") -> NkiTensor:
    """Allocate a tensor filled with 0; arguments as `ndarray`."""
    return _filled("zeros", _allocate("zeros", shape, dtype, buffer, name), 0)


def ones(shape: Sequence[int], dtype: object, buffer: Buffer | str | None = sbuf, name: str = "") -> NkiTensor:
    """Allocate a tensor filled with 1; arguments as `ndarray`."""
    return _filled("ones", _allocate("ones", shape, dtype, buffer, name), 1)


def load(src: NkiTensor, dtype: object = None) -> NkiTensor:
    """Load from HBM into a new SBUF tile; the first dimension becomes the partition dimension.

    Args:
        src: 2 dimensions or more.
        dtype: dtype of the tile; None: that of `src`.
    """
    source = placed(src, "src", "load", sorted(HBM))
    tile = _allocate("load", source.shape, source.storage.dtype if dtype is None else dtype, sbuf)
    engine.dma(tile, source, api="load")
    return NkiTensor(tile)


def store(dst: NkiTensor, value: NkiTensor) -> None:
    """Store an SBUF tile to HBM, cast to the destination's dtype.

    Args:
        dst: destination in HBM, as many elements.
        value: tile in SBUF.
    """
    target = placed(dst, "dst", "store", sorted(HBM))
    engine.dma(target, placed(value, "value", "store", (sbuf,)), api="store")


def copy(x: NkiTensor, dtype: object = None) -> NkiTensor:
    """Copy a tile into a new SBUF tile.

    Args:
        x: tile.
        dtype: dtype of the copy; None: that of `x`.
    """
    source = on_chip(x, "x", "copy")
    tile = _allocate("copy", source.shape, source.storage.dtype if dtype is None else dtype, sbuf)
    engine.copy(tile, source, api="copy")
    return NkiTensor(tile)


@dataclass(frozen=True, slots=True)
class Operation:
    """An element-wise operation: callable on tiles, and an operation (`op=`) of instructions.

    Attributes:
        alu: its name.
    """

    alu: str

    def __call__(self, x: NkiTensor | Scalar, y: NkiTensor | Scalar, dtype: object = None) -> NkiTensor:
        """Combine two tiles of one shape, or a tile and a number, in float32, rounding once.

        Args:
            x: tile or number.
            y: tile or number; tiles do not broadcast.
            dtype: dtype of the result; None: that of the tiles.

        Returns:
            A new SBUF tile.
        """
        if self.alu == "divide":
            raise NKIError(f"nl.{self.alu}: the engines do not divide; multiply by nl.reciprocal or by a number")
        tiles = [on_chip(value, "operand", self.alu) for value in (x, y) if isinstance(value, NkiTensor)]
        if not tiles:
            raise NKIError(f"nl.{self.alu} takes at least one tile, got {type(x).__name__} and {type(y).__name__}")
        if len(tiles) == 2:
            check_pair(self.alu, *tiles)
            if tiles[0].shape != tiles[1].shape:
                seen = f"{describe(tiles[0])} and {describe(tiles[1])}"
                raise NKIError(f"nl.{self.alu}: {seen} differ in shape; tiles do not broadcast")
            if dtype is None and tiles[0].storage.dtype != tiles[1].storage.dtype:
                raise unsupported(f"the promotion of dtypes in nl.{self.alu}", f"nl.{self.alu}(…, dtype=…)")
        result = _allocate(self.alu, tiles[0].shape, tiles[0].storage.dtype if dtype is None else dtype, sbuf)
        left, right = (_operand(value, self.alu) for value in (x, y))
        engine.elementwise(result, self.alu, left, right, api=self.alu)
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
        source = on_chip(x, "x", self.name)
        axes = trailing_axes(axis, source, f"nl.{self.name}")
        kept = source.shape[: axes[0]]
        shape = (*kept, *(1,) * len(axes)) if keepdims else kept if len(kept) > 1 else (*kept, 1)
        result = _allocate(self.name, shape, source.storage.dtype if dtype is None else dtype, sbuf)
        divisor = source.size / result.size if self.mean else None
        engine.reduce(result, self.alu, source, axes, divisor=divisor, api=self.name)
        return NkiTensor(result)


add = Operation("add")
subtract = Operation("subtract")
multiply = Operation("multiply")
divide = Operation("divide")
maximum = Operation("maximum")
minimum = Operation("minimum")

sum = Reduction("sum", "add")  # noqa: A001
prod = Reduction("prod", "multiply")
max = Reduction("max", "maximum")  # noqa: A001
min = Reduction("min", "minimum")  # noqa: A001
mean = Reduction("mean", "add", mean=True)


def reciprocal(x: NkiTensor, dtype: object = None) -> NkiTensor:
    """Compute 1 / x in float32 into a new SBUF tile, rounding once.

    Args:
        x: tile.
        dtype: dtype of the result; None: that of `x`.
    """
    source = on_chip(x, "x", "reciprocal")
    result = _allocate("reciprocal", source.shape, source.storage.dtype if dtype is None else dtype, sbuf)
    engine.elementwise(result, "divide", 1.0, source, api="reciprocal")
    return NkiTensor(result)


def affine_range(start: int, stop: int | None = None, step: int = 1) -> builtins.range:
    """Iterate over Python integers; `affine_range`, `sequential_range` and `static_range` are one."""
    return builtins.range(start, stop, step) if stop is not None else builtins.range(0, start, step)


sequential_range = static_range = affine_range


def _allocate(
    api: str, shape: Sequence[int], dtype: object, buffer: Buffer | str | None, name: str = ""
) -> AccessPattern:
    try:
        place = sbuf if buffer is None else Buffer(buffer)
    except ValueError:
        raise NKIError(f"{api}: buffer {buffer!r} does not exist; use one of {', '.join(Buffer)}") from None
    return AccessPattern.whole(current_launch(f"nl.{api}").allocate(shape, dtype, place, name))


def _filled(api: str, target: AccessPattern, value: Scalar) -> NkiTensor:
    engine.fill(target, check_fill(target, value, api))
    return NkiTensor(target)


def _operand(value: Any, api: str) -> AccessPattern | float:
    if isinstance(value, NkiTensor):
        return tensor(value, "operand", api)
    if isinstance(value, (int, float)):
        return float(value)
    raise NKIError(f"nl.{api} takes tiles and numbers, got {type(value).__name__}")


_MISSING = (
    "abs all ceil cos device_print erf exp floor fmod gelu invert log mod negative power rand relu rms_norm rsqrt "
    "sigmoid sign silu sin softmax softplus sqrt square tan tanh trunc where "
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift logical_and logical_not logical_or logical_xor "
    "equal not_equal greater greater_equal less less_equal abs_max abs_min average dropout gather_flattened no_reorder "
    "program_id num_programs program_ndim shared_constant shared_identity_matrix matmul transpose "
    "tfloat32 float8_e5m2_x4 float8_e4m3fn_x4 float4_e2m1fn_x4 float8_e8m0fnu"
)
_NEAREST = {
    "broadcast_to": "NkiTensor.broadcast",
    "dynamic_range": "nl.affine_range",
    "empty_like": "nl.ndarray",
    "expand_dims": "NkiTensor.expand_dim",
    "fori_loop": "nl.affine_range",
    "load_transpose2d": "nl.load",
    "var": "nl.mean",
    "while_loop": "nl.affine_range",
    "zeros_like": "nl.zeros",
}

__getattr__ = refuse_missing("nki.language", {**dict.fromkeys(_MISSING.split(), ""), **_NEAREST})

__all__ = [
    "NKIObject",
    "NkiTensor",
    "add",
    "affine_range",
    "bfloat16",
    "bool_",
    "copy",
    "divide",
    "ds",
    "float8_e4m3",
    "float8_e4m3fn",
    "float8_e5m2",
    "float16",
    "float32",
    "full",
    "hbm",
    "int8",
    "int16",
    "int32",
    "is_hbm",
    "is_on_chip",
    "is_psum",
    "is_sbuf",
    "load",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "ndarray",
    "ones",
    "private_hbm",
    "prod",
    "psum",
    "reciprocal",
    "sbuf",
    "sequential_range",
    "shared_hbm",
    "static_range",
    "store",
    "subtract",
    "sum",
    "tile_size",
    "uint8",
    "uint16",
    "uint32",
    "zeros",
]  # fmt: skip
