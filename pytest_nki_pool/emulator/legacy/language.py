"""`neuronxcc.nki.language`: tensors, indices, loops, data movement and arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import DynamicSlice
from pytest_nki_pool.emulator.core.dtypes import DTYPES
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer
from pytest_nki_pool.emulator.core.rules import CHIP, HBM, check_buffer
from pytest_nki_pool.emulator.legacy.indices import arange, mgrid, static_integer
from pytest_nki_pool.emulator.legacy.loops import affine_range, sequential_range, static_range
from pytest_nki_pool.emulator.legacy.reductions import max, mean, min, sum  # noqa: A004  (NKI's names)
from pytest_nki_pool.emulator.legacy.surface import missing, refuse_mask
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, binary, fit, is_scalar, new_tile
from pytest_nki_pool.emulator.legacy.tile_size import tile_size

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "add", "affine_range", "arange", "bfloat16", "bool_", "copy", "divide", "ds", "empty_like", "float8_e4m3",
    "float8_e5m2", "float16", "float32", "full", "hbm", "int8", "int16", "int32", "load", "max", "maximum", "mean",
    "mgrid", "min", "minimum", "multiply", "ndarray", "ones", "par_dim", "private_hbm", "psum", "sbuf",
    "sequential_range", "shared_hbm", "static_range", "store", "subtract", "sum", "tile_size", "uint8", "uint16",
    "uint32", "zeros", "zeros_like",
]  # fmt: skip

sbuf = Buffer.SBUF
psum = Buffer.PSUM
hbm = private_hbm = Buffer.PRIVATE_HBM
shared_hbm = Buffer.SHARED_HBM

bool_ = DTYPES["bool"]
int8 = DTYPES["int8"]
int16 = DTYPES["int16"]
int32 = DTYPES["int32"]
uint8 = DTYPES["uint8"]
uint16 = DTYPES["uint16"]
uint32 = DTYPES["uint32"]
float16 = DTYPES["float16"]
float32 = DTYPES["float32"]
bfloat16 = DTYPES["bfloat16"]
float8_e4m3 = DTYPES["float8_e4m3"]
float8_e5m2 = DTYPES["float8_e5m2"]


class par_dim(int):  # noqa: N801  (NKI's name)
    """Mark the partition dimension of a shape."""


def ds(start: object, size: int) -> DynamicSlice:
    """Slice of a static size from a start that may be a loop variable.

    Raises:
        NKIError: the size is no static integer.
    """
    return DynamicSlice(start, static_integer(size, "nl.ds"))


def ndarray(
    shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "", **_options: object
) -> Tile:
    """Allocate an undefined tensor.

    Args:
        shape: sizes; on chip the first is the partition dimension, at most 128.
        dtype: any spelling of a dtype of the generation.
        buffer: where it lives; SBUF by default.
        name: its name in messages.
        **_options: compiler hints, without effect here.

    Raises:
        NKIError: a shape, dtype or size that the generation does not have.
    """
    return new_tile(*_declared("ndarray", shape, dtype, buffer), name=name)


def zeros(shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an on-chip tensor filled with 0, see `ndarray`."""
    return full(shape, 0, dtype, buffer=buffer, name=name)


