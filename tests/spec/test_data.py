from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.corpus import Geometry
from pytest_nki_pool.spec.data import FAMILIES, make
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.oracle import windows

GEOMETRIES = [
    (3, 7, 9, 2),
    (2, 9, 12, 3),
    (2, 8, 8, 4),
    (1, 3, 4, 1),
    (2, 15, 14, 7),
    (2, 34, 33, 16),
    (1, 65, 64, 64),
]
#: Enough outputs for a family that is about many.
MANY_OUTPUTS = (16, 16, 16, 2)


def cases_of(family: str) -> list[Case]:
    return [
        Case(*geometry, dtype, family, 3 if FAMILIES[family].random else None)
        for geometry, dtype in itertools.product([MANY_OUTPUTS] if family == "positive" else GEOMETRIES, DTYPES)
        if FAMILIES[family].applies(Geometry(*geometry), DTYPES[dtype])
    ]


def values(case: Case) -> np.ndarray[Any, Any]:
    return make(case).astype(np.float64)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.kind != "foreign"])
def test_data_has_shape_and_dtype_and_is_fresh_with_the_same_bytes(family: str) -> None:
    assert cases_of(family)
    for case in cases_of(family):
        first, second = make(case), make(case)
        assert first.shape == case.shape
        assert first.dtype == DTYPES[case.dtype].numpy
        assert first.flags.writeable
        assert first.flags.c_contiguous
        assert not np.shares_memory(first, second)
        assert first.tobytes() == second.tobytes()


# Bytes of the first release; another digest would mean that a case text names other data than before.
DIGESTS = {
    "c3h7w9k2:fp32:normal:s3": "4d830c0359e527c2",
    "c3h7w9k2:bf16:wide:s3": "83f98c1902b68d70",
    "c3h7w9k2:fp16:cancel:s3": "531190793f97068d",
    "c3h7w9k2:fp8_e4m3:uniform:s3": "6d96b3ae360f2d77",
    "c3h7w9k2:fp32:ints:s3": "bff6fa81d0c6f56e",
    "c3h7w9k2:bf16:dyadic:s3": "c137829fe37a46c0",
    "c3h7w9k2:bf16:index": "be7cbcc1ab106124",
    "c3h7w9k2:fp16:positional": "524d591f304f5c31",
    "c3h7w9k2:bf16:subnormal": "cf187b50bca9fc92",
    "c3h7w9k2:fp32:trim_nan": "c2f847f83dc6098d",
}


@pytest.mark.parametrize("text", DIGESTS)
def test_a_case_text_names_the_same_bytes_everywhere(text: str) -> None:
    stored = make(Case.parse(text))
    bits = stored.view(f"u{stored.itemsize}").astype(f"<u{stored.itemsize}")
    assert hashlib.sha256(bits.tobytes()).hexdigest()[:16] == DIGESTS[text]


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.random])
def test_seed_geometry_and_dtype_each_move_a_random_family(family: str) -> None:
    base = values(Case(500, 8, 8, 4, "fp32", family, 3))
    assert (base != values(Case(500, 8, 8, 4, "fp32", family, 4))).any()
    assert (base[:, :4] != values(Case(500, 4, 8, 4, "fp32", family, 3))).any()
    assert (base[0] != base[1]).any()


def test_index_is_constant_in_a_window_and_distinct_over_windows() -> None:
    for case in cases_of("index"):
        w = windows(values(case), case.pool)
        assert (w == w[..., :1, :1]).all()
        means = w[..., 0, 0].ravel()
        assert len(set(means.tolist())) == means.size


@pytest.mark.parametrize("family", ["ints", "positional", "dyadic"])
def test_every_partial_sum_fits_an_accumulator_of_the_dtype(family: str) -> None:
    for case in cases_of(family):
        absolute = np.abs(windows(values(case), case.pool))
        unit = absolute[absolute > 0].min() if family == "dyadic" else 1.0
        assert (absolute.sum(axis=(3, 4)) <= 2 ** DTYPES[case.dtype].precision * unit).all()
        assert (np.rint(absolute / unit) == absolute / unit).all()


