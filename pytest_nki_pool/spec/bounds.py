"""The intervals behind acceptance, from an error analysis of every honest way to average a window.

Model: n = k * k, exact sum S, A = sum|x| / n, and gamma(m) = m u / (1 - m u) with the accumulator's unit roundoff u.
Accumulating in any order, in any tree, with or without FMA, pre-scaled or scaled afterwards by division or by the
rounded reciprocal, makes at most n + 1 roundings on the way of any element, hence an error of at most gamma(n + 1) A
(N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 4.2). Rounding is monotone, so
rounding both ends of that interval to the output dtype bounds what a correct kernel may store.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.spec.dtypes import DTYPES, DType
from pytest_nki_pool.spec.oracle import fold, totals, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

#: VectorE, ScalarE and GpSimd cast every input to fp32 and compute in fp32 (NKI ISA reference, tensor_reduce).
_ENGINE = DTYPES["fp32"]
#: Covers the fp64 rounding of sums of |x| over at most 2 x 4096 additions, and of the products in a bound.
_FP64_SLACK = 1 + 2.0**-30
#: Name of the range of infinities that an overflowing sum may give.
OVERFLOW = "overflow of the sum"
#: Values from here on leave no subnormal fp32 difference behind.
_NO_UNDERFLOW = _ENGINE.smallest_normal * 2.0**_ENGINE.precision


@dataclass(frozen=True, slots=True)
class Range:
    """Values that are accepted, ends included; NaN ends accept nothing.

    Attributes:
        name: what a result in this range is.
        low: fp64, shape of the result.
        high: fp64, shape of the result.
    """

    name: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over windows.

    Attributes:
        dtype: dtype of the input.
        n: elements of a window.
        total: sum of x, with infinities and NaN as IEEE 754 has them.
        magnitude: sum of |x| over finite x.
        view: the values in fp64, C x rows x columns x k x k; non-finite ones are 0.
        flush: absolute error that intermediate results flushed to zero may add to the sum.
    """

    dtype: DType
    n: int
    total: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    view: NDArray[np.float64]
    flush: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64], k: int, dtype: DType, flush: float = 0.0) -> Sums:
        """Sum the windows of a C x H x W image of values of a dtype."""
        finite = np.isfinite(values)
        kept = values if finite.all() else np.where(finite, values, 0.0)
        magnitude = fold(np.add, np.abs(kept), k)
        return cls(dtype, k * k, totals(values, k), magnitude, windows(kept, k), flush)

    @property
    def scales_exactly(self) -> bool:
        """Whether n is a power of two, so that dividing by it rounds nothing."""
        return self.n & (self.n - 1) == 0

    def error(self, accumulator: DType, roundings: int) -> NDArray[np.float64]:
        """Bound the error of a sum with this many roundings on the way of any element."""
        u = accumulator.unit_roundoff
        gamma = roundings * u / (1 - roundings * u)
        underflow = roundings * self.n * accumulator.smallest_subnormal / 2
        return self.magnitude * (gamma * _FP64_SLACK) + np.where(self.magnitude > 0, underflow + self.flush, 0.0)

    def exact_in(self, accumulator: DType) -> NDArray[np.bool_]:
        """Mark the windows whose every partial sum, also when scaled by a power of two first, is exact.

        That is so when all x are multiples of a power of two g, and sum|x| <= 2**precision * g.
        """
        exponent = np.frexp(self.magnitude)[1] - accumulator.precision
        scaled = self.view * np.ldexp(1.0, -exponent)[..., None, None]
        multiples = (np.rint(scaled) == scaled).all(axis=(3, 4))
        normal = np.ldexp(1.0, exponent) / self.n >= accumulator.smallest_normal
        return np.asarray((multiples & normal) | (self.magnitude == 0))


def _fp32(sums: Sums) -> tuple[Range, ...]:
    return (_accumulated(sums, _ENGINE),)


def _fp32_sum_cast(sums: Sums) -> tuple[Range, ...]:
    if sums.dtype == _ENGINE or sums.n == 1:
        return _fp32(sums)
    return (*_fp32(sums), _sum_cast(sums))


