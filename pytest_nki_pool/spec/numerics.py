"""Numerics families: data on which rounding, divisor and accumulator show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.spec.family import Canvas, Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_nki_pool.spec.dtypes import DType
    from pytest_nki_pool.spec.family import Shape


def _unit(canvas: Canvas) -> NDArray[np.float64]:
    return (canvas.bits() >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _bell(canvas: Canvas) -> NDArray[np.float64]:
    """Mean 0, variance 1, within 3.47: four 16-bit uniforms added, which needs no libm and is never 0."""
    bits = canvas.bits()
    lanes = sum((bits >> np.uint64(16 * lane)) & np.uint64(0xFFFF) for lane in range(4))
    centred = np.asarray(lanes, np.float64) - (2.0**17 - 1.5)
    return centred * (math.sqrt(3.0) * 2.0**-16)


def _uniform(canvas: Canvas) -> NDArray[np.float64]:
    scale = 1.0 if canvas.dtype.floating else canvas.dtype.max_finite
    return _unit(canvas) * scale


def _wide(canvas: Canvas) -> NDArray[np.float64]:
    """Exponents spread evenly over much of the dtype's range, so that sums cancel and absorb."""
    reach = min(40, -canvas.dtype.min_exponent * 2 // 3)
    exponent = (canvas.bits() >> np.uint64(11)) % np.uint64(2 * reach + 1)
    return _bell(canvas) * np.ldexp(1.0, exponent.astype(np.int32) - reach)


def _faint(canvas: Canvas) -> NDArray[np.float64]:
    """Normal values three quarters of the way down to the subnormals, which nobody may take for zero."""
    return _bell(canvas) * 2.0 ** (canvas.dtype.min_exponent * 3 // 4)


def _cancel(canvas: Canvas) -> NDArray[np.float64]:
    """Large values of alternating sign under which small ones remain."""
    large = 2.0 ** min(10, canvas.dtype.fraction_bits - 1)
    sign = 1.0 - 2.0 * ((canvas.position() + canvas.window()) % 2)
    return sign * large + _bell(canvas)


def _floating(shape: Shape, dtype: DType) -> bool:
    del shape
    return dtype.floating


def _floating_window(shape: Shape, dtype: DType) -> bool:
    return dtype.floating and shape.pool > 1


FAMILIES = (
    Family("uniform", "numerics", _uniform, random=True),
    Family("normal", "numerics", _bell, random=True, applies=_floating, needs="a floating-point dtype"),
    Family("wide", "numerics", _wide, random=True, applies=_floating, needs="a floating-point dtype"),
    Family("faint", "numerics", _faint, random=True, applies=_floating, needs="a floating-point dtype"),
    Family(
        "cancel",
        "numerics",
        _cancel,
        random=True,
        applies=_floating_window,
        needs="a floating-point dtype and a pool size above 1",
    ),
)
