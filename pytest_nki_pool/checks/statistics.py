"""Bias and spread over many outputs: truncation and narrow inputs that no single output betrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.checks.base import Check, launch
from pytest_nki_pool.checks.explain import explain
from pytest_nki_pool.spec import acceptance, statistics
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens


def bias(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """The errors of many outputs of one sign have no direction, and are no larger than honest roundings make them."""
    accuracy = launcher.kernel.spec.capabilities.accuracy
    got = launch(launcher, goldens.input(case), case.pool)
    expected = goldens.expected(case, accuracy)
    judgement = acceptance.judge(got, expected)
    if not judgement.ok:
        message = explain(judgement, expected, goldens.input(case))
        return Finding(Status.FAIL, message, judgement.max_ulp, judgement.share_of_bound)
    found = statistics.measure(got, goldens.input(case), case.pool, accuracy)
    if found.share <= 1:
        return Finding(Status.PASS, "", judgement.max_ulp, judgement.share_of_bound)
    message = (
        f"every output is within its interval, but not all {found.outputs} together, in half units in the last place:\n"
        f"mean error          {found.bias:+.3g}, limit {found.bias_limit:.3g} either way\n"
        f"mean squared error  {found.square:.3g}, limit {found.square_limit:.3g}\n"
        f"Rounding to nearest exceeds a limit with a probability of {statistics.FALSE_ALARM:g}; "
        "truncation shows in the mean, terms of too few bits in the square."
    )
    return Finding(Status.FAIL, message, judgement.max_ulp, judgement.share_of_bound)


CHECKS = (
    Check(
        "bias",
        "statistics",
        "the errors of many outputs have no direction and no excess",
        bias,
        kind="statistics",
        aspect="numerics",
    ),
)
