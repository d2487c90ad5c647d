"""Truncation and narrow terms are caught over many outputs, honest rounding never is."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.checks.statistics import bias
from pytest_nki_pool.spec import data
from pytest_nki_pool.spec.acceptance import expect, judge
from pytest_nki_pool.spec.case import Case, CaseError
from pytest_nki_pool.spec.dtypes import DTYPES, DType
from pytest_nki_pool.spec.oracle import golden, windows
from pytest_nki_pool.spec.statistics import FALSE_ALARM, measure
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.goldens import Goldens

Array = np.ndarray[Any, Any]

#: Independent inputs for each dtype, class and pool size.
INPUTS = 200
ENGINE = DTYPES["fp32"]
CORE = ("fp32", "bf16", "fp16")


def terms(x: Array, k: int) -> Array:
    """The elements of each window along a new first axis."""
    w = windows(x, k)
    return np.moveaxis(w.reshape(*w.shape[:3], k * k), -1, 0)


def sequential(t: Array) -> Array:
    total = t[0]
    for term in t[1:]:
        total = total + term
    return total


def backwards(t: Array) -> Array:
    return sequential(t[::-1])


def pairwise(t: Array) -> Array:
    while len(t) > 1:
        half = len(t) // 2
        t = np.concatenate([t[:half] + t[half : 2 * half], t[2 * half :]])
    return t[0]


def rows_first(t: Array) -> Array:
    k = round(len(t) ** 0.5)
    return sequential(np.stack([sequential(t[k * i : k * i + k]) for i in range(k)]))


def divide(t: Array, add: Callable[[Array], Array]) -> Array:
    return add(t) / t.dtype.type(len(t))


def multiply(t: Array, add: Callable[[Array], Array]) -> Array:
    return add(t) * t.dtype.type(1 / len(t))


def multiply_twice(t: Array, add: Callable[[Array], Array]) -> Array:
    side = t.dtype.type(1 / len(t) ** 0.5)
    return add(t) * side * side


def prescale(t: Array, add: Callable[[Array], Array]) -> Array:
    return add(t * t.dtype.type(1 / len(t)))


HONEST = tuple(
    itertools.product((sequential, backwards, pairwise, rows_first), (divide, multiply, multiply_twice, prescale))
)


def run(x: Array, k: int, accuracy: str, turn: int) -> Array:
    """An honest kernel of an accuracy class; its order and way to scale change from turn to turn."""
    add, scale = HONEST[turn % len(HONEST)]
    dtype = next(dtype for dtype in DTYPES.values() if dtype.numpy == x.dtype)
    if accuracy == "native":
        return np.asarray(scale(terms(x, k), add), x.dtype)
    wide = terms(x, k).astype(np.float32)
    if accuracy == "fp32":
        return store(scale(wide, add), dtype)
    total = store(add(wide), dtype).astype(np.float32)
    return store(total / np.float32(k * k) if scale is divide else total * np.float32(1 / k**2), dtype)


def store(values: Array, dtype: DType) -> Array:
    return dtype.quantise(values.astype(np.float64))


def inputs(dtype: str, k: int, count: int) -> Iterator[Array]:
    """Images of 1024 windows each, as the family makes them."""
    for seed in range(count):
        yield data.make(Case(16, 8 * k, 8 * k, k, dtype, "positive", seed))


@pytest.mark.parametrize("k", [2, 3, 4, 7, 8])
@pytest.mark.parametrize("accuracy", ["fp32", "fp32_sum_cast", "native"])
@pytest.mark.parametrize("dtype", CORE)
def test_no_honest_kernel_is_rejected(dtype: str, accuracy: str, k: int) -> None:
    shares = [measure(run(x, k, accuracy, i), x, k, accuracy).share for i, x in enumerate(inputs(dtype, k, INPUTS))]
    assert len(shares) >= 200
    assert max(shares) < 0.9


def toward_zero(exact: Array, dtype: DType) -> Array:
    stored = dtype.quantise(exact)
    return np.where(stored.astype(np.float64) > exact, np.nextafter(stored, dtype.numpy.type(0)), stored)


def truncated_result(x: Array, k: int, dtype: DType) -> Array:
    return toward_zero(golden(x, k), dtype)


def truncated_additions(x: Array, k: int, dtype: DType) -> Array:
    total = np.zeros_like(golden(x, k))
    for term in terms(x, k).astype(np.float64):
        total = toward_zero(total + term, ENGINE).astype(np.float64)
    return store(total / (k * k), dtype)


def rounded_up(x: Array, k: int, dtype: DType) -> Array:
    exact = golden(x, k)
    stored = dtype.quantise(exact)
    return np.where(stored.astype(np.float64) < exact, np.nextafter(stored, dtype.numpy.type(np.inf)), stored)


def terms_of_17_bits(x: Array, k: int, dtype: DType) -> Array:
    wide = x.astype(np.float32)
    split = wide * np.float32(2**7 + 1)
    return store(sequential(terms(split - (split - wide), k)) / np.float32(k * k), dtype)


def killed(mutant: Callable[..., Array], dtype: str, k: int, accuracy: str) -> int:
    images = list(inputs(dtype, k, 20))
    outputs = [mutant(x, k, DTYPES[dtype]) for x in images]
    return sum(measure(y, x, k, accuracy).share > 1 for x, y in zip(images, outputs, strict=True))


@pytest.mark.parametrize("k", [2, 3, 4, 8])
@pytest.mark.parametrize("dtype", CORE)
def test_truncation_is_caught_on_every_input(dtype: str, k: int) -> None:
    mutant = truncated_additions if dtype == "fp32" else truncated_result
    assert killed(mutant, dtype, k, "fp32") == 20


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_truncation_of_the_result_is_caught_in_the_wider_class(dtype: str) -> None:
    assert killed(truncated_result, dtype, 4, "fp32_sum_cast") == 20


@pytest.mark.parametrize("mutant", [truncated_result, rounded_up], ids=lambda m: m.__name__)
def test_one_directed_rounding_is_caught_in_fp32(mutant: Callable[..., Array]) -> None:
    assert killed(mutant, "fp32", 2, "fp32") == 20


def test_terms_of_too_few_bits_show_in_the_square() -> None:
    x = next(iter(inputs("fp32", 8, 1)))
    found = measure(terms_of_17_bits(x, 8, ENGINE), x, 8, "fp32")
    assert found.square > found.square_limit
    assert abs(found.bias) < found.bias_limit
    assert judge(terms_of_17_bits(x, 8, ENGINE), expect(x, 8, "fp32")).ok, "no single output betrays it"


def test_limits_are_those_of_the_stated_probability() -> None:
    x = next(iter(inputs("bf16", 2, 1)))
    found = measure(run(x, 2, "fp32", 0), x, 2, "fp32")
    # One rounding to bf16 and three to fp32, whose units are 2**-16 as large: v = 1 + 3 * 2**-32.
    assert found.bias_limit == pytest.approx((2 * np.log(4 / FALSE_ALARM) / 1024) ** 0.5, rel=1e-6)
    t = np.log(2 / FALSE_ALARM)
    assert found.square_limit == pytest.approx(1 + 2 * (t / 1024) ** 0.5 + 2 * t / 1024, rel=1e-6)


def test_errors_count_in_half_units_in_the_last_place() -> None:
    x = np.ones((16, 16, 16), np.float32)
    got = np.full((16, 8, 8), np.nextafter(np.float32(1), np.float32(2)))
    found = measure(got, x, 2, "fp32")
    assert (found.outputs, found.bias, found.square) == (1024, 2.0, 4.0)


@pytest.mark.parametrize("dtype", CORE)
def test_data_has_one_sign(dtype: str) -> None:
    x = next(iter(inputs(dtype, 2, 1))).astype(np.float64)
    assert x.min() >= 0
    assert x.max() <= 1
    assert 0.48 < x.mean() < 0.52


def test_there_is_no_such_data_for_few_outputs() -> None:
    with pytest.raises(CaseError, match="at least 1000 outputs"):
        Case(15, 16, 16, 2, "fp32", "positive", 0)


@pytest.mark.parametrize("dtype", CORE)
def test_check_passes_the_right_kernel(
    dtype: str, right: Callable[..., Array], launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = bias(Case(16, 16, 16, 2, dtype, "positive", 0), launcher(right), goldens)
    assert finding.status is Status.PASS


@pytest.mark.parametrize(
    ("mutant", "case", "says"),
    [
        (truncated_additions, "c16h16w16k2:fp32:positive:s0", "mean error          -"),
        (rounded_up, "c16h16w16k2:fp32:positive:s0", "mean error          +"),
        (terms_of_17_bits, "c16h64w64k8:fp32:positive:s0", "mean squared error"),
        (truncated_result, "c16h16w16k2:bf16:positive:s0", "first bad element"),
    ],
    ids=["truncated", "rounded up", "narrow terms", "outside the interval"],
)
def test_check_fails_wrong_kernels(
    mutant: Callable[..., Array], case: str, says: str, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    parsed = Case.parse(case)
    finding = bias(parsed, launcher(lambda x, k: mutant(x, k, DTYPES[parsed.dtype])), goldens)
    assert finding.status is Status.FAIL
    assert says in finding.message
