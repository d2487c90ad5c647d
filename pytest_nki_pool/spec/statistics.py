"""Bias and spread of many outputs: what no single output shows, because its interval must admit every order.

The idea, to bound the sum of the errors and the sum of their squares over a large output, is that of the Arm TOSA
specification ("Dot product accuracy"); model and limits are derived here.

Model: the errors of roundings to nearest have mean zero, whatever those before them were (N. J. Higham, T. Mary, "A new
approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), 2019). On data of one sign no partial
sum exceeds the sum, so each rounding error is at most half a unit in the last place of the sum.

An output's error is then a sum of bounded terms of mean zero, hence sub-Gaussian with the sum of their squared bounds
as variance proxy v (K. Azuma, Tohoku Math. J. 19(3), 1967). Over T independent outputs this limits, each but for a
probability of a / 2,

- the sum of errors to sqrt(2 T v log(4 / a)) on either side (W. Hoeffding, J. Amer. Statist. Assoc. 58, 1963),
- the sum of squares to v (T + 2 sqrt(T t) + 2 t) with t = log(2 / a), because the square of a sub-Gaussian variable
  has no larger moment generating function than v times a chi-square variable (D. Hsu, S. Kakade, T. Zhang, Electron.
  Commun. Probab. 17(52), 2012; B. Laurent, P. Massart, Ann. Statist. 28(5), 2000, lemma 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.spec.dtypes import DTYPES, DType, dtype_name
from pytest_nki_pool.spec.family import Canvas, Family
from pytest_nki_pool.spec.oracle import golden

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_nki_pool.spec.family import Shape

#: Probability that an honest kernel is rejected on one input.
FALSE_ALARM = 1e-9
#: Fewest outputs that say something about bias.
FEWEST_OUTPUTS = 1000

_ENGINE = DTYPES["fp32"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Errors of one output array, in half units in the last place of the exact results.

    Attributes:
        outputs: number of outputs T.
        bias: mean error, sum of errors / T; positive when the outputs are too large.
        bias_limit: largest |bias| that is right.
        square: mean squared error, sum of squares / T.
        square_limit: largest mean squared error that is right.
    """

    outputs: int
    bias: float
    bias_limit: float
    square: float
    square_limit: float

    @property
    def share(self) -> float:
        """The larger of both statistics as a share of its limit; above 1 is wrong."""
        return max(abs(self.bias) / self.bias_limit, self.square / self.square_limit)


def measure(got: NDArray[Any], x: NDArray[Any], k: int, accuracy: str) -> Statistics:
    """Measure bias and spread of an average pool of values of one sign.

    An honest kernel may scale by a rounded reciprocal, which shifts all outputs alike; the errors are taken from the
    scale that explains the outputs best.

    Args:
        got: the output, finite, C x floor(H/k) x floor(W/k).
        x: the input, C x H x W of a floating-point dtype, all values positive or zero.
        k: pool size, at least 2.
        accuracy: accuracy class.
    """
    dtype = DTYPES[dtype_name(x.dtype)]
    exact = golden(x, k)
    accumulator = dtype if accuracy == "native" else _ENGINE
    gamma = (k * k + 1) * accumulator.unit_roundoff
    unit = _half_unit(exact * (1 + gamma / (1 - gamma)), dtype)
    v = _variance_proxy(k * k, dtype, accuracy)
    bias_limit = math.sqrt(2 * v * math.log(4 / FALSE_ALARM) / exact.size)
    t = math.log(2 / FALSE_ALARM)
    square_limit = v * (1 + 2 * math.sqrt(t / exact.size) + 2 * t / exact.size)
    candidates = []
    for scale in _honest_scales(k, {_ENGINE, accumulator}):
        errors = (got.astype(np.float64) - exact * scale) / unit
        bias, square = float(errors.mean()), float(np.square(errors).mean())
        candidates.append(Statistics(exact.size, bias, bias_limit, square, square_limit))
    return min(candidates, key=lambda statistics: statistics.share)


def _half_unit(values: NDArray[np.float64], dtype: DType) -> NDArray[np.float64]:
    """Half a unit in the last place of each value: the largest error of rounding anything up to it."""
    exponent = np.frexp(np.maximum(np.abs(values), dtype.smallest_normal))[1]
    unit: NDArray[np.float64] = np.ldexp(1.0, exponent - 1 - dtype.precision)
    return unit


def _variance_proxy(n: int, dtype: DType, accuracy: str) -> float:
    """Sum the squared bounds of all rounding errors of one output, in half units in the last place of the output."""
    power_of_two = n & (n - 1) == 0
    # Relative to the mean's, the sum's last place divided by n is the same or lies up to one binade off.
    stretch = 1.0 if power_of_two else 2.0
    accumulator = dtype if accuracy == "native" else _ENGINE
    finer = 2.0 ** (dtype.precision - accumulator.precision)
    additions = (n - 1) * (stretch * finer) ** 2
    # One rounding of the scaled sum, or one of every term that is scaled first; a power of two rounds nothing.
    scaling = 0.0 if power_of_two else n * finer**2
    cast = 0.0 if accumulator == dtype else 1.0
    sum_cast = stretch**2 if accuracy == "fp32_sum_cast" and dtype != _ENGINE else 0.0
    return additions + scaling + cast + sum_cast


def _honest_scales(k: int, accumulators: set[DType]) -> set[float]:
    """What dividing, or multiplying by rounded reciprocals of k * k, or of k twice, makes of the exact mean."""
    scales = {1.0}
    for accumulator in accumulators:
        once, side = accumulator.quantise(np.array([1 / (k * k), 1 / k])).astype(np.float64)
        scales |= {float(once) * k * k, (float(side) * k) ** 2}
    return scales


def _positive(canvas: Canvas) -> NDArray[np.float64]:
    """Uniform in [0, 1), so that errors in one direction add up instead of cancelling."""
    return (canvas.bits() >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _many_outputs(shape: Shape, dtype: DType) -> bool:
    k = shape.pool
    return dtype.floating and k > 1 and shape.channels * (shape.height // k) * (shape.width // k) >= FEWEST_OUTPUTS


FAMILIES = (
    Family(
        "positive",
        "statistics",
        _positive,
        random=True,
        applies=_many_outputs,
        needs=f"a floating-point dtype, a pool size above 1 and at least {FEWEST_OUTPUTS} outputs",
    ),
)