def ones(shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an on-chip tensor filled with 1, see `ndarray`."""
    return full(shape, 1, dtype, buffer=buffer, name=name)


def full(
    shape: Sequence[Any], fill_value: float, dtype: object, *, buffer: Buffer | None = None, name: str = ""
) -> Tile:
    """Allocate an on-chip tensor filled with one value, see `ndarray`.

    Raises:
        NKIError: an HBM buffer ("NKI error manual", err_hbm_tensor_with_init_value_not_supported), or see `ndarray`.
    """
    if buffer in OFF_CHIP:
        raise NKIError(
            f"creating a tensor in {buffer} with an initial value is not supported; use nl.ndarray and nl.store",
            "err_hbm_tensor_with_init_value_not_supported",
        )
    if not is_scalar(fill_value):
        raise NKIError(f"nl.full: fill_value is a scalar, got {type(fill_value).__name__}")
    tile = new_tile(*_declared("full", shape, dtype, buffer), name=name)
    engine.memset(tile.access, fill_value, api="nl.full")
    return tile


def zeros_like(a: Tile, dtype: object = None, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate zeros with the shape, dtype and buffer of another tensor unless given."""
    return zeros(a.shape, a.dtype if dtype is None else dtype, buffer=buffer or a.buffer, name=name)


def empty_like(a: Tile, dtype: object = None, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an undefined tensor with the shape, dtype and buffer of another one unless given."""
    return ndarray(a.shape, a.dtype if dtype is None else dtype, buffer=buffer or a.buffer, name=name)


def _declared(
    api: str, shape: Sequence[Any], dtype: object, buffer: Buffer | None
) -> tuple[Sequence[Any], object, Buffer]:
    if not isinstance(shape, (list, tuple)):
        raise NKIError(f"nl.{api}: shape is a list or tuple of integers, got {shape!r}")
    if buffer is not None and not isinstance(buffer, Buffer):
        raise NKIError(f"nl.{api}: buffer is nl.sbuf, nl.psum, nl.shared_hbm or nl.private_hbm, got {buffer!r}")
    if any(isinstance(size, par_dim) for size in shape[1:]):
        raise NKIError(
            f"nl.{api}: the partition dimension is the first one, got nl.par_dim inside {list(shape)}; "
            "block dimensions are not supported, allocate one tile per block",
            "err_failed_to_infer_tile_from_local_tensor",
        )
    return shape, dtype, buffer or sbuf


def load(src: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Load from HBM into a new SBUF tile.

    Args:
        src: tensor in HBM, or a piece of one; its first dimension becomes the partition dimension, at most 128.
        mask: not emulated.
        dtype: dtype of the tile, else the source's.

    Raises:
        NKIError: the source is not in HBM, or its shape makes no tile.
    """
    refuse_mask("nl.load", mask)
    access = as_tile(src, "src", "nl.load").access
    check_buffer(access, "src", "load", HBM)
    tile = new_tile(access.shape, src.dtype if dtype is None else dtype)
    engine.dma(tile.access, access, api="load", src_buffers=HBM)
    return tile


def store(dst: Tile, value: Tile | float, *, mask: object = None) -> None:
    """Store a tile or a scalar to HBM, cast to the destination's dtype.

    Args:
        dst: tensor in HBM, or a piece of one.
        value: on-chip tile of the destination's shape (dimensions of size 1 repeat), or a scalar.
        mask: not emulated.

    Raises:
        NKIError: wrong buffers or shapes, undefined elements.
    """
    refuse_mask("nl.store", mask)
    target = as_tile(dst, "dst", "nl.store").access
    check_buffer(target, "dst", "store", HBM)
    if isinstance(value, Tile):
        check_buffer(value.access, "value", "store", CHIP)
        engine.dma(target, fit(value.access, target, "nl.store"), api="store", dst_buffers=HBM, src_buffers=CHIP)
    elif is_scalar(value):
        engine.fill(target, value)
    else:
        raise NKIError(f"nl.store: 'value' is a tensor or a scalar, got {type(value).__name__}")


def copy(src: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Copy an on-chip tile into a new SBUF tile, cast to `dtype` when given."""
    refuse_mask("nl.copy", mask)
    access = as_tile(src, "src", "nl.copy").access
    tile = new_tile(access.shape, src.dtype if dtype is None else dtype)
    engine.copy(tile.access, access, api="copy")
    return tile


def add(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Add tiles or a tile and a scalar; dimensions of size 1 repeat."""
    return _arithmetic("add", x, y, dtype, mask)


def subtract(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Subtract, see `add`."""
    return _arithmetic("subtract", x, y, dtype, mask)


def multiply(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Multiply, see `add`."""
    return _arithmetic("multiply", x, y, dtype, mask)


def divide(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Divide, see `add`."""
    return _arithmetic("divide", x, y, dtype, mask)


def maximum(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Larger of two values, see `add`."""
    return _arithmetic("maximum", x, y, dtype, mask)


def minimum(x: object, y: object, *, dtype: object = None, mask: object = None) -> Tile:
    """Smaller of two values, see `add`."""
    return _arithmetic("minimum", x, y, dtype, mask)


def _arithmetic(op: str, x: object, y: object, dtype: object, mask: object) -> Tile:
    refuse_mask(f"nl.{op}", mask)
    return binary(op, x, y, dtype=dtype, api=f"nl.{op}")


def __getattr__(name: str) -> NoReturn:
    raise missing("nki.language", name)
