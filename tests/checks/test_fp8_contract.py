"""A dtype that a framework lacks is its gap in every check, and nobody's fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_nki_pool import Capabilities, KernelSpec
from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.verdict import Status

SPEC = KernelSpec("pytest_nki_pool.kernels.production_legacy:avgpool", capabilities=Capabilities(dtypes=("fp8_e4m3",)))


@pytest.mark.needs("torch")
@pytest.mark.parametrize(
    "check", [check for check in CHECKS.values() if check.group == "contract"], ids=lambda c: c.name
)
def test_e4m3_on_torch_is_unsupported(check):
    bench = Workbench("emulator", Path())
    case = Case(2, 6, 6, 2, "fp8_e4m3", "ints", 0)

    verdict = bench.verdict(Trial(check, SPEC, ("torch",), "emulator", "trn2", case))

    expected = Status.PASS if check.name == "refuses_dtype" else Status.UNSUPPORTED
    assert verdict.finding.status is expected, verdict.finding.message
