"""Which results of a pool are right: intervals from the input and the accuracy class, never rtol or atol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.spec.bounds import ACCURACIES, OVERFLOW, Range, Sums, flushed, overflowing, refusal
from pytest_nki_pool.spec.dtypes import DTYPES, DType, dtype_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Expected:
    """What a correct kernel may store for one input.

    Attributes:
        dtype: dtype of the result.
        pool: k.
        accuracy: accuracy class.
        exact: the exact mean rounded once to the dtype, C x floor(H/k) x floor(W/k); always accepted.
        bounds: the ranges of the accuracy class; a result must lie in one of them.
        exceptions: further ranges for subnormals taken for zero and for sums that overflow.
        nan_allowed: where an overflowing sum may give NaN; None for nowhere.
        refusal: why the class says nothing about this dtype and pool size; empty when it does.
    """

    dtype: DType
    pool: int
    accuracy: str
    exact: NDArray[Any]
    bounds: tuple[Range, ...]
    exceptions: tuple[Range, ...] = ()
    nan_allowed: NDArray[np.bool_] | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of comparing one result with what was expected.

    Attributes:
        ok: whether every element is right.
        reason: one sentence on what is wrong; empty when nothing is.
        index: channel, row and column of the first wrong element; None when none is or the form is wrong.
        bad: number of wrong elements.
        got: the first wrong element.
        low: smallest value accepted there.
        high: largest value accepted there.
        accepted: what is accepted there, in words: values, ranges or NaN.
        exact: the exact mean there, rounded once to the dtype.
        max_ulp: largest distance from the exact result, in values of the output dtype; infinite for a wrong NaN or
            infinity. Elements accepted by an exception do not count.
        share_of_bound: largest error as a share of what the accuracy class allows; above 1 is wrong, infinite where
            nothing is allowed.
        exceptions: names of the exceptions that some element needed.
    """

    ok: bool
    reason: str = ""
    index: tuple[int, int, int] | None = None
    bad: int = 0
    got: float | None = None
    low: float | None = None
    high: float | None = None
    accepted: str = ""
    exact: float | None = None
    max_ulp: float = 0.0
    share_of_bound: float = 0.0
    exceptions: tuple[str, ...] = ()


def expect(x: NDArray[Any], k: int, accuracy: str) -> Expected:
    """Say which results are right for an input.

    Args:
        x: C x H x W of a `DTYPES` dtype, as the kernel reads it.
        k: pool size, from 1 to min(H, W).
        accuracy: accuracy class: "fp32" accumulates in fp32 and rounds the mean once; "fp32_sum_cast" may also round
            the sum to the dtype before it is scaled; "native" may accumulate in the dtype.

    Raises:
        ValueError: no such accuracy class or dtype.
    """
    if accuracy not in ACCURACIES:
        raise ValueError(f"no accuracy class {accuracy!r}; known: {', '.join(ACCURACIES)}")
    dtype = DTYPES[dtype_name(x.dtype)]
    sums = Sums.of(x.astype(np.float64), k, dtype)
    exact = dtype.quantise(sums.total / sums.n)
    refused = refusal(accuracy, dtype, sums.n)
    if refused:
        return Expected(dtype, k, accuracy, exact, (), refusal=refused)
    bounds = ACCURACIES[accuracy](sums)
    overflow, nan_allowed = overflowing(sums, accuracy)
    exceptions = (*overflow, *flushed(sums, bounds, accuracy))
    return Expected(dtype, k, accuracy, exact, bounds, exceptions, nan_allowed)


def judge(got: NDArray[Any], expected: Expected) -> Judgement:
    """Compare a result with what is expected.

    Args:
        got: what the kernel stored.
        expected: what `expect` gave for the kernel's input.
    """
    fault = expected.refusal or _form_fault(got, expected)
    if fault:
        return Judgement(ok=False, reason=fault)
    different = _different(got, expected)
    if different.size == 0:
        return Judgement(ok=True)
    return _judge_elements(got, expected, different)


@dataclass(frozen=True, slots=True)
class Deviations:
    """How far each element of a result is off.

    Attributes:
        ulps: distance from the exact result in values of the output dtype, as in `Judgement.max_ulp`; same shape as it.
        wrong: the elements that are not accepted; same shape.
        allowed: largest distance that the accuracy class accepts there; 0 for the elements that are exact. Same shape.
    """

    ulps: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    allowed: NDArray[np.float64]


def deviations(got: NDArray[Any], expected: Expected) -> Deviations:
    """Measure every element of a result that `judge` compared element by element.

    Args:
        got: what the kernel stored, of the shape and dtype that are expected.
        expected: what `expect` gave for the kernel's input, no refusal.
    """
    different = _different(got, expected)
    compared = _compare(got, expected, different)
    ulps, allowed = np.zeros(expected.exact.shape), np.zeros(expected.exact.shape)
    wrong = np.zeros(expected.exact.shape, np.bool_)
    np.put(ulps, different, compared.steps)
    np.put(wrong, different, ~compared.right)
    np.put(allowed, different, _allowed_steps(compared.these))
    return Deviations(ulps, wrong, allowed)


def _different(got: NDArray[Any], expected: Expected) -> NDArray[np.intp]:
    """The elements that have other bits than the exact result."""
    bits = f"u{expected.dtype.numpy.itemsize}"
    return np.flatnonzero(got.view(bits) != expected.exact.view(bits))


def _allowed_steps(these: _Elements) -> NDArray[np.float64]:
    """Number of values from the exact result to the farther end of what the accuracy class accepts; 0 for a NaN."""
    dtype = these.expected.dtype
    exact = dtype.ordinals(these.expected.exact.reshape(-1)[these.at])
    steps = [np.abs(dtype.ordinals(dtype.quantise(end)) - exact) for end in these.allowed()]
    return np.where(np.isnan(these.exact), 0.0, np.max(steps, axis=0))


