from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.spec.dtypes import DTYPES, DType, dtype_name

FLOATS = [dtype for dtype in DTYPES.values() if dtype.floating]


def round_once(value: float, dtype: DType) -> float:
    """Round to nearest even in exact arithmetic; the value must not overflow."""
    exact = Fraction(value)
    if exact == 0:
        return value
    exponent = max(math.frexp(value)[1] - 1, dtype.min_exponent)
    ulp = Fraction(2) ** (exponent - dtype.fraction_bits)
    return float(round(exact / ulp) * ulp)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
def test_quantise_rounds_fp64_once_to_nearest_even(dtype: DType) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(300) * 2.0 ** rng.integers(dtype.min_exponent - 3, 7, 300)
    ties = (1 + (2 * np.arange(8) + 1) * dtype.unit_roundoff) * 2.0 ** np.arange(-4, 4)
    close = np.concatenate([ties * (1 + shift) for shift in (0, 2.0**-40, -(2.0**-40))])
    values = np.concatenate([values, close, -close])
    assert dtype.quantise(values).astype(np.float64).tolist() == [round_once(v, dtype) for v in values.tolist()]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
def test_limits_are_those_of_the_numpy_dtype(dtype: DType) -> None:
    info = ml_dtypes.finfo(dtype.numpy)
    assert dtype.max_finite == float(info.max)
    assert dtype.smallest_normal == float(info.smallest_normal)
    assert dtype.smallest_subnormal == float(info.smallest_subnormal)
    assert dtype.unit_roundoff == float(info.eps) / 2
    assert np.isinf(dtype.quantise(np.array([1e39]))).item() is dtype.has_inf


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
def test_special_values_survive_quantise(dtype: DType) -> None:
    special = dtype.quantise(np.array([np.inf, -np.inf, np.nan, -0.0])).astype(np.float64)
    assert np.isnan(special[2])
    assert math.copysign(1, special[3]) == -1
    assert special[:2].tolist() == [np.inf, -np.inf] if dtype.has_inf else np.isnan(special[:2]).all()


def test_integers_round_to_even_and_saturate() -> None:
    values = np.array([0.5, 1.5, -0.5, -2.5, 126.6, 127.5, 1e9, -128.6, -1e9])
    assert DTYPES["int8"].quantise(values).tolist() == [0, 2, 0, -2, 127, 127, 127, -128, -128]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
def test_ordinals_count_the_values_between(dtype: DType) -> None:
    one, tiny = 1.0, dtype.smallest_subnormal
    values = dtype.quantise(np.array([-tiny, -0.0, 0.0, tiny, one, one + 2 * dtype.unit_roundoff]))
    ordinals = dtype.ordinals(values)
    assert ordinals[:4].tolist() == [-1, 0, 0, 1]
    assert ordinals[5] - ordinals[4] == 1


def test_dtype_name_finds_each_dtype_and_refuses_others() -> None:
    assert [dtype_name(dtype.numpy) for dtype in DTYPES.values()] == list(DTYPES)
    with pytest.raises(ValueError, match="no case has dtype float64"):
        dtype_name(np.dtype(np.float64))


def test_hex_shows_the_bits() -> None:
    assert DTYPES["bf16"].hex(1.0) == "0x3f80"
    assert DTYPES["int8"].hex(-1) == "0xff"
