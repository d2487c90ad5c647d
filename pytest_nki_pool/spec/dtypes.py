"""The dtypes a case may have, their limits, and the one rounding that leads into them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DType:
    """An element type of the pool.

    Attributes:
        name: name in case texts.
        numpy: the NumPy dtype of the arrays.
        fraction_bits: stored bits of the significand; an integer dtype counts the bits below its highest magnitude bit,
            so that every integer up to ``2 ** (fraction_bits + 1) - 1`` is a value of the dtype.
        min_exponent: exponent of the smallest normal value.
        max_finite: largest finite value.
        has_inf: whether infinities exist.
        has_nan: whether NaN exists.
    """

    name: str
    numpy: np.dtype[Any]
    fraction_bits: int
    min_exponent: int
    max_finite: float
    has_inf: bool = True
    has_nan: bool = True

    @property
    def floating(self) -> bool:
        """Whether this is a floating-point dtype."""
        return self.has_nan

    @property
    def precision(self) -> int:
        """Bits of the significand, the implicit one included."""
        return self.fraction_bits + 1

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of one rounding to nearest."""
        return float(2.0**-self.precision)

    @property
    def smallest_normal(self) -> float:
        """Smallest positive normal value."""
        return float(2.0**self.min_exponent)

    @property
    def smallest_subnormal(self) -> float:
        """Smallest positive value."""
        return float(2.0 ** (self.min_exponent - self.fraction_bits)) if self.floating else 1.0

    def quantise(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Round fp64 values to this dtype once, to nearest, ties to even.

        Floating-point overflow gives infinity (NaN where the dtype has none); integers saturate, which is how NKI
        converts fp32 to integers (NKI 0.6.0 release notes).

        Args:
            values: fp64, any shape.

        Returns:
            Array of this dtype, same shape.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if not self.floating:
                return np.clip(np.rint(values), -self.max_finite - 1, self.max_finite).astype(self.numpy)
            if self.numpy.kind == "f" and self.numpy.isbuiltin == 1:
                return np.asarray(values, np.float64).astype(self.numpy)
            return _to_odd(values).astype(self.numpy)

    def ordinals(self, array: NDArray[Any]) -> NDArray[np.int64]:
        """Number the values of this dtype in their order, zero being 0.

        Args:
            array: array of this dtype; NaN has no meaningful number.

        Returns:
            int64, same shape; neighbouring values differ by 1.
        """
        if not self.floating:
            return array.astype(np.int64)
        bits = array.view(f"u{self.numpy.itemsize}").astype(np.int64)
        sign = 1 << (8 * self.numpy.itemsize - 1)
        magnitude = bits & (sign - 1)
        return np.where(bits & sign, -magnitude, magnitude)

    def hex(self, value: Any) -> str:
        """Write the bits of one element of this dtype, such as ``0x3f80``."""
        size = self.numpy.itemsize
        bits = int(np.asarray(value, self.numpy).reshape(1).view(f"u{size}")[0])
        return f"0x{bits:0{2 * size}x}"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Find the case-text name of a NumPy dtype.

    Args:
        dtype: a NumPy or ml_dtypes dtype.

    Raises:
        ValueError: no case has this dtype.
    """
    dtype = np.dtype(dtype)
    for name, known in DTYPES.items():
        if known.numpy == dtype:
            return name
    raise ValueError(f"no case has dtype {dtype}; known: {', '.join(f'{n} ({d.numpy})' for n, d in DTYPES.items())}")


def _to_odd(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round fp64 to fp32 so that a second rounding to a narrower dtype equals one rounding from fp64.

    ml_dtypes converts fp64 through fp32, which rounds twice. Rounding to odd keeps the fact that bits were lost in the
    last bit (S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding
    to odd", IEEE Trans. Computers 57(4), 2008).
    """
    wide = np.asarray(values, np.float64)
    narrow = wide.astype(np.float32)
    bits = narrow.view(np.uint32)
    bits -= np.abs(narrow) > np.abs(wide)
    bits |= (narrow != wide) & ~np.isnan(wide)
    return narrow


#: float8_e4m3 is the IEEE-style type of NKI (largest value 240); float8_e4m3fn reaches 448 and has no infinity.
DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        dtype.name: dtype
        for dtype in (
            DType("fp32", np.dtype(np.float32), 23, -126, (2 - 2.0**-23) * 2.0**127),
            DType("bf16", np.dtype(ml_dtypes.bfloat16), 7, -126, (2 - 2.0**-7) * 2.0**127),
            DType("fp16", np.dtype(np.float16), 10, -14, 65504.0),
            DType("fp8_e4m3", np.dtype(ml_dtypes.float8_e4m3), 3, -6, 240.0),
            DType("fp8_e4m3fn", np.dtype(ml_dtypes.float8_e4m3fn), 3, -6, 448.0, has_inf=False),
            DType("fp8_e5m2", np.dtype(ml_dtypes.float8_e5m2), 2, -14, 57344.0),
            DType("int8", np.dtype(np.int8), 6, 0, 127.0, has_inf=False, has_nan=False),
        )
    }
)
