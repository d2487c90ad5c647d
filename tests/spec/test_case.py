from __future__ import annotations

import pytest

from pytest_nki_pool.spec.case import Case, CaseError


@pytest.mark.parametrize("text", ["c128h56w56k2:bf16:normal:s17", "c3h5w7k2:fp32:ones", "c1h1w1k1:int8:ints:s0"])
def test_text_and_case_name_each_other(text: str) -> None:
    case = Case.parse(text)
    assert str(case) == text
    assert Case.parse(str(case)) == case
    assert hash(Case.parse(text)) == hash(case)


def test_a_case_knows_both_shapes() -> None:
    case = Case.parse("c3h5w7k2:fp32:ones")
    assert case.shape == (3, 5, 7)
    assert case.out_shape == (3, 2, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c3h5w7:fp32:ones", r"form is c<channels>h.*dtype one of fp32, bf16.*family one of ones, index"),
        ("c03h5w7k2:fp32:ones", "the form is"),
        ("c3h5w7k2:fp32:ones ", "the form is"),
        ("c\u0663h5w7k2:fp32:ones", "the form is"),
        ("c3h5w7k2:fp64:ones", "no dtype 'fp64'; known: fp32, bf16, fp16"),
        ("c3h5w7k2:fp32:gaussian", "no data family 'gaussian'; known: ones, index"),
        ("c3h5w7k6:fp32:ones", "the pool size is at most"),
        ("c0h5w7k2:fp32:ones", "the form is"),
        ("c3h5w7k2:fp32:ones:s1", "is not random and takes no seed"),
        ("c3h5w7k2:fp32:normal", "is random and needs a seed"),
        ("c3h6w8k2:fp32:trim_nan", "an image that the pool size does not divide"),
        ("c3h6w8k2:int8:nan", "needs a floating-point dtype"),
        ("c3h6w6k3:fp32:dyadic:s1", "a power of two"),
        ("c3h6w8k2:fp8_e4m3fn:inf", "needs a dtype with infinities"),
    ],
)
def test_a_case_that_does_not_exist_is_refused_with_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(CaseError, match=says) as error:
        Case.parse(text)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("sizes", [(0, 4, 4, 2), (1, 4, 4, 0), (1, 4, 4, -1), (1, 4, 3, 4)])
def test_an_illegal_pool_is_no_case(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(CaseError, match="pool"):
        Case(*sizes, "fp32", "ones")


def test_cases_order_by_size_before_text() -> None:
    texts = ["c10h4w4k2:fp32:ones", "c2h10w4k2:fp32:ones", "c2h4w4k2:fp32:ints:s10", "c2h4w4k2:fp32:ints:s9"]
    assert [str(case) for case in sorted(map(Case.parse, texts))] == list(reversed(texts))


def test_a_case_is_immutable_and_holds_no_dict() -> None:
    case = Case.parse("c3h5w7k2:fp32:ones")
    assert not hasattr(case, "__dict__")
    with pytest.raises(AttributeError):
        case.pool = 3  # type: ignore[misc]