@dataclass(frozen=True, slots=True)
class _Elements:
    """The elements that differ from the exact result, and what is accepted in their place."""

    expected: Expected
    at: NDArray[np.intp]
    got: NDArray[np.float64]
    exact: NDArray[np.float64]

    def ends(self, bound: Range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of a range at these elements."""
        return bound.low.reshape(-1)[self.at], bound.high.reshape(-1)[self.at]

    def within(self, bound: Range) -> NDArray[np.bool_]:
        """Mark the elements that a range accepts."""
        low, high = self.ends(bound)
        return (low <= self.got) & (self.got <= high)

    def texts(self, which: int) -> list[str]:
        """Write the ranges that the accuracy class accepts for one element."""
        ends = [tuple(float(end[which]) for end in self.ends(bound)) for bound in self.expected.bounds]
        distinct = dict.fromkeys((low, high) for low, high in ends if low <= high)
        return [f"{low!r}" if low == high else f"{low!r} to {high!r}" for low, high in distinct]

    def allowed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest value that the accuracy class accepts; NaN where only NaN is right."""
        lows, highs = zip(*(self.ends(bound) for bound in self.expected.bounds), strict=True)
        return np.fmin.reduce(lows), np.fmax.reduce(highs)


@dataclass(frozen=True, slots=True)
class _Compared:
    """Some elements, which of them are right, by which exceptions, and how many values of the dtype they are off."""

    these: _Elements
    right: NDArray[np.bool_]
    steps: NDArray[np.float64]
    exceptions: tuple[str, ...]


def _judge_elements(got: NDArray[Any], expected: Expected, different: NDArray[np.intp]) -> Judgement:
    compared = _compare(got, expected, different)
    summary = Judgement(
        ok=bool(compared.right.all()),
        max_ulp=float(compared.steps.max()),
        share_of_bound=_share(compared.these, compared.steps),
        exceptions=compared.exceptions,
    )
    return summary if summary.ok else _with_first_fault(summary, compared.these, compared.right)


def _compare(got: NDArray[Any], expected: Expected, different: NDArray[np.intp]) -> _Compared:
    stored = got.reshape(-1)[different]
    exact = expected.exact.reshape(-1)[different]
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other
        these = _Elements(expected, different, stored.astype(np.float64), exact.astype(np.float64))
    is_nan = np.isnan(these.got)
    by_class = is_nan & np.isnan(these.exact)
    for bound in expected.bounds:
        by_class |= these.within(bound)
    right = by_class.copy()
    used = []
    for exception in expected.exceptions:
        accepted = these.within(exception) & ~by_class
        right |= accepted
        used += [exception.name] * bool(accepted.any())
    if (right & np.isinf(these.got) & np.isfinite(these.exact)).any():
        used.append(OVERFLOW)  # also where the class itself admits the infinity
    if expected.nan_allowed is not None:
        right |= is_nan & expected.nan_allowed.reshape(-1)[different]
    # A wrong or missing NaN is infinitely far off; what is right as NaN or by an exception has no distance.
    steps = np.abs(expected.dtype.ordinals(stored) - expected.dtype.ordinals(exact)).astype(np.float64)
    steps[is_nan | np.isnan(these.exact)] = np.inf
    steps[right & (~np.isfinite(these.got) | ~by_class)] = 0.0
    return _Compared(these, right, steps, tuple(dict.fromkeys(used)))


def _share(these: _Elements, steps: NDArray[np.float64]) -> float:
    """Largest error in terms of the distance from the exact result to the end of the accepted interval."""
    low, high = these.allowed()
    end = np.where(these.got > these.exact, high, low)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.abs(these.got - these.exact) / np.abs(end - these.exact)
    share[np.isnan(share)] = np.inf
    return float(np.where(steps == 0.0, 0.0, share).max())


def _with_first_fault(summary: Judgement, these: _Elements, right: NDArray[np.bool_]) -> Judgement:
    expected = these.expected
    wrong = np.flatnonzero(~right)
    first = int(wrong[0])
    place = np.unravel_index(int(these.at[first]), expected.exact.shape)
    index = (int(place[0]), int(place[1]), int(place[2]))
    got, exact = float(these.got[first]), float(these.exact[first])
    low, high = (float(end[first]) for end in these.allowed())
    hexes = [expected.dtype.hex(value) for value in (got, exact)]
    allowed = "NaN" if np.isnan(exact) else " or ".join(these.texts(first))
    reason = (
        f"{wrong.size} of {expected.exact.size} elements are wrong, first at {list(index)}: got {got!r} ({hexes[0]}), "
        f"expected {allowed} (exact {exact!r}, {hexes[1]}) in {expected.dtype.name} under accuracy class "
        f"{expected.accuracy}"
    )
    return Judgement(
        ok=False,
        reason=reason,
        index=index,
        bad=int(wrong.size),
        got=got,
        low=low,
        high=high,
        accepted=allowed,
        exact=exact,
        max_ulp=summary.max_ulp,
        share_of_bound=summary.share_of_bound,
        exceptions=summary.exceptions,
    )


def _form_fault(got: NDArray[Any], expected: Expected) -> str:
    if got.shape != expected.exact.shape:
        return f"the result has shape {got.shape}, expected {expected.exact.shape}"
    if got.dtype != expected.dtype.numpy:
        return f"the result has dtype {got.dtype}, expected {expected.dtype.numpy}"
    return ""
