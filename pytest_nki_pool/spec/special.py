"""Special families: NaN, infinities, signed zeros, subnormals, and the ends of the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.spec.family import Canvas, Family
from pytest_nki_pool.spec.structure import small_integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_nki_pool.spec.dtypes import DType
    from pytest_nki_pool.spec.family import Shape


def _chosen(canvas: Canvas) -> NDArray[np.bool_]:
    """One element in each window, at places that differ from window to window."""
    return np.equal(canvas.position(), (canvas.window() * 5 + 2) % canvas.elements)


def _nan(canvas: Canvas) -> NDArray[np.float64]:
    """One NaN in every third window: exactly those results are NaN."""
    return np.where(_chosen(canvas) & (canvas.window() % 3 == 0), np.nan, small_integers(canvas))


def _inf(canvas: Canvas) -> NDArray[np.float64]:
    """One infinity in two windows of three, of alternating sign."""
    window = canvas.window()
    infinity = np.where(window % 3 == 0, np.inf, -np.inf)
    return np.where(_chosen(canvas) & (window % 3 < 2), infinity, small_integers(canvas))


def _mixed_inf(canvas: Canvas) -> NDArray[np.float64]:
    """Infinities of both signs in every other window: those results are NaN; the rest hold one infinity."""
    window = canvas.window()
    first = _chosen(canvas)
    second = canvas.position() == (window * 5 + 3) % canvas.elements
    values = np.where(first, np.inf, small_integers(canvas))
    return np.where(second & (window % 2 == 0), -np.inf, values)


def _negative_zero(canvas: Canvas) -> NDArray[np.float64]:
    """Windows of -0 alone beside windows that hold one ordinary value."""
    window = canvas.window()
    ordinary = _chosen(canvas) & (window % 2 == 1)
    return np.where(ordinary, 1.0 + window % 3, -0.0)


def _subnormal(canvas: Canvas) -> NDArray[np.float64]:
    """Windows of subnormals alone, positive or of both signs, beside windows that also hold an ordinary value."""
    window = canvas.window()
    steps = (window * 29 + canvas.position() * 13) % 47 + 1
    values = steps * (canvas.dtype.smallest_normal / 64)
    values = np.where((window % 3 == 1) & (canvas.position() % 2 == 1), -values, values)
    return np.where((window % 3 == 2) & _chosen(canvas), 1.0 + window % 2, values)


def _trim_nan(canvas: Canvas) -> NDArray[np.float64]:
    """NaN in every trimmed row and column: none may reach a result."""
    return np.where(canvas.trim(), np.nan, small_integers(canvas))


def _overflow(canvas: Canvas) -> NDArray[np.float64]:
    """Values whose sums leave the range while their means stay inside: 4 x 40000 in fp16, 4 x 2.1e38 in fp32."""
    window = canvas.window()
    large = canvas.dtype.max_finite * 0.61
    alternating = np.where(canvas.position() % 2, -large, large)
    return np.choose(window % 4, [canvas.full(large), canvas.full(-large), alternating, small_integers(canvas)])


def _mixture(canvas: Canvas) -> NDArray[np.float64]:
    """All of these side by side, one kind per window, and NaN in what is trimmed."""
    window = canvas.window()
    once = _chosen(canvas)
    again = canvas.position() == (window * 5 + 3) % canvas.elements
    ordinary = small_integers(canvas)
    kinds = [
        np.where(once, np.nan, ordinary),
        np.where(once, np.inf, ordinary),
        canvas.full(-0.0),
        np.where(once, -np.inf, ordinary),
        canvas.full(canvas.dtype.max_finite * 0.61),
        np.where(once, np.inf, np.where(again, -np.inf, ordinary)),
        canvas.full(canvas.dtype.smallest_normal * 0.625),
        ordinary,
    ]
    return np.where(canvas.trim(), np.nan, np.choose(window % len(kinds), kinds))


def _saturation(canvas: Canvas) -> NDArray[np.float64]:
    """Ones, and twos, so many that an accumulator of the dtype stops counting."""
    return np.where(canvas.window() % 2, 2.0, 1.0)


def _has_nan(shape: Shape, dtype: DType) -> bool:
    del shape
    return dtype.has_nan


def _has_inf(shape: Shape, dtype: DType) -> bool:
    del shape
    return dtype.has_inf


def _mixes_inf(shape: Shape, dtype: DType) -> bool:
    return dtype.has_inf and shape.pool > 1


def _trims(shape: Shape, dtype: DType) -> bool:
    return dtype.has_nan and (shape.height % shape.pool > 0 or shape.width % shape.pool > 0)


def _sums(shape: Shape, dtype: DType) -> bool:
    del dtype
    return shape.pool > 1


def _saturates(shape: Shape, dtype: DType) -> bool:
    return bool(shape.pool**2 > 2**dtype.precision)


_FLOATING = "a floating-point dtype"
FAMILIES = (
    Family("nan", "special", _nan, applies=_has_nan, needs=_FLOATING),
    Family("inf", "special", _inf, applies=_has_inf, needs="a dtype with infinities"),
    Family(
        "mixed_inf",
        "special",
        _mixed_inf,
        applies=_mixes_inf,
        needs="a dtype with infinities and a pool size above 1",
    ),
    Family("negative_zero", "special", _negative_zero, applies=_has_nan, needs=_FLOATING),
    Family("subnormal", "special", _subnormal, applies=_has_nan, needs=_FLOATING),
    Family(
        "trim_nan",
        "special",
        _trim_nan,
        applies=_trims,
        needs="a floating-point dtype and an image that the pool size does not divide",
    ),
    Family("overflow", "special", _overflow, applies=_sums, needs="a pool size above 1"),
    Family("mixture", "special", _mixture, applies=_has_inf, needs="a dtype with infinities"),
    Family(
        "saturation",
        "special",
        _saturation,
        applies=_saturates,
        needs="more elements per window than an accumulator of the dtype can count",
    ),
)
