"""`neuronxcc.nki.language`: tensors, indices, loops, data movement and arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.access import AccessPattern, DynamicSlice
from pytest_nki_pool.emulator.core.dtypes import DTYPES
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.operands import SBUF as ON_SBUF
from pytest_nki_pool.emulator.core.rules import CHIP, HBM, check_buffer
from pytest_nki_pool.emulator.legacy.accumulation import all_reduce, loop_reduce
from pytest_nki_pool.emulator.legacy.compute import fit, run
from pytest_nki_pool.emulator.legacy.creation import empty_like, full, ndarray, ones, par_dim, zeros, zeros_like
from pytest_nki_pool.emulator.legacy.elementwise import (
    abs,  # noqa: A004  (NKI's name)
    add,
    arctan,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    ceil,
    cos,
    divide,
    equal,
    erf,
    erf_dx,
    exp,
    floor,
    fmod,
    gelu,
    gelu_apprx_sigmoid,
    gelu_apprx_tanh,
    gelu_dx,
    greater,
    greater_equal,
    invert,
    left_shift,
    less,
    less_equal,
    log,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    mish,
    mod,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    relu,
    right_shift,
    rsqrt,
    sigmoid,
    sign,
    silu,
    silu_dx,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from pytest_nki_pool.emulator.legacy.extras import device_print, finfo, fp32, static_cast
from pytest_nki_pool.emulator.legacy.grid import nc, num_programs, program_id, program_ndim, spmd_dim
from pytest_nki_pool.emulator.legacy.indices import arange, mgrid, static_integer
from pytest_nki_pool.emulator.legacy.loops import affine_range, sequential_range, static_range
from pytest_nki_pool.emulator.legacy.operators import give_operators
from pytest_nki_pool.emulator.legacy.profiles import before, release
from pytest_nki_pool.emulator.legacy.reductions import all, max, mean, min, prod, sum, var  # noqa: A004  (NKI's names)
from pytest_nki_pool.emulator.legacy.surface import api, missing
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, check_copied, is_scalar, new_tile
from pytest_nki_pool.emulator.legacy.tensor_engine import load_transpose2d, matmul, transpose
from pytest_nki_pool.emulator.legacy.tile_size import tile_size

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "abs",
    "add",
    "affine_range",
    "all",
    "all_reduce",
    "arange",
    "arctan",
    "bfloat16",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bool_",
    "broadcast_to",
    "ceil",
    "copy",
    "cos",
    "device_print",
    "divide",
    "ds",
    "empty_like",
    "equal",
    "erf",
    "erf_dx",
    "exp",
    "expand_dims",
    "finfo",
    "float8_e4m3",
    "float8_e5m2",
    "float16",
    "float32",
    "floor",
    "fmod",
    "fp32",
    "full",
    "gelu",
    "gelu_apprx_sigmoid",
    "gelu_apprx_tanh",
    "gelu_dx",
    "greater",
    "greater_equal",
    "hbm",
    "int8",
    "int16",
    "int32",
    "invert",
    "left_shift",
    "less",
    "less_equal",
    "load",
    "load_transpose2d",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "loop_reduce",
    "matmul",
    "max",
    "maximum",
    "mean",
    "mgrid",
    "min",
    "minimum",
    "mish",
    "mod",
    "multiply",
    "nc",
    "ndarray",
    "negative",
    "not_equal",
    "num_programs",
    "ones",
    "par_dim",
    "power",
    "private_hbm",
    "prod",
    "program_id",
    "program_ndim",
    "psum",
    "reciprocal",
    "relu",
    "right_shift",
    "rsqrt",
    "sbuf",
    "sequential_range",
    "shared_hbm",
    "sigmoid",
    "sign",
    "silu",
    "silu_dx",
    "sin",
    "softplus",
    "spmd_dim",
    "sqrt",
    "square",
    "static_cast",
    "static_range",
    "store",
    "subtract",
    "sum",
    "tan",
    "tanh",
    "tile_size",
    "transpose",
    "trunc",
    "uint8",
    "uint16",
    "uint32",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

give_operators()

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


@api("nl")
def ds(start: object, size: int) -> DynamicSlice:
    """Slice of a static size from a start that may be a loop variable.

    Raises:
        NKIError: the size is no static integer.
    """
    return DynamicSlice(start, static_integer(size, "nl.ds"))


@api("nl")
def load(src: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Load from HBM into a new SBUF tile.

    Args:
        src: tensor in HBM, or a piece of one; its first dimension becomes the partition dimension, at most 128.
        mask: condition on the elements that are moved; the others keep what they were.
        dtype: dtype of the tile, else the source's.

    Raises:
        NKIError: the source is not in HBM, or its shape makes no tile.
    """
    tile = as_tile(src, "src", "nl.load")
    check_buffer(tile, "src", "load", HBM)
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    return run("nl.load", result, (tile,), lambda dst, part: movement.dma(dst, part, api="load"), mask)


@api("nl")
def store(dst: Tile, value: Tile | float, *, mask: object = None) -> None:
    """Store a tile or a scalar to HBM, cast to the destination's dtype.

    Args:
        dst: tensor in HBM, or a piece of one.
        value: on-chip tile of the destination's shape (dimensions of size 1 repeat), or a scalar.
        mask: condition on the elements that are moved; the others keep what they were.

    Raises:
        NKIError: wrong buffers or shapes, undefined elements.
    """
    target = as_tile(dst, "dst", "nl.store")
    check_buffer(target, "dst", "store", HBM)
    if isinstance(value, Tile):
        check_buffer(value, "value", "store", ON_SBUF if before(release(), "2.25") else CHIP)
        run("nl.store", target, (value,), _store, mask)
    elif is_scalar(value):
        run("nl.store", target, (), lambda part: engine.fill(part, value), mask)
    else:
        raise NKIError(f"nl.store: 'value' is a tensor or a scalar, got {type(value).__name__}")


def _store(dst: AccessPattern, value: AccessPattern) -> None:
    movement.dma(dst, fit(value, dst, "nl.store"), api="store", src_buffers=CHIP)


@api("nl")
def copy(src: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Copy an on-chip tile into a new SBUF tile, cast to `dtype` when given."""
    tile = as_tile(src, "src", "nl.copy")
    check_copied(tile)
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    return run("nl.copy", result, (tile,), lambda dst, part: movement.copy(dst, part, api="copy"), mask)


@api("nl")
def broadcast_to(src: Tile, *, shape: Sequence[int]) -> Tile:
    """View that repeats dimensions of size 1."""
    return as_tile(src, "src", "nl.broadcast_to").broadcast_to(shape)


@api("nl")
def expand_dims(data: Tile, axis: int) -> Tile:
    """View with a dimension of size 1 after the last one."""
    return as_tile(data, "data", "nl.expand_dims").expand_dims(axis)


def __getattr__(name: str) -> NoReturn:
    raise missing("nki.language", name)
