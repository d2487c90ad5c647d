"""Dtypes: every spelling to one `numpy.dtype`, and the rounding at the end of an instruction."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = np.ndarray[Any, np.dtype[Any]]
DType = np.dtype[Any]

FLOAT32 = np.dtype(np.float32)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_FLOAT16 = np.dtype(np.float16)

#: Name -> dtype, for all dtypes of any generation. `float8_e4m3` is the IEEE-like one with maximum 240.
DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        "bool": np.dtype(np.bool_),
        **{n: np.dtype(n) for n in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32")},
        "bfloat16": BFLOAT16,
        "float8_e4m3": np.dtype(ml_dtypes.float8_e4m3),
        "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
        "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    }
)

#: Dtypes that a launch without `Machine.precise` keeps in fp32.
LOW_PRECISION = frozenset(DTYPES[name] for name in DTYPES if name.startswith(("bfloat16", "float8")))

_NAMES: Mapping[DType, str] = MappingProxyType({dtype: name for name, dtype in DTYPES.items()})


def dtype_of(spelling: object, what: str = "") -> DType:
    """Resolve a dtype however it is spelled.

    Args:
        spelling: an `nl` dtype, a NumPy or `ml_dtypes` scalar type or dtype, or a name.
        what: what shall have it, for the message.

    Raises:
        NKIError: the dtype does not exist on a NeuronCore.
    """
    if isinstance(spelling, np.dtype) and spelling in _NAMES:
        return spelling
    if isinstance(spelling, str) and spelling.removesuffix("_") in DTYPES:
        return DTYPES[spelling.removesuffix("_")]
    try:
        dtype: DType | None = np.dtype(spelling) if isinstance(spelling, (str, type)) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype not in _NAMES:
        named = f"{what}: dtype" if what else "dtype"
        raise NKIError(f"{named} {spelling!s} does not exist on a NeuronCore; use one of {', '.join(DTYPES)}")
    return dtype


def name_of(dtype: DType) -> str:
    """Name of a dtype as NKI spells it, or NumPy's name for one that NKI does not have."""
    return _NAMES.get(dtype) or str(dtype)


def is_float(dtype: DType) -> bool:
    """Whether a dtype of `DTYPES` is a floating-point one."""
    return dtype.kind not in "biu"


def round_into(out: Array, values: Array) -> None:
    """Write fp32 values with one rounding into an array of any dtype.

    Floats round to nearest even, and fp16 overflows to infinity. Integers round to nearest even and saturate (NKI
    release notes 0.6); NaN becomes 0.

    Args:
        out: destination, any strides.
        values: fp32 values, broadcastable to `out`.
    """
    if out.dtype.kind in "iu":
        limits = np.iinfo(out.dtype)
        whole = np.asarray(np.rint(values.astype(np.float64)))
        np.nan_to_num(whole, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
        np.copyto(out, np.clip(whole, limits.min, limits.max), casting="unsafe")
    elif out.dtype == _FLOAT16 and out.size >= _MANY and out.shape == values.shape and _SMALLEST_FLOAT16 * _UNBIAS != 0:
        _narrow_to_float16(out, values)
    else:
        np.copyto(out, values, casting="unsafe")


def round_to(values: Array, dtype: DType) -> Array:
    """Round fp32 values once to a dtype, see `round_into`."""
    out = np.empty(values.shape, dtype)
    round_into(out, values)
    return out


def as_float32(values: Array) -> Array:
    """Widen values to fp32, exactly (int32 beyond 2**24 rounds, as the engines do); no copy when they are fp32."""
    if values.dtype == FLOAT32:
        return values
    if values.dtype != _FLOAT16 or values.size < _MANY:
        return values.astype(FLOAT32)
    wide = np.empty(values.shape, FLOAT32)
    widen_into(wide, values)
    return wide


def widen_into(out: Array, values: Array) -> None:
    """Write values as fp32, see `as_float32`.

    Args:
        out: fp32 destination of the shape of `values`.
        values: values of any dtype.
    """
    factor = widen_scaled(out, values)
    if factor != 1:
        np.multiply(out, factor, out=out)


def widen_scaled(out: Array, values: Array) -> np.float32:
    """Write values as fp32, as `widen_into` does, but for a factor that spares a step if it is applied to their sums.

    Sums of fp16 values are the same before and after: they are multiples of 2**-24, far above what fp32 holds.

    Args:
        out: fp32 destination of the shape of `values`.
        values: values of any dtype.

    Returns:
        Power of two, at least 1, that makes `out` what `values` are.
    """
    if values.dtype == _FLOAT16 and values.size >= _MANY and _SMALLEST_FLOAT32 * _REBIAS != 0:
        return _widen_float16(out, values)
    np.copyto(out, values, casting="unsafe")
    return _ONE


#: From this many elements on, whole-array integer operations beat NumPy's cast of fp16, which goes one by one.
_MANY = 4096
_ONE = np.float32(1)
_SMALLEST_FLOAT32 = np.float32(2.0**-149)
_SMALLEST_FLOAT16 = np.float32(2.0**-24)
#: Difference of the exponent biases of fp32 (127) and fp16 (15), as a factor.
_REBIAS = np.float32(2.0**112)
_UNBIAS = np.float32(2.0**-112)


def _widen_float16(out: Array, values: Array) -> np.float32:
    """Widen fp16 by moving its fields to their places in fp32; the exponent remains to be corrected by a factor.

    A subnormal becomes an fp32 subnormal, so the processor must not flush those; `widen_scaled` asks it first.
    """
    bits = out.view(np.int32)
    np.copyto(bits, values.view(np.int16))  # extends the sign to bits 16 to 31
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, np.int32(-0x70000001), out=bits)  # keeps it at bit 31
    # Infinity and NaN, whose exponent is all ones, are the largest patterns of either sign.
    if values.view(np.int16).max() < 0x7C00 and values.view(np.uint16).max() < 0xFC00:
        return _REBIAS
    np.multiply(out, _REBIAS, out=out)
    bits[np.abs(out) >= 2.0**16] |= 0x7F800000
    return _ONE


def _narrow_to_float16(out: Array, values: Array) -> None:
    """Round fp32 to fp16 with whole-array operations, the reverse of `_widen_float16`.

    Adding and subtracting 1.5 * 2**13 times a value's power of two leaves its 11 leading bits, rounded to nearest even;
    below 2**-14 that power stays, as the steps of subnormals do. A subnormal of fp16 becomes one of fp32 on the way, so
    the processor must not flush those; `round_into` asks it first.
    """
    bits = values.view(np.uint32)
    scale = np.bitwise_and(bits, np.uint32(0x7F800000))
    magic = scale.view(FLOAT32)
    if magic.max() >= 2.0**16:  # beyond fp16, infinity or NaN
        np.copyto(out, values, casting="unsafe")
        return
    np.maximum(magic, np.float32(2.0**-14), out=magic)
    np.multiply(magic, np.float32(1.5 * 2**13), out=magic)
    rounded = np.add(values, magic)
    np.subtract(rounded, magic, out=rounded)
    np.multiply(rounded, _UNBIAS, out=rounded)
    fields = rounded.view(np.uint32)
    np.right_shift(fields, np.uint32(13), out=fields)
    np.right_shift(bits, np.uint32(16), out=scale)
    np.bitwise_and(scale, np.uint32(0x8000), out=scale)  # the sign of the value: a rounded zero has lost it
    np.bitwise_or(fields, scale, out=fields)
    np.copyto(out.view(np.uint16), fields, casting="unsafe")
