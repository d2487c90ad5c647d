from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool.spec import foreign, oracle
from pytest_nki_pool.spec.case import Case, CaseError
from pytest_nki_pool.spec.corpus import cases
from pytest_nki_pool.spec.data import make

pytest.importorskip("onnx", reason="the extra onnx is not installed", exc_type=ImportError)

CASES = cases("foreign", "smoke", 0)


def test_every_case_is_in_every_tier() -> None:
    assert {case.family for case in CASES} == set(foreign.ONNX_CASES)
    assert cases("foreign", "full", 0) == CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_our_golden_agrees_with_theirs(case: Case) -> None:
    x, theirs = foreign.load(case.family)

    assert x.shape == case.shape
    assert make(case).tobytes() == x.tobytes()
    np.testing.assert_allclose(oracle.golden(x, case.pool), theirs, rtol=1e-6, atol=1e-7)  # they sum in fp32


def test_the_published_values_of_the_strided_case() -> None:
    np.testing.assert_array_equal(foreign.load("onnx_strides")[1], [[[4.0, 6.0], [14.0, 16.0]]])


def test_another_geometry_is_no_case() -> None:
    with pytest.raises(CaseError, match="c1h5w5k2"):
        Case.parse("c1h6w6k2:fp32:onnx_strides")


def test_a_version_without_the_case_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = foreign.OnnxCase("node", "test_no_such_case", (1, 5, 5, 2))
    monkeypatch.setattr(foreign, "ONNX_CASES", {"onnx_strides": gone})
    with pytest.raises(LookupError, match="has no case test_no_such_case"):
        foreign.load("onnx_strides")
