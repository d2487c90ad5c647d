"""What changed from one report to another."""

from __future__ import annotations

import pytest

from pytest_nki_pool.report.compare import compare, is_bad
from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.verdict import CONSEQUENCES, Status


def kinds(difference):
    return {kind for kind, cases in difference.to_json().items() if cases}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (Status.PASS, Status.PASS, set()),
        (Status.FAIL, Status.FAIL, set()),
        (Status.PASS, Status.FAIL, {"regressions"}),
        (Status.UNSUPPORTED, Status.CRASH, {"regressions"}),
        (Status.INFRA, Status.FAIL, {"regressions"}),
        (Status.XFAIL, Status.FAIL, {"regressions"}),
        (Status.FAIL, Status.PASS, {"fixes"}),
        (Status.INTERNAL, Status.UNSUPPORTED, {"fixes"}),
        (Status.FAIL, Status.CRASH, {"changed"}),
        (Status.FAIL, Status.INFRA, {"changed"}),
        (Status.PASS, Status.UNSUPPORTED, {"changed"}),
        (Status.PASS, Status.NOT_RUN, {"changed"}),
    ],
    ids=lambda value: value.value if isinstance(value, Status) else "",
)
def test_a_change_of_status_is_sorted(report, before, now, expected):
    assert kinds(compare(report(before), report(now))) == expected


def test_new_and_gone_cases_are_told(report):
    difference = compare(report((1, Status.PASS), (2, Status.PASS)), report((1, Status.PASS), (3, Status.PASS)))

    assert kinds(difference) == {"new", "gone"}
    assert str(difference.new[0]).endswith("c3h6w6k2:fp32:ones: not there -> PASS")
    assert str(difference.gone[0]).endswith("c2h6w6k2:fp32:ones: PASS -> not there")


def test_a_new_case_that_fails_is_a_regression(report):
    difference = compare(report(Status.PASS), report(Status.PASS, Status.FAIL))

    assert difference.regressions == difference.new != ()


def test_incomplete_reports_are_not_compared(report):
    for old, new in (("cut", ""), ("", "cut")):
        with pytest.raises(ReportError, match="is incomplete"):
            compare(report(Status.PASS, damage=old), report(Status.PASS, damage=new))


def test_reports_without_a_common_case_are_not_compared(report):
    with pytest.raises(ReportError, match="no case in common"):
        compare(report((1, Status.PASS)), report((2, Status.PASS)))


def test_bad_is_what_makes_a_run_exit_with_1():
    assert {status for status in Status if is_bad(status.value)} == {
        status for status, consequence in CONSEQUENCES.items() if consequence.gate == "bad"
    }
    assert not is_bad("")
