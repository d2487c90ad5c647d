"""Structure families: every correct kernel gives the exact answer, and each misread element changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.spec.family import Canvas, Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_nki_pool.spec.dtypes import DType
    from pytest_nki_pool.spec.family import Shape

#: Significant bits of the values of `index`: neighbouring values stay further apart than fp32 accumulation blurs them.
_INDEX_FRACTION_BITS = 15


def small_integers(canvas: Canvas, magnitude: int = 8) -> NDArray[np.float64]:
    """Integers in [-magnitude, magnitude] that follow from window and position alone."""
    mixed = canvas.window() * 37 + canvas.position() * 11
    return (mixed % (2 * magnitude + 1) - magnitude).astype(np.float64)


def _exact_range(dtype: DType) -> int:
    """Bound of the integers that even an accumulator of the dtype adds without rounding."""
    return int(2**dtype.precision)


def _ones(canvas: Canvas) -> NDArray[np.float64]:
    return canvas.full(1.0)


def _index(canvas: Canvas) -> NDArray[np.float64]:
    """Constant in each window, and as distinct over windows as the dtype allows."""
    dtype = canvas.dtype
    window = canvas.window()
    if not dtype.floating:
        return (window * 157 % 255 - 127).astype(np.float64)
    fractions = 2 ** min(dtype.fraction_bits, _INDEX_FRACTION_BITS)
    octaves = 2 * min(8, -dtype.min_exponent // 2)
    count = 2 * octaves * fractions
    # An odd step is coprime to the power-of-two part; the golden ratio sets neighbours far apart.
    step = round(count * 0.618) | 1
    while np.gcd(step, count) != 1:
        step += 2
    code = window * step % count
    sign = 1 - 2 * (code % 2)
    octave, fraction = np.divmod(code // 2, fractions)
    scale = np.ldexp(1.0, (octave - octaves // 2).astype(np.int32))
    return np.asarray(sign * (1 + fraction / fractions) * scale, np.float64)


def _ints(canvas: Canvas) -> NDArray[np.float64]:
    """Random integers up to 8, smaller or sparse where larger sums would leave the exact range of the dtype."""
    limit = _exact_range(canvas.dtype)
    magnitude = max(1, min(8, limit // canvas.elements))
    values = (canvas.bits() >> np.uint64(11)) % np.uint64(2 * magnitude + 1)
    signed = values.astype(np.float64) - magnitude
    sparsity = -(-canvas.elements // limit)
    if sparsity == 1:
        return signed
    # One element in `sparsity`, at places that differ from window to window; drawn again as +1 or -1.
    kept = (canvas.position() + canvas.window()) % sparsity == 0
    return np.where(kept, np.where(signed >= 0, 1.0, -1.0), 0.0)


def _dyadic(canvas: Canvas) -> NDArray[np.float64]:
    """Random signed powers of two from 1 down, as many as keep every sum and mean exact."""
    spread = min(4, (_exact_range(canvas.dtype) // canvas.elements).bit_length())
    bits = canvas.bits() >> np.uint64(11)
    exponent = (bits >> np.uint64(1)) % np.uint64(spread)
    sign = 1.0 - 2.0 * (bits & np.uint64(1)).astype(np.float64)
    return sign * np.ldexp(1.0, -exponent.astype(np.int32))


def _positional(canvas: Canvas) -> NDArray[np.float64]:
    """Distinct powers of two at rotating positions: the sum spells out which elements of the window were added."""
    n = canvas.elements
    digits = min(n, canvas.dtype.precision)
    window = canvas.window()
    place = (canvas.position() - window * digits) % n
    sign = np.where(window % 2, -1.0, 1.0)
    return np.where(place < digits, sign * np.ldexp(1.0, np.minimum(place, digits).astype(np.int32)), 0.0)


def _power_of_two_window(shape: Shape, dtype: DType) -> bool:
    power_of_two = shape.pool & (shape.pool - 1) == 0
    return dtype.floating and power_of_two and shape.pool**2 <= _exact_range(dtype)


FAMILIES = (
    Family("ones", "structure", _ones),
    Family("index", "structure", _index),
    Family("ints", "structure", _ints, random=True),
    Family(
        "dyadic",
        "structure",
        _dyadic,
        random=True,
        applies=_power_of_two_window,
        needs="a floating-point dtype and a pool size that is a power of two with exact sums",
    ),
    Family("positional", "structure", _positional),
)