def _native(sums: Sums) -> tuple[Range, ...]:
    if sums.dtype == _ENGINE or sums.n == 1:
        return _fp32(sums)
    return (*_fp32(sums), _accumulated(sums, sums.dtype))


#: Accuracy class -> ranges of a result.
ACCURACIES: Mapping[str, Callable[[Sums], tuple[Range, ...]]] = MappingProxyType(
    {"fp32": _fp32, "fp32_sum_cast": _fp32_sum_cast, "native": _native}
)


def refusal(accuracy: str, dtype: DType, n: int) -> str:
    """Say why an accuracy class bounds nothing for windows of n elements; empty when it does.

    Args:
        accuracy: a name in `ACCURACIES`.
        dtype: dtype of input and result.
        n: elements of a window.
    """
    if accuracy != "native" or dtype == _ENGINE:
        return ""
    if not dtype.floating:
        return f"accuracy class native is not defined for {dtype.name}; declare fp32 or fp32_sum_cast"
    if n * dtype.unit_roundoff < 0.5:
        return ""
    return (
        f"accuracy class native bounds nothing for windows of {n} elements in {dtype.name}, where rounding errors may "
        "add up to half of the sum; accumulate in fp32 and declare fp32"
    )


def overflowing(sums: Sums, accuracy: str) -> tuple[tuple[Range, ...], NDArray[np.bool_] | None]:
    """Find the infinities and NaN that an honest sum may give because it leaves the range of its accumulator.

    The order of summation is free, so a partial sum overflows upwards if the positive values alone can, and likewise
    downwards; where both can, infinities of both signs may meet.

    Returns:
        Ranges of the accepted infinities, and where NaN is accepted (None: nowhere).
    """
    narrow = sums.dtype if accuracy != "fp32" and sums.n > 1 else _ENGINE
    if 2 * float(sums.magnitude.max()) < narrow.max_finite:
        return (), None
    accumulator = sums.dtype if accuracy == "native" else _ENGINE
    error = sums.error(accumulator, sums.n)
    ends = []
    for sign in (1, -1):
        partial = np.maximum(sign * sums.view, 0.0).sum(axis=(3, 4))
        infinite = (partial > 0) & _overflows(accumulator, partial + error)
        if accuracy == "fp32_sum_cast" and sums.n > 1:
            cast = np.where(np.isfinite(sums.total), sign * sums.total, 0.0) + sums.error(_ENGINE, sums.n)
            infinite |= (partial > 0) & _overflows(sums.dtype, cast)
        ends.append((sign * np.inf, infinite))
    (_, up), (_, down) = ends
    nan = (up | np.isposinf(sums.total)) & (down | np.isneginf(sums.total))
    if not sums.dtype.has_inf:
        return (), nan | up | down
    ranges = [np.where(infinite, infinity, np.nan) for infinity, infinite in ends if infinite.any()]
    return tuple(Range(OVERFLOW, ends, ends) for ends in ranges), nan if nan.any() else None


def flushed(sums: Sums, bounds: tuple[Range, ...], accuracy: str) -> tuple[Range, ...]:
    """Find the results of a machine that takes subnormals for zero: on input, between operations, or on output.

    Args:
        sums: sums of the input.
        bounds: its ranges when subnormals are kept.
        accuracy: accuracy class.

    Returns:
        Ranges to accept beside `bounds`: zero for a result that may be subnormal, and the mean without the inputs that
        are.
    """
    if not sums.dtype.floating:
        return ()
    zero = _may_flush(bounds, sums)
    ranges: list[Range] = []
    affected = _underflowing(sums)
    if affected.any():
        without = _without_subnormals(sums, affected)
        inner = ACCURACIES[accuracy](without)
        zero[affected] |= _may_flush(inner, without).reshape(-1)
        for bound in inner:
            low, high = _placed(affected, bound.low), _placed(affected, bound.high)
            ranges.append(Range("subnormal inputs taken for zero", low, high))
    if zero.any():
        end = np.where(zero, 0.0, np.nan)
        ranges.append(Range("subnormal result flushed to zero", end, end))
    return tuple(ranges)


