"""Goldens that others wrote: our own must agree with them, and the kernel with both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import Check, failed, judged
from pytest_nki_pool.spec import foreign, oracle
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens

#: Tolerances of ONNX's own backend test, fp32 (source: onnx.backend.test.runner).
_RTOL, _ATOL = 1e-3, 1e-7


def onnx(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """The output lies in our interval, and our golden within ONNX's tolerance of ONNX's output."""
    theirs = foreign.load(case.family)[1]
    ours = oracle.golden(goldens.input(case), case.pool)
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=_RTOL, atol=_ATOL):
        return Finding(Status.INTERNAL, "our golden and ONNX's disagree; one of them is no average pool")
    finding = judged(case, launcher, goldens)
    if finding.status is not Status.PASS:
        return failed(f"ONNX case {foreign.ONNX_CASES[case.family].test}:\n{finding.message}")
    return finding


CHECKS = (Check("onnx", "foreign", "ONNX's node cases that are such pools", onnx, kind="foreign", requires=("onnx",)),)
