"""The truth table of special values, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.spec.acceptance import Judgement, expect, judge
from pytest_nki_pool.spec.dtypes import DTYPES

NAN, INF = np.nan, np.inf
CORE = ["fp32", "bf16", "fp16"]


def verdict(window: list[float], got: float, dtype: str, accuracy: str = "fp32") -> Judgement:
    """Judge one result for one window of 1, 4 or more elements."""
    k = round(len(window) ** 0.5)
    x = DTYPES[dtype].quantise(np.array(window, np.float64)).reshape(1, k, k)
    result: Any = DTYPES[dtype].quantise(np.array([[[got]]], np.float64))
    return judge(result, expect(x, k, accuracy))


@pytest.mark.parametrize("accuracy", ["fp32", "fp32_sum_cast", "native"])
@pytest.mark.parametrize("dtype", CORE)
@pytest.mark.parametrize(
    ("window", "right", "wrong"),
    [
        ([1, NAN, 3, 4], [NAN], [8 / 3, 2, INF, 0]),
        ([INF, 1, 2, 3], [INF], [-INF, NAN, 1.5, 1e4]),
        ([-INF, 1, 2, 3], [-INF], [INF, NAN, 1.5]),
        ([INF, -INF, 2, 3], [NAN], [INF, -INF, 0]),
        ([INF, NAN, 2, 3], [NAN], [INF]),
        ([-0.0] * 4, [0.0, -0.0], [1e-7, NAN]),
        ([1, 2, 3, 4], [2.5], [NAN, INF, 0.0, 2.516]),
        ([NAN], [NAN], [0, 1]),
        ([INF], [INF], [-INF, NAN]),
        ([-0.0], [0.0, -0.0], [1e-7]),
    ],
    ids=str,
)
def test_row(window: list[float], right: list[float], wrong: list[float], dtype: str, accuracy: str) -> None:
    for got in right:
        assert verdict(window, got, dtype, accuracy).ok, got
    if accuracy == "native":
        wrong = [got for got in wrong if abs(got - 2.516) > 1e-6]
    for got in wrong:
        judgement = verdict(window, got, dtype, accuracy)
        assert not judgement.ok, got
        assert judgement.index == (0, 0, 0)
        assert judgement.bad == 1


@pytest.mark.parametrize("value", [40000.0, -60000.0])
def test_fp16_sum_overflow_is_right_only_where_the_sum_may_be_fp16(value: float) -> None:
    infinity = np.copysign(INF, value)
    for accuracy, may_overflow in (("fp32", False), ("fp32_sum_cast", True), ("native", True)):
        assert verdict([value] * 4, value, "fp16", accuracy).ok
        assert verdict([value] * 4, infinity, "fp16", accuracy).ok is may_overflow
        assert not verdict([value] * 4, -infinity, "fp16", accuracy).ok
        assert not verdict([value] * 4, NAN, "fp16", accuracy).ok


def test_a_sum_that_may_or_may_not_overflow_when_cast_gives_either_result_and_none_between() -> None:
    window = [32768.0, 32736.0, 16 - 2.0**-7, 2.0**-10]  # within fp32's error of 65520, where fp16 ends
    for got, ok in ((16376.0, True), (INF, True), (20000.0, False), (-INF, False), (NAN, False)):
        assert verdict(window, got, "fp16", "fp32_sum_cast").ok is ok


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_fp32_sum_overflow_may_reach_the_infinity_of_its_sign(dtype: str) -> None:
    exact = float(DTYPES[dtype].quantise(np.array([3e38]))[0])
    for got, ok in ((exact, True), (INF, True), (-INF, False), (NAN, False), (0.0, False)):
        assert verdict([3e38] * 4, got, dtype).ok is ok
    assert verdict([-3e38] * 4, -INF, dtype).ok


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_fp32_sums_that_overflow_both_ways_may_give_nan(dtype: str) -> None:
    large, small = 1.5 * 2.0**127, 2.0**126
    both, one = [large, large, -large, -large], [large, large, -small, -small]
    for got, ok in ((0.0, True), (INF, True), (-INF, True), (NAN, True), (small, False)):
        assert verdict(both, got, dtype).ok is ok
    for got, ok in ((small, True), (INF, True), (-INF, False), (NAN, False)):
        assert verdict(one, got, dtype).ok is ok
    assert not verdict([large, -large, 1.0, -1.0], NAN, dtype).ok
    assert verdict([INF, -3e38, -3e38, -3e38], NAN, dtype).ok


def test_a_dtype_without_infinity_overflows_to_nan() -> None:
    window = [384.0] * 4
    assert verdict(window, NAN, "fp8_e4m3fn", "fp32_sum_cast").ok
    assert not verdict(window, NAN, "fp8_e4m3fn", "fp32").ok
    assert verdict(window, 384.0, "fp8_e4m3fn", "fp32").ok


@pytest.mark.parametrize("dtype", [*CORE, "fp8_e4m3", "fp8_e4m3fn", "fp8_e5m2"])
def test_subnormals_are_kept_or_zero_and_nothing_else(dtype: str) -> None:
    kind = DTYPES[dtype]
    smallest = max(kind.smallest_subnormal, kind.smallest_normal / 8)
    window = [3 * smallest, 3 * smallest, smallest, smallest]
    assert verdict(window, 2 * smallest, dtype).ok
    assert not verdict([INF if kind.has_inf else 1.0, *window[1:]], 0.0, dtype).ok
    flushed = verdict(window, 0.0, dtype)
    assert flushed.ok
    assert flushed.exceptions == ("subnormal inputs taken for zero", "subnormal result flushed to zero")
    for wrong in (3 * smallest, smallest, -2 * smallest, kind.smallest_normal, 1.0, NAN):
        assert not verdict(window, wrong, dtype).ok


@pytest.mark.parametrize("dtype", CORE)
def test_a_copy_is_bit_for_bit(dtype: str) -> None:
    kind = DTYPES[dtype]
    for value in (kind.smallest_normal, 1.0, kind.max_finite, -1.5):
        up = float(np.nextafter(kind.numpy.type(value), kind.numpy.type(0)))
        assert verdict([value], value, dtype).ok
        assert not verdict([value], up, dtype).ok
        assert not verdict([value], 0.0, dtype).ok
    assert verdict([kind.smallest_normal / 2], 0.0, dtype).ok
    assert not verdict([kind.smallest_normal / 2], kind.smallest_normal, dtype).ok


def test_a_small_input_beside_a_large_one_may_be_dropped_but_the_large_one_not() -> None:
    small = 2.0**-20
    assert verdict([2.0**-13, small, small, small], 2.0**-15 + 0.75 * small, "fp16").ok
    assert verdict([2.0**-13, small, small, small], 2.0**-15, "fp16").ok
    assert not verdict([2.0**-13, small, small, small], 2.0**-15 + 3 * small, "fp16").ok
    assert not verdict([1.0, small, small, small], 0.0, "fp16").ok
