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

#: Name -> dtype, for all dtypes of any generation. `float8_e4m3` is the IEEE-like one with maximum 240.
DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        "bool": np.dtype(np.bool_),
        **{n: np.dtype(n) for n in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32")},
        "bfloat16": np.dtype(ml_dtypes.bfloat16),
        "float8_e4m3": np.dtype(ml_dtypes.float8_e4m3),
        "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
        "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    }
)

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
        dtype = np.dtype(spelling)  # type: ignore[call-overload]
    except TypeError:
        dtype = None
    if spelling is None or dtype not in _NAMES:
        named = f"{what}: dtype" if what else "dtype"
        raise NKIError(f"{named} {spelling!s} does not exist on a NeuronCore; use one of {', '.join(DTYPES)}")
    return dtype  # type: ignore[no-any-return]


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
        whole = np.rint(values.astype(np.float64))
        np.nan_to_num(whole, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
        np.copyto(out, np.clip(whole, limits.min, limits.max), casting="unsafe")
    else:
        np.copyto(out, values, casting="unsafe")


def round_to(values: Array, dtype: DType) -> Array:
    """Round fp32 values once to a dtype, see `round_into`."""
    out = np.empty(values.shape, dtype)
    round_into(out, values)
    return out


def as_float32(values: Array) -> Array:
    """Widen values to fp32, exactly (int32 beyond 2**24 rounds, as the engines do); no copy when they are fp32."""
    return values if values.dtype == FLOAT32 else values.astype(FLOAT32)
