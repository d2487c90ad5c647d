from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.spec.acceptance import Judgement, expect, judge
from pytest_nki_pool.spec.bounds import refusal
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.data import make
from pytest_nki_pool.spec.dtypes import DTYPES

Array = np.ndarray[Any, Any]


def exact(text: str, accuracy: str = "fp32") -> tuple[Array, Any]:
    case = Case.parse(text)
    expected = expect(make(case), case.pool, accuracy)
    return expected.exact.copy(), expected


def test_the_exact_result_is_right_and_has_no_error() -> None:
    got, expected = exact("c3h5w7k2:bf16:normal:s1")
    assert judge(got, expected) == Judgement(ok=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y: y[:, :, :-1], r"shape \(3, 2, 2\), expected \(3, 2, 3\)"),
        (lambda y: y[0], r"shape \(2, 3\), expected \(3, 2, 3\)"),
        (lambda y: y.astype(np.float32), "dtype float32, expected bfloat16"),
        (lambda y: y.view(np.uint16), "dtype uint16, expected bfloat16"),
    ],
    ids=["shape", "rank", "dtype", "same size dtype"],
)
def test_form_is_judged_before_values(change: Any, says: str) -> None:
    got, expected = exact("c3h5w7k2:bf16:normal:s1")
    judgement = judge(change(got), expected)
    assert not judgement.ok
    assert judgement.index is None
    assert re.search(says, judgement.reason)


def test_a_fault_names_count_place_values_and_class() -> None:
    got, expected = exact("c3h5w7k2:bf16:ones")
    got[1, 0, 2], got[2, 1, 1] = 1.5, 0
    judgement = judge(got, expected)
    assert judgement.reason == (
        "2 of 18 elements are wrong, first at [1, 0, 2]: got 1.5 (0x3fc0), expected 1.0 (exact 1.0, 0x3f80) "
        "in bf16 under accuracy class fp32"
    )
    assert (judgement.index, judgement.bad, judgement.got) == ((1, 0, 2), 2, 1.5)
    assert (judgement.low, judgement.high, judgement.exact) == (1.0, 1.0, 1.0)
    assert judgement.max_ulp == 0x3F80
    assert judgement.share_of_bound == np.inf


def test_both_ends_of_the_interval_are_right_and_the_next_values_are_wrong() -> None:
    for text in ("c3h6w6k3:fp32:normal:s1", "c3h6w6k3:fp16:cancel:s1", "c2h32w32k16:fp16:normal:s2"):
        got, expected = exact(text)
        (bound,) = expected.bounds
        kind = expected.dtype.numpy.type
        for end, outwards in ((bound.low, -np.inf), (bound.high, np.inf)):
            inside = expected.dtype.quantise(end)
            beyond = (inside.astype(np.float64) - end) * np.sign(outwards) > 0
            inside = np.where(beyond, np.nextafter(inside, kind(-outwards)), inside)
            accepted = judge(inside, expected)
            assert accepted.ok
            assert 0 <= accepted.share_of_bound <= 1
            outside = judge(np.nextafter(inside, kind(outwards)), expected)
            assert outside.bad == got.size
            assert outside.share_of_bound > 1


def test_ulps_are_counted_in_values_of_the_output() -> None:
    got, expected = exact("c1h2w2k2:fp32:ones")
    got[0, 0, 0] = np.float32(1) + 3 * np.finfo(np.float32).eps
    assert judge(got, expected).max_ulp == 3
    got[0, 0, 0] = np.nan
    assert judge(got, expected).max_ulp == np.inf


def test_a_missing_nan_says_so() -> None:
    got, expected = exact("c3h4w4k2:fp32:nan")
    got[np.isnan(got)] = 7
    judgement = judge(got, expected)
    assert "got 7.0 (0x40e00000), expected NaN" in judgement.reason
    assert judgement.bad == np.isnan(expected.exact).sum()


def test_payload_and_sign_of_nan_do_not_matter() -> None:
    got, expected = exact("c3h4w4k2:fp32:nan")
    bits = got.view(np.uint32)
    bits[np.isnan(got)] = 0xFFC01234
    assert judge(got, expected).ok


def test_strided_results_are_judged_like_contiguous_ones() -> None:
    got, expected = exact("c3h8w8k2:bf16:normal:s1")
    wide = np.zeros((3, 4, 8), ml_dtypes.bfloat16)
    wide[:, :, ::2] = got
    assert judge(wide[:, :, ::2], expected).ok
    wide[2, 1, 4] += 1
    assert judge(wide[:, :, ::2], expected).index == (2, 1, 2)


def test_two_accepted_ranges_have_a_gap_between_them() -> None:
    x = np.full((1, 2, 2), 40000, np.float16)
    expected = expect(x, 2, "fp32_sum_cast")
    assert judge(np.full((1, 1, 1), 50000, np.float16), expected).reason.endswith("under accuracy class fp32_sum_cast")
    assert "expected 40000.0 or inf" in judge(np.full((1, 1, 1), 50000, np.float16), expected).reason


@pytest.mark.parametrize(
    ("dtype", "n", "refused"),
    [("bf16", 121, False), ("bf16", 128, True), ("fp16", 1023, False), ("fp16", 1024, True), ("fp32", 1 << 20, False)],
)
def test_native_is_refused_where_it_bounds_nothing(dtype: str, n: int, refused: bool) -> None:
    assert bool(refusal("native", DTYPES[dtype], n)) is refused
    assert not refusal("fp32", DTYPES[dtype], n)


def test_a_refused_class_judges_nothing_right() -> None:
    got, expected = exact("c1h16w16k16:bf16:ones", "native")
    judgement = judge(got, expected)
    assert not judgement.ok
    assert "native bounds nothing for windows of 256 elements in bf16" in judgement.reason
    assert judge(
        got, replace(expected, refusal="", bounds=expect(make(Case.parse("c1h16w16k16:bf16:ones")), 16, "fp32").bounds)
    ).ok


def test_an_unknown_class_or_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match="no accuracy class 'fp64'; known: fp32, fp32_sum_cast, native"):
        expect(np.ones((1, 2, 2), np.float32), 2, "fp64")
    with pytest.raises(ValueError, match="no case has dtype float64"):
        expect(np.ones((1, 2, 2)), 2, "fp32")


@pytest.mark.parametrize("text", ["c2h8w8k2:fp32:ints:s1", "c2h8w8k4:fp32:positional", "c2h8w8k2:bf16:dyadic:s1"])
def test_power_of_two_windows_of_exact_data_have_no_tolerance(text: str) -> None:
    _, expected = exact(text)
    (bound,) = expected.bounds
    assert (bound.low == bound.high).all()
    assert (bound.low == expected.exact.astype(np.float64)).all()


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_a_copy_has_no_tolerance(dtype: str) -> None:
    _, expected = exact(f"c2h3w5k1:{dtype}:wide:s1")
    (bound,) = expected.bounds
    assert (bound.low == bound.high).all()


@pytest.mark.parametrize("k", [2, 3, 7, 16, 30, 64])
def test_window_constant_data_has_one_answer_in_narrow_dtypes(k: int) -> None:
    for dtype in ("bf16", "fp16"):
        x = make(Case(4, k, 2 * k, k, dtype, "index"))
        (bound,) = expect(x, k, "fp32").bounds
        assert (bound.low == x[:, :1, ::k].astype(np.float64)).all()
        assert (bound.high == bound.low).all()
