"""Each relation catches a kernel that is right on the plain input, and binds no two honest orders of summation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.checks.base import judged
from pytest_nki_pool.checks.metamorphic import CHECKS
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.dtypes import DTYPES, dtype_name
from pytest_nki_pool.spec.oracle import windows
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.goldens import Goldens

Array = np.ndarray[Any, Any]

BY_NAME = {check.name: check for check in CHECKS}
NORMAL = "c5h9w14k3:fp32:normal:s0"
DYADIC = "c5h13w18k4:bf16:dyadic:s0"
CASES = (
    NORMAL,
    DYADIC,
    "c5h9w14k3:bf16:normal:s0",
    "c3h8w13k2:fp16:normal:s1",
    "c3h8w13k2:fp16:wide:s1",
    "c3h13w9k4:fp32:cancel:s0",
    "c2h12w13k6:fp16:ints:s0",
    "c4h16w17k8:bf16:uniform:s0",
    "c1h4w4k4:bf16:index",
    "c2h3w5k1:fp32:wide:s0",
    "c3h13w9k4:fp16:overflow",
    "c3h13w9k4:bf16:subnormal",
    "c3h13w9k4:fp16:mixed_inf",
    "c3h13w9k4:fp32:trim_nan",
)


def unless(wrong: Callable[[Array, int], bool], right: Any) -> Any:
    """A kernel that shifts every output by a bit where a condition on the input holds."""

    def pool(x: Array, k: int) -> Array:
        y = right(x, k)
        return y + y.dtype.type(0.25) if wrong(x, k) else y

    return pool


def rounds_down(x: Array, k: int) -> Array:
    """Rounds the last addition towards minus infinity: within the interval of each output."""
    exact = windows(x, k).astype(np.float64).sum(axis=(3, 4)) / (k * k)
    stored = exact.astype(np.float32)
    return np.where(stored > exact, np.nextafter(stored, np.float32(-np.inf)), stored)


def with_epsilon(right: Any) -> Any:
    """Adds a small number, as one does before a division: within the interval where the mean is not small."""
    return lambda x, k: right(x, k) + x.dtype.type(2e-8)


def first_launch_is_wrong(right: Any) -> Any:
    seen = []

    def pool(x: Array, k: int) -> Array:
        seen.append(x)
        return right(x, k) + x.dtype.type(0.25 if len(seen) == 1 else 0)

    return pool


WRONG = {
    "channel_permutation": (NORMAL, lambda right: unless(lambda x, k: x[0, 0, 0] > x[-1, 0, 0], right)),
    "transposition": (NORMAL, lambda right: unless(lambda x, k: x.shape[1] > x.shape[2], right)),
    "window_shift": (NORMAL, lambda right: unless(lambda x, k: x[1, k, k] > 0, right)),
    "negation": (NORMAL, lambda right: rounds_down),
    "power_of_two": (NORMAL, with_epsilon),
    "batch_is_loop": (NORMAL, lambda right: unless(lambda x, k: x.shape[0] == 1, right)),
    "pool_of_pool": (DYADIC, lambda right: unless(lambda x, k: k == 2, right)),
}


@pytest.fixture
def order_of_place(right: Any) -> Any:
    """Honest, but adds in another order from channel to channel, from row to row and for another shape."""

    def pool(x: Array, k: int) -> Array:
        w = windows(x, k).astype(np.float32)
        total = np.empty(w.shape[:3], np.float32)
        for channel, row in np.ndindex(*w.shape[:2]):
            terms = w[channel, row].reshape(w.shape[2], -1)
            terms = np.roll(terms, channel + 3 * row + x.shape[0] + x.shape[1], axis=1)
            if (channel + row + x.shape[2]) % 2:
                terms = terms / np.float32(k * k)
            sums = terms[:, 0].copy()
            for term in terms.T[1:]:
                sums += term
            total[channel, row] = sums if (channel + row + x.shape[2]) % 2 else sums / np.float32(k * k)
        return DTYPES[dtype_name(x.dtype)].quantise(total.astype(np.float64))

    return pool


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", BY_NAME)
def test_honest_kernels_pass(
    name: str, case: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = BY_NAME[name].function(Case.parse(case), launcher(right), goldens)
    assert finding.status is Status.PASS, finding.message


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["channel_permutation", "transposition", "window_shift", "batch_is_loop"])
def test_the_order_of_summation_may_differ_from_place_to_place(
    name: str, case: str, order_of_place: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = BY_NAME[name].function(Case.parse(case), launcher(order_of_place), goldens)
    assert finding.status is Status.PASS, finding.message


@pytest.mark.parametrize("accuracy", ["fp32_sum_cast", "native"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", BY_NAME)
def test_wider_classes_pass(
    name: str, case: str, accuracy: str, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def pool(x: Array, k: int) -> Array:
        dtype = DTYPES[dtype_name(x.dtype)]
        stored = dtype.numpy if accuracy == "native" else np.float32
        with np.errstate(all="ignore"):
            total = windows(x, k).astype(stored).sum(axis=(3, 4), dtype=stored)
            mean = dtype.quantise(total.astype(np.float64)).astype(np.float32) / np.float32(k * k)
            return dtype.quantise(mean.astype(np.float64))

    finding = BY_NAME[name].function(Case.parse(case), launcher(pool, accuracy=accuracy), goldens)
    assert finding.status is Status.PASS, finding.message


@pytest.mark.parametrize("name", BY_NAME)
def test_wrong_kernels_that_are_right_on_the_plain_input_fail(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    text, make = WRONG[name]
    case = Case.parse(text)
    assert judged(case, launcher(make(right)), goldens).status is Status.PASS
    finding = BY_NAME[name].function(case, launcher(make(right)), goldens)
    assert finding.status is Status.FAIL
    assert "first" in finding.message


@pytest.mark.parametrize("name", BY_NAME)
def test_the_plain_output_must_fit_too(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = BY_NAME[name].function(Case.parse(DYADIC), launcher(first_launch_is_wrong(right)), goldens)
    assert finding.status is Status.FAIL
    assert "follow" in finding.message


@pytest.mark.parametrize("name", BY_NAME)
def test_an_output_of_another_shape_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = BY_NAME[name].function(Case.parse(NORMAL), launcher(lambda x, k: right(x, k)[:, :-1]), goldens)
    assert finding.status is Status.FAIL
    assert "shape" in finding.message


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_powers_of_two_bind_most_outputs(
    dtype: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    case = Case.parse(f"c5h9w14k3:{dtype}:uniform:s0")
    launches: list[Array] = []

    def one_bit_off_when_scaled(x: Array, k: int) -> Array:
        launches.append(x)
        y = right(x, k)
        return np.nextafter(y, y.dtype.type(np.inf)) if len(launches) == 2 else y

    finding = BY_NAME["power_of_two"].function(case, launcher(one_bit_off_when_scaled), goldens)
    assert finding.status is Status.FAIL
