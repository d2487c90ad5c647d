from __future__ import annotations

from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest

from pytest_nki_pool.spec import foreign, foreign_torch, oracle
from pytest_nki_pool.spec.acceptance import expect, judge
from pytest_nki_pool.spec.case import Case, CaseError
from pytest_nki_pool.spec.corpus import cases
from pytest_nki_pool.spec.data import make

CASES = cases("foreign", "full", 0)
ONNX = [case for case in CASES if case.family in foreign.ONNX_CASES]
TORCH = [case for case in CASES if case.family in foreign.TORCH_CASES]

needs_onnx = pytest.mark.skipif(find_spec("onnx") is None, reason="the extra onnx is not installed")
needs_opinfo = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("expecttest") is None, reason="the extra opinfo is not installed"
)


def test_onnx_is_asked_at_standard_and_torch_in_the_full_tier() -> None:
    assert cases("foreign", "smoke", 0) == ()
    assert {case.family for case in cases("foreign", "standard", 0)} == set(foreign.ONNX_CASES)
    assert {(case.family, case.dtype) for case in TORCH} == set(product(foreign.TORCH_CASES, foreign.TORCH_DTYPES))


@needs_onnx
@pytest.mark.parametrize("case", ONNX, ids=str)
def test_our_golden_agrees_with_theirs(case: Case) -> None:
    x, theirs = foreign.load(case.family)

    assert x.shape == case.shape
    assert make(case).tobytes() == x.tobytes()
    np.testing.assert_allclose(oracle.golden(x, case.pool), theirs, rtol=1e-6, atol=1e-7)  # they sum in fp32


@needs_opinfo
@pytest.mark.parametrize("case", TORCH, ids=str)
def test_our_golden_agrees_with_pytorch(case: Case) -> None:
    x, theirs = foreign.load(case.family, case.dtype)

    assert (x.shape, theirs.shape) == (case.shape, case.out_shape)
    assert make(case).tobytes() == x.tobytes()  # the same at each reading
    assert judge(theirs, expect(x, case.pool, "fp32")).ok


@needs_opinfo
def test_a_torch_without_the_sample_says_so() -> None:
    with pytest.raises(LookupError, match=r"has no op sample of an average pool of \[3, 9, 9\] by 4"):
        foreign_torch.read("op", (3, 9, 9, 4), "fp32")


@needs_onnx
def test_the_published_values_of_the_strided_case() -> None:
    np.testing.assert_array_equal(foreign.load("onnx_strides")[1], [[[4.0, 6.0], [14.0, 16.0]]])


def test_another_geometry_is_no_case() -> None:
    with pytest.raises(CaseError, match="c1h5w5k2"):
        Case.parse("c1h6w6k2:fp32:onnx_strides")


@needs_onnx
def test_a_version_without_the_case_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = foreign.OnnxCase("node", "test_no_such_case", (1, 5, 5, 2))
    monkeypatch.setattr(foreign, "ONNX_CASES", {"onnx_strides": gone})
    with pytest.raises(LookupError, match="has no case test_no_such_case"):
        foreign.load("onnx_strides")
