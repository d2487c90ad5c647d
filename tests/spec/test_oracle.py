from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.corpus import Geometry
from pytest_nki_pool.spec.data import FAMILIES, make
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.oracle import adjoint, golden, window, window_sums, windows

FINITE = [name for name, family in FAMILIES.items() if family.kind != "special"] + ["subnormal", "overflow"]


def exact_sum(window: Any) -> Fraction:
    return sum((Fraction(float(value)) for value in window.ravel()), Fraction(0))


@pytest.mark.parametrize("family", FINITE)
@pytest.mark.parametrize("geometry", [(2, 5, 7, 2), (2, 8, 9, 4), (1, 7, 8, 7)], ids=str)
def test_sums_are_the_exact_sums_rounded_once(family: str, geometry: tuple[int, int, int, int]) -> None:
    for dtype in DTYPES.values():
        if not FAMILIES[family].applies(Geometry(*geometry), dtype):
            continue
        case = Case(*geometry, dtype.name, family, 5 if FAMILIES[family].random else None)
        x = make(case).astype(np.float64)
        sums = window_sums(x, case.pool)
        expected = [float(exact_sum(w)) for w in windows(x, case.pool).reshape(-1, case.pool, case.pool)]
        assert sums.ravel().tolist() == expected
        assert golden(make(case), case.pool).ravel().tolist() == [total / case.pool**2 for total in expected]


@pytest.mark.parametrize(
    "elements",
    [[1e38, 1e-38, -1e38, 1.0], [1.0, 2.0**-53, 2.0**-110, 0.0], [2.0**127, 1.0, 2.0**-149, -(2.0**127)], [1e38] * 4],
)
def test_sums_survive_the_whole_exponent_range(elements: list[float]) -> None:
    x = np.array(elements, np.float32).astype(np.float64).reshape(1, 2, 2)
    assert window_sums(x, 2).item() == float(exact_sum(x))


def test_sums_of_a_large_wide_window_are_exact() -> None:
    x = make(Case.parse("c1h130w131k128:fp32:wide:s1")).astype(np.float64)
    assert window_sums(x, 128).item() == float(exact_sum(x[:, :128, :128]))


def test_golden_agrees_with_torch_in_fp64() -> None:
    torch = pytest.importorskip("torch")
    for text in ("c3h13w11k2:fp32:normal:s1", "c2h23w29k5:bf16:uniform:s1", "c4h7w7k7:fp16:normal:s1"):
        case = Case.parse(text)
        x = make(case)
        theirs = torch.nn.functional.avg_pool2d(torch.from_numpy(x.astype(np.float64)), case.pool).numpy()
        np.testing.assert_allclose(golden(x, case.pool), theirs, rtol=0, atol=1e-15)


def test_golden_has_one_window_per_output_and_leaves_the_trim_out() -> None:
    x = np.arange(2 * 5 * 7, dtype=np.float32).reshape(2, 5, 7)
    means = golden(x, 2)
    assert means.shape == (2, 2, 3)
    assert means[1, 0, 2] == (39 + 40 + 46 + 47) / 4
    spoiled = x.copy()
    spoiled[:, 4:], spoiled[:, :, 6:] = np.nan, np.inf
    assert (golden(spoiled, 2) == means).all()
    assert (window(x, 2, (1, 0, 2)) == [[39, 40], [46, 47]]).all()


def test_golden_of_special_values() -> None:
    nan, inf = np.nan, np.inf
    x = np.array([[1, nan, inf, 2, -inf, 3, inf, -inf], [3, 4, 5, 6, 7, 8, 1, 2]], np.float32).reshape(1, 2, 8)
    assert np.array_equal(golden(x, 2).ravel(), [nan, inf, -inf, nan], equal_nan=True)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16", "fp8_e5m2"])
def test_adjoint_is_the_exact_gradient_rounded_once(dtype: str) -> None:
    grad = make(Case.parse(f"c2h3w4k1:{dtype}:normal:s2"))
    result = adjoint(grad, (2, 11, 13), 3)
    assert result.dtype == grad.dtype
    assert (result[:, 9:].astype(np.float64) == 0).all()
    assert (result[:, :, 12:].astype(np.float64) == 0).all()
    share = DTYPES[dtype].quantise(grad.astype(np.float64) / 9)
    assert (windows(result, 3) == share[..., None, None]).all()


def test_adjoint_is_adjoint_to_the_pool_and_takes_batches() -> None:
    x, grad = np.random.default_rng(3).standard_normal((2, 4, 9, 10)), np.ones((4, 3, 3))
    for image in x:
        assert np.isclose((golden(image, 3) * grad).sum(), (image * adjoint(grad, image.shape, 3)).sum(), rtol=1e-13)
    assert (adjoint(np.stack([grad, 2 * grad]), x.shape, 3)[1] == 2 * adjoint(grad, x.shape[1:], 3)).all()
