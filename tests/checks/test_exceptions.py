"""What is right by exception alone is said: the sums of four 40000 leave fp16 before they are divided."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.oracle import windows
from pytest_nki_pool.verdict import Status

CASE = Case.parse("c2h6w6k2:fp16:overflow")


def sum_cast(x, k):
    with np.errstate(all="ignore"):  # as an accelerator does
        sums = windows(x, k).astype(np.float32).sum(axis=(3, 4)).astype(x.dtype)
        return (sums.astype(np.float32) / np.float32(k * k)).astype(x.dtype)


def test_an_overflow_that_the_claimed_class_admits_is_named(launcher, goldens):
    finding = CHECKS["special"].function(CASE, launcher(sum_cast, accuracy="fp32_sum_cast"), goldens)
    assert (finding.status, finding.message) == (Status.PASS, "right by exception: overflow of the sum")


def test_the_same_overflow_is_wrong_where_fp32_is_claimed(launcher, goldens):
    finding = CHECKS["special"].function(CASE, launcher(sum_cast), goldens)
    assert finding.status is Status.FAIL
    assert "got       inf" in finding.message


@pytest.mark.parametrize("accuracy", ["fp32", "fp32_sum_cast"])
def test_what_needs_no_exception_says_nothing(launcher, goldens, right, accuracy):
    finding = CHECKS["special"].function(CASE, launcher(right, accuracy=accuracy), goldens)
    assert (finding.status, finding.message) == (Status.PASS, "")
