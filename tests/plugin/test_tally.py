"""From verdicts to an exit code."""

from __future__ import annotations

import pytest

from pytest_nki_pool.report.tally import RETRY, Tally, identity_of
from pytest_nki_pool.verdict import CONSEQUENCES, Finding, Identity, Status, Verdict

_NODE = "conformance/test_values.py::test_values[values/k/torch/emulator/trn2/c2h6w6k2:fp32:ones]"
_IDENTITY = Identity("values", "k", "torch", "emulator", "trn2", "c2h6w6k2:fp32:ones")


def _tally(*statuses: Status, collected: int | None = None) -> Tally:
    tally = Tally()
    tally.collect(_node(i) for i in range(len(statuses) if collected is None else collected))
    for i, status in enumerate(statuses):
        identity = identity_of(_node(i))
        assert identity is not None
        outcome = CONSEQUENCES[status].outcome
        tally.record(Verdict(identity, Finding(status)).to_json(), when="call", outcome=outcome)
    return tally


def _node(i: int) -> str:
    return f"x.py::test_x[values/k/torch/emulator/trn2/c{i}h6w6k2:fp32:ones]"


def test_identity_is_read_from_the_node_id() -> None:
    assert identity_of(_NODE) == _IDENTITY
    assert str(_IDENTITY) in _NODE


@pytest.mark.parametrize(
    "nodeid", [f"folder[1]/{_NODE}", f"{_NODE}@group"], ids=["brackets in the path", "xdist group"]
)
def test_identity_is_read_whatever_stands_around_it(nodeid: str) -> None:
    assert identity_of(nodeid) == _IDENTITY


@pytest.mark.parametrize(
    "nodeid",
    ["x.py::test_x", "x.py::test_x[torch]", "x.py::test_x[a/b/c/d/e/f]", "x.py::test_x[values/k/torch/emulator/trn2]"],
)
def test_other_tests_are_no_cases(nodeid: str) -> None:
    assert identity_of(nodeid) is None


def test_every_status_has_a_consequence() -> None:
    assert set(CONSEQUENCES) == set(Status)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((Status.PASS,), 0),
        ((Status.PASS, Status.UNSUPPORTED), 0),
        ((Status.PASS, Status.XFAIL, Status.FLAKY), 0),
        ((Status.UNSUPPORTED,), 1),
        ((Status.PASS, Status.FAIL), 1),
        ((Status.PASS, Status.CRASH), 1),
        ((Status.PASS, Status.TIMEOUT), 1),
        ((Status.PASS, Status.XPASS), 1),
        ((Status.PASS, Status.INTERNAL), 1),
        ((Status.PASS, Status.INFRA), RETRY),
        ((Status.PASS, Status.DEVICE_LOST, Status.MISTRUSTED, Status.NOT_RUN), RETRY),
        ((Status.NOT_RUN,), RETRY),
        ((Status.FAIL, Status.INFRA), 1),
    ],
)
def test_exit_code(statuses: tuple[Status, ...], expected: int) -> None:
    failed = any(CONSEQUENCES[status].outcome == "failed" for status in statuses)
    assert _tally(*statuses).decide(int(failed), concerned=True).exit_code == expected


def test_a_collected_case_without_verdict_asks_for_another_run() -> None:
    decision = _tally(Status.PASS, collected=2).decide(0, concerned=True)
    assert decision.exit_code == RETRY
    assert "NOT_RUN" in decision.reason


def test_nothing_executed_fails_only_a_run_that_was_about_nki() -> None:
    assert Tally().decide(0, concerned=True).exit_code == 1
    assert Tally().decide(0, concerned=False).exit_code == 0


def test_a_users_own_test_counts_as_executed_unless_it_was_skipped() -> None:
    for outcome, expected in {"passed": 0, "skipped": 1}.items():
        tally = Tally()
        tally.record({}, when="call", outcome=outcome)
        assert tally.decide(0, concerned=True).exit_code == expected


def test_an_unrelated_failure_is_not_for_a_retry() -> None:
    tally = _tally(Status.INFRA)
    tally.record(None, when="call", outcome="failed")
    assert tally.decide(1, concerned=True).exit_code == 1


@pytest.mark.parametrize("exit_code", [2, 3, 4, 5, 6])
def test_other_exit_codes_of_pytest_stay(exit_code: int) -> None:
    assert _tally(Status.NOT_RUN).decide(exit_code, concerned=True) == (exit_code, "")
