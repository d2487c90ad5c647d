"""Every wrong average pool is rejected by some data family, and the exceptions are named and proved equivalent."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.spec.acceptance import expect, judge
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.corpus import Geometry
from pytest_nki_pool.spec.data import FAMILIES, make
from pytest_nki_pool.spec.dtypes import DTYPES, DType
from pytest_nki_pool.spec.oracle import golden, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array = np.ndarray[Any, Any]
POOLS = (2, 3, 7, 11)
CORE = ("fp32", "bf16", "fp16")
TESTED = [name for name, family in FAMILIES.items() if family.kind != "special"]


def total(w: Array) -> Array:
    """Add the elements of each window in order, in the dtype of `w`."""
    flat = w.reshape(*w.shape[:3], -1)
    result = flat[..., 0].copy()
    for i in range(1, flat.shape[-1]):
        result = result + flat[..., i]
    return result


def fp32(x: Array, k: int) -> Array:
    return windows(x, k).astype(np.float32)


def store(mean: Array, d: DType) -> Array:
    return d.quantise(mean.astype(np.float64))


def correct(x: Array, k: int, d: DType) -> Array:
    return store(total(fp32(x, k)) / np.float32(k * k), d)


def last_element_dropped(x: Array, k: int, d: DType) -> Array:
    w = fp32(x, k).copy()
    w[..., -1, -1] = 0
    return store(total(w) / np.float32(k * k), d)


def last_element_is_the_first_again(x: Array, k: int, d: DType) -> Array:
    w = fp32(x, k).copy()
    w[..., -1, -1] = w[..., 0, 0]
    return store(total(w) / np.float32(k * k), d)


def first_row_k_times(x: Array, k: int, d: DType) -> Array:
    return store(total(np.repeat(fp32(x, k)[..., :1, :], k, axis=-2)) / np.float32(k * k), d)


def divisor_one_less(x: Array, k: int, d: DType) -> Array:
    return store(total(fp32(x, k)) / np.float32(k * k - 1), d)


def divisor_one_more(x: Array, k: int, d: DType) -> Array:
    return store(total(fp32(x, k)) / np.float32(k * k + 1), d)


def divisor_is_the_side(x: Array, k: int, d: DType) -> Array:
    return store(total(fp32(x, k)) / np.float32(k), d)


def one_column_further(x: Array, k: int, d: DType) -> Array:
    return correct(np.roll(x, -1, axis=2), k, d)


def last_row_of_windows_is_zero(x: Array, k: int, d: DType) -> Array:
    result = correct(x, k, d)
    result[:, -1] = 0
    return result


def channels_wrap_at_half(x: Array, k: int, d: DType) -> Array:
    result = correct(x, k, d)
    return result[np.arange(len(result)) % (len(result) // 2)]


def mean_of_everything(x: Array, k: int, d: DType) -> Array:
    return np.full_like(correct(x, k, d), x.astype(np.float64).mean())


def maximum(x: Array, k: int, d: DType) -> Array:
    return store(fp32(x, k).max(axis=(3, 4)), d)


def narrow_accumulator(x: Array, k: int, d: DType) -> Array:
    narrow = ml_dtypes.bfloat16 if d.name == "fp32" else d.numpy
    return store(total(windows(x, k).astype(narrow)).astype(np.float32) / np.float32(k * k), d)


def narrow_reciprocal(x: Array, k: int, d: DType) -> Array:
    narrow = ml_dtypes.bfloat16 if d.name == "fp32" else d.numpy.type
    return store(total(fp32(x, k)) * np.float32(narrow(1 / k**2)), d)


def sum_rounded_before_scaling(x: Array, k: int, d: DType) -> Array:
    return store(store(total(fp32(x, k)), d).astype(np.float32) / np.float32(k * k), d)


def truncated(x: Array, k: int, d: DType) -> Array:
    mean = golden(x, k)
    result = store(mean, d)
    away = np.abs(result.astype(np.float64)) > np.abs(mean)
    return np.where(away, np.nextafter(result, d.numpy.type(0)), result)


def one_element_one_step_off(x: Array, k: int, d: DType) -> Array:
    result = correct(x, k, d)
    result[1, 1, 1] = np.nextafter(result[1, 1, 1], d.numpy.type(np.inf))
    return result


STRUCTURE = (
    last_element_dropped,
    last_element_is_the_first_again,
    first_row_k_times,
    divisor_one_less,
    divisor_one_more,
    divisor_is_the_side,
    one_column_further,
    last_row_of_windows_is_zero,
    channels_wrap_at_half,
    mean_of_everything,
    maximum,
)
NUMERICS = (narrow_accumulator, narrow_reciprocal, sum_rounded_before_scaling, truncated, one_element_one_step_off)


def equivalent(mutant: Callable[..., Array], dtype: str, k: int) -> bool:
    """Whether a mutant is a correct kernel after all.

    Scaling by 1/4 rounds nothing, so neither its width nor the place of the rounding matters. The sum of an fp32 kernel
    is fp32 anyway. In fp32 the exact mean cut off is within what the order of summation moves, and so is a last bit
    where no order is exact.
    """
    if mutant in (narrow_reciprocal, sum_rounded_before_scaling) and k == 2:
        return True
    in_the_noise = (
        (sum_rounded_before_scaling, truncated)
        if k == 2
        else (sum_rounded_before_scaling, truncated, one_element_one_step_off)
    )
    return dtype == "fp32" and mutant in in_the_noise


def inputs(dtype: str, k: int, families: list[str]) -> Iterator[tuple[str, Array]]:
    """Images of 16 channels and 8 x 9 windows with one trimmed column."""
    for name in families:
        geometry = Geometry(16, 8 * k, 9 * k + 1, k)
        if FAMILIES[name].applies(geometry, DTYPES[dtype]):
            yield name, make(Case(*geometry, dtype, name, 1 if FAMILIES[name].random else None))


def killers(mutant: Callable[..., Array], dtype: str, k: int, families: list[str]) -> set[str]:
    return {
        name
        for name, x in inputs(dtype, k, families)
        if not judge(mutant(x, k, DTYPES[dtype]), expect(x, k, "fp32")).ok
    }


@pytest.mark.parametrize("k", POOLS)
@pytest.mark.parametrize("dtype", CORE)
def test_no_family_rejects_the_correct_pool(dtype: str, k: int) -> None:
    assert killers(correct, dtype, k, TESTED) == set()


@pytest.mark.parametrize("mutant", STRUCTURE + NUMERICS, ids=lambda m: m.__name__)
def test_a_mutant_is_rejected_by_some_family_unless_it_is_equivalent(mutant: Callable[..., Array]) -> None:
    for dtype, k in itertools.product(CORE, POOLS):
        rejected = bool(killers(mutant, dtype, k, TESTED))
        assert rejected is not equivalent(mutant, dtype, k), (dtype, k)


@pytest.mark.parametrize("mutant", STRUCTURE, ids=lambda m: m.__name__)
def test_ints_alone_rejects_every_structural_mutant(mutant: Callable[..., Array]) -> None:
    for dtype, k in itertools.product(CORE, (*POOLS, 16)):
        assert killers(mutant, dtype, k, ["ints"]), (dtype, k)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_sum_rounded_before_scaling_is_right_in_the_class_that_says_so(dtype: str) -> None:
    for k in POOLS:
        for name, x in inputs(dtype, k, TESTED):
            assert judge(sum_rounded_before_scaling(x, k, DTYPES[dtype]), expect(x, k, "fp32_sum_cast")).ok, (k, name)


@pytest.mark.parametrize("accuracy", ["fp32_sum_cast", "native"])
@pytest.mark.parametrize("mutant", STRUCTURE, ids=lambda m: m.__name__)
def test_wider_classes_still_reject_structural_mutants(mutant: Callable[..., Array], accuracy: str) -> None:
    # At k = 7 a bf16 accumulator may be wrong by a fifth: there a divisor of 48 is within the class.
    for dtype, k in itertools.product(CORE, (2, 3)):
        rejected = [
            name
            for name, x in inputs(dtype, k, TESTED)
            if not judge(mutant(x, k, DTYPES[dtype]), expect(x, k, accuracy)).ok
        ]
        assert rejected, (dtype, k)


def test_trimmed_nan_that_leaks_and_windows_that_swallow_nan_are_rejected() -> None:
    trim = make(Case.parse("c3h5w7k2:bf16:trim_nan"))
    leaking = correct(trim, 2, DTYPES["bf16"])
    leaking[0, -1, -1] = np.nan
    assert judge(leaking, expect(trim, 2, "fp32")).index == (0, 1, 2)
    x = make(Case.parse("c3h4w6k2:bf16:nan"))
    swallowing = store(np.nanmean(windows(x, 2).astype(np.float64), axis=(3, 4)), DTYPES["bf16"])
    assert judge(swallowing, expect(x, 2, "fp32")).bad == 6


@pytest.mark.parametrize(("text", "k"), [("c3h32w64k32:bf16:saturation", 32), ("c3h64w64k64:fp16:saturation", 64)])
def test_a_saturating_accumulator_is_rejected(text: str, k: int) -> None:
    case = Case.parse(text)
    x = make(case)
    got = narrow_accumulator(x, k, DTYPES[case.dtype])
    assert not judge(got, expect(x, k, "fp32")).ok
