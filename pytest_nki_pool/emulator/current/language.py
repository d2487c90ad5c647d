"""The names of `nki.language`."""
# ruff: noqa: A004  (the names of NKI)

from __future__ import annotations

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import ON_CHIP, Buffer
from pytest_nki_pool.emulator.core.rules import HBM
from pytest_nki_pool.emulator.current.creation import (
    empty_like,
    full,
    load,
    load_transpose2d,
    ndarray,
    ones,
    shared_identity_matrix,
    store,
    zeros,
    zeros_like,
)
from pytest_nki_pool.emulator.current.functions import (
    abs,
    abs_max,
    abs_min,
    add,
    all,
    arctan,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    broadcast_to,
    ceil,
    copy,
    cos,
    divide,
    equal,
    erf,
    erf_dx,
    exp,
    expand_dims,
    floor,
    fmod,
    gelu,
    gelu_apprx_sigmoid,
    gelu_apprx_sigmoid_dx,
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
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    mish,
    mod,
    multiply,
    negative,
    not_equal,
    power,
    prod,
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
    sum,
    tan,
    tanh,
    transpose,
    trunc,
    var,
    where,
)
from pytest_nki_pool.emulator.current.missing import refuse_missing
from pytest_nki_pool.emulator.current.objects import NKIObject
from pytest_nki_pool.emulator.current.spmd import (
    affine_range,
    device_print,
    dynamic_range,
    no_reorder,
    num_programs,
    program_id,
    program_ndim,
    sequential_range,
    static_range,
)
from pytest_nki_pool.emulator.current.tensor import NkiTensor, ds
from pytest_nki_pool.emulator.current.tile_size import tile_size

bool_ = "bool"
int8, int16, int32 = "int8", "int16", "int32"
uint8, uint16, uint32 = "uint8", "uint16", "uint32"
float16, float32, bfloat16 = "float16", "float32", "bfloat16"
float8_e4m3, float8_e4m3fn, float8_e5m2 = "float8_e4m3", "float8_e4m3fn", "float8_e5m2"

sbuf, psum, shared_hbm = Buffer.SBUF, Buffer.PSUM, Buffer.SHARED_HBM
hbm = private_hbm = Buffer.HBM


def is_hbm(buffer: Buffer) -> bool:
    """Whether a memory is HBM of any kind."""
    return _buffer(buffer) in HBM


def is_sbuf(buffer: Buffer) -> bool:
    """Whether a memory is SBUF."""
    return _buffer(buffer) is sbuf


def is_psum(buffer: Buffer) -> bool:
    """Whether a memory is PSUM."""
    return _buffer(buffer) is psum


def is_on_chip(buffer: Buffer) -> bool:
    """Whether a memory is SBUF or PSUM."""
    return _buffer(buffer) in ON_CHIP


def _buffer(buffer: object) -> Buffer:
    if not isinstance(buffer, Buffer):
        raise NKIError(f"a memory is nl.sbuf, nl.psum, nl.hbm, nl.private_hbm or nl.shared_hbm, got {buffer!r}")
    return buffer


_MISSING = (
    "average bypass dropout gather_flattened prelu rand random_seed shared_constant "
    "tfloat32 float8_e5m2_x4 float8_e4m3fn_x4 float4_e2m1fn_x4 float8_e8m0fnu MemoryRegion"
)
_NEAREST = {
    "fori_loop": "nl.static_range",
    "rms_norm": "nl.mean and nl.rsqrt",
    "softmax": "nisa.activation(op=nl.exp)",
    "while_loop": "nl.static_range",
}

__getattr__ = refuse_missing("nki.language", {**dict.fromkeys(_MISSING.split(), ""), **_NEAREST})

__all__ = [
    "NKIObject",
    "NkiTensor",
    "abs",
    "abs_max",
    "abs_min",
    "add",
    "affine_range",
    "all",
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
    "dynamic_range",
    "empty_like",
    "equal",
    "erf",
    "erf_dx",
    "exp",
    "expand_dims",
    "float8_e4m3",
    "float8_e4m3fn",
    "float8_e5m2",
    "float16",
    "float32",
    "floor",
    "fmod",
    "full",
    "gelu",
    "gelu_apprx_sigmoid",
    "gelu_apprx_sigmoid_dx",
    "gelu_apprx_tanh",
    "gelu_dx",
    "greater",
    "greater_equal",
    "hbm",
    "int8",
    "int16",
    "int32",
    "invert",
    "is_hbm",
    "is_on_chip",
    "is_psum",
    "is_sbuf",
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
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mish",
    "mod",
    "multiply",
    "ndarray",
    "negative",
    "no_reorder",
    "not_equal",
    "num_programs",
    "ones",
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
    "shared_identity_matrix",
    "sigmoid",
    "sign",
    "silu",
    "silu_dx",
    "sin",
    "softplus",
    "sqrt",
    "square",
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