@pytest.mark.parametrize("family", ["ints", "positional"])
def test_sparse_windows_reach_every_position(family: str) -> None:
    case = Case(64, 64, 64, 16, "fp8_e4m3", family, 0 if FAMILIES[family].random else None)
    assert (windows(values(case), case.pool) != 0).any(axis=(0, 1, 2)).all()


def test_positional_sums_tell_which_elements_were_added() -> None:
    window = np.abs(windows(values(Case.parse("c1h3w3k3:fp32:positional")), 3)).ravel()
    assert sorted(window.tolist()) == [2.0**digit for digit in range(9)]


def test_normal_has_mean_0_and_variance_1_and_uniform_fills_the_unit_interval() -> None:
    normal = values(Case.parse("c64h32w32k2:fp32:normal:s0"))
    assert abs(normal.mean()) < 0.02
    assert abs(normal.var() - 1) < 0.02
    uniform = values(Case.parse("c64h32w32k2:fp32:uniform:s0"))
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() <= 1


def test_cancel_nearly_cancels_and_wide_spreads() -> None:
    cancel = windows(values(Case.parse("c8h8w8k2:fp32:cancel:s0")), 2)
    assert (np.abs(cancel.sum(axis=(3, 4))) < 0.01 * np.abs(cancel).sum(axis=(3, 4))).all()
    exponents = np.frexp(values(Case.parse("c8h8w8k2:fp32:wide:s0")))[1]
    assert np.ptp(exponents) > 70


def test_nan_lies_in_some_windows_once_and_trim_nan_in_the_trim_alone() -> None:
    nan = np.isnan(windows(values(Case.parse("c3h8w8k2:bf16:nan")), 2)).sum(axis=(3, 4))
    assert set(nan.ravel().tolist()) == {0, 1}
    trim = values(Case.parse("c3h5w7k2:bf16:trim_nan"))
    assert np.isnan(trim[:, 4:]).all()
    assert np.isnan(trim[:, :, 6:]).all()
    assert np.isfinite(trim[:, :4, :6]).all()


def test_special_families_hold_what_they_are_named_after() -> None:
    inf = windows(values(Case.parse("c3h8w8k2:fp16:inf")), 2)
    assert set(np.isinf(inf).sum(axis=(3, 4)).ravel().tolist()) == {0, 1}
    assert {np.inf, -np.inf} <= set(inf.ravel().tolist())
    mixed = windows(values(Case.parse("c3h8w8k2:fp16:mixed_inf")), 2)
    assert ((mixed == np.inf).any(axis=(3, 4)) & (mixed == -np.inf).any(axis=(3, 4))).any()
    zero = values(Case.parse("c3h8w8k2:fp16:negative_zero"))
    assert np.signbit(zero[zero == 0]).all()
    for dtype in (dtype for dtype in DTYPES.values() if dtype.floating):
        subnormal = windows(values(Case(3, 8, 8, 2, dtype.name, "subnormal")), 2)
        assert (np.abs(subnormal) < dtype.smallest_normal).all(axis=(3, 4)).any()
        assert (np.abs(subnormal) >= 1).any()


def test_overflow_leaves_the_range_in_the_sum_but_not_in_the_mean() -> None:
    for case in cases_of("overflow"):
        sums = np.abs(windows(values(case), case.pool).sum(axis=(3, 4)))
        limit = DTYPES[case.dtype].max_finite
        assert (sums > limit).any()
        assert (sums / case.pool**2 < limit).all()


def test_saturation_stops_an_accumulator_of_the_dtype() -> None:
    x = make(Case.parse("c1h32w32k32:bf16:saturation"))
    total = x.dtype.type(0)
    for element in x.ravel():
        total = total + element
    assert float(total) == 256