def _underflowing(sums: Sums) -> NDArray[np.bool_]:
    """Mark finite windows with subnormal inputs, or inputs so small that fp32 differences may be subnormal."""
    threshold = max(sums.dtype.smallest_normal, _NO_UNDERFLOW)
    small = (np.abs(sums.view) < threshold) & (sums.view != 0)
    return small.any(axis=(3, 4)) & np.isfinite(sums.total) if small.any() else np.zeros(sums.total.shape, np.bool_)


def _without_subnormals(sums: Sums, affected: NDArray[np.bool_]) -> Sums:
    """Sum the affected windows, one per channel of a new image, with subnormal inputs as zeros."""
    inputs = sums.view[affected]
    kept = np.where(np.abs(inputs) < sums.dtype.smallest_normal, 0.0, inputs)
    # Each of n products, n - 1 additions and a division may lose less than the smallest normal fp32 value.
    flush = 2.0 * sums.n**2 * _ENGINE.smallest_normal
    return Sums.of(kept, kept.shape[-1], sums.dtype, flush)


def _accumulated(sums: Sums, accumulator: DType) -> Range:
    """The interval of a mean that is accumulated in one dtype and then rounded to the output dtype."""
    mean = sums.total / sums.n
    error = sums.error(accumulator, sums.n + 1) / sums.n + np.where(np.isinf(mean), 0.0, np.abs(mean) * 2.0**-51)
    if sums.n == 1:
        error = np.zeros_like(error)
    elif sums.scales_exactly:
        error = np.where(sums.exact_in(accumulator), 0.0, error)
    low, high = mean - error, mean + error
    if accumulator != sums.dtype:  # what is accumulated in the output dtype is stored as it is
        low, high = _rounded(sums.dtype, low), _rounded(sums.dtype, high)
    return Range(f"{accumulator.name} accumulation", low, high)


def _sum_cast(sums: Sums) -> Range:
    """The interval of an fp32 sum that is rounded to the dtype, then scaled and rounded again."""
    error = np.where(sums.exact_in(_ENGINE), 0.0, sums.error(_ENGINE, sums.n - 1))
    error += np.where(np.isinf(sums.total), 0.0, np.abs(sums.total) * 2.0**-51)
    cast = [_rounded(sums.dtype, sums.total + side * error) for side in (-1, 1)]
    partly = np.isfinite(cast[0]) != np.isfinite(cast[1])
    ends = []
    for side, total in zip((-1, 1), cast, strict=True):
        # Where only one end overflows, the finite casts end at the largest value; the infinity is `overflowing`'s.
        reached = np.where(partly & ~np.isfinite(total), side * sums.dtype.max_finite, total)
        ends.append(_rounded(sums.dtype, _scaled(sums, reached, side)))
    return Range("sum rounded before scaling", *ends)


def _scaled(sums: Sums, total: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """The lower (side -1) or upper (side 1) end of a sum divided by n, or multiplied by its rounded reciprocal."""
    mean = total / sums.n
    if sums.scales_exactly:
        return mean
    roundings = 2 * _ENGINE.unit_roundoff * (1 + 2.0**-20)
    error = np.where(np.isinf(mean), 0.0, np.abs(mean) * roundings + _ENGINE.smallest_subnormal)
    end: NDArray[np.float64] = mean + side * error
    return end


def _may_flush(bounds: tuple[Range, ...], sums: Sums) -> NDArray[np.bool_]:
    """Mark where some range reaches into the subnormals but is not zero alone."""
    # A copy has no rounding that could lift a subnormal to the smallest normal value.
    tiny = sums.dtype.smallest_normal - (sums.dtype.smallest_subnormal if sums.n == 1 else 0.0)
    marks = np.zeros(sums.total.shape, np.bool_)
    for bound in bounds:
        marks |= (bound.low <= tiny) & (bound.high >= -tiny) & ((bound.low > 0) | (bound.high < 0))
    return marks


def _placed(where: NDArray[np.bool_], values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Spread values over the marked places, NaN elsewhere."""
    result = np.full(where.shape, np.nan)
    result[where] = values.reshape(-1)
    return result


def _overflows(dtype: DType, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~np.isfinite(_rounded(dtype, values))


def _rounded(dtype: DType, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(dtype.quantise(values), np.float64)
