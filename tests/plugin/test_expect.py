"""What entries of a file of expectations make of a verdict, and which files are refused."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.expect import ExpectationError, Expectations, parse, read
from pytest_nki_pool.verdict import CONSEQUENCES, Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from pathlib import Path

_IDENTITY = Identity("values", "pool", "torch", "emulator", "trn2", "c3h9w9k3:fp16:normal:s0")
_TODAY = date(2026, 6, 15)


def _expectations(text: str, today: date = _TODAY) -> Expectations:
    return Expectations(tuple(parse(text, "known.toml")), today)


def _entry(kind: str = "known_failure", **values: object) -> str:
    """The text of one entry; a value is written as Python shows it, which TOML reads too."""
    lines = {"id": "values/pool/*", "reason": "rounds twice", **values}
    return "\n".join((f"[[{kind}]]", *(f"{key} = {_toml(value)}" for key, value in lines.items())))


def _toml(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


def _apply(text: str, status: Status, message: str = "4 of 9 outputs are wrong") -> Finding:
    verdict = Verdict(_IDENTITY, Finding(status, message, max_ulp=2.0), 0.5)
    applied = _expectations(text).apply(verdict)
    assert (applied.identity, applied.seconds, applied.finding.max_ulp) == (_IDENTITY, 0.5, 2.0)
    return applied.finding


@pytest.mark.parametrize(
    ("status", "becomes"),
    {
        Status.PASS: Status.XPASS,
        Status.FAIL: Status.XFAIL,
        Status.CRASH: Status.CRASH,
        Status.TIMEOUT: Status.TIMEOUT,
        Status.INTERNAL: Status.INTERNAL,
        Status.DEVICE_LOST: Status.DEVICE_LOST,
        Status.INFRA: Status.INFRA,
        Status.MISTRUSTED: Status.MISTRUSTED,
        Status.NOT_RUN: Status.NOT_RUN,
        Status.UNSUPPORTED: Status.UNSUPPORTED,
    }.items(),
)
def test_a_known_failure_is_one_of_wrong_results_unless_it_says_otherwise(status: Status, becomes: Status) -> None:
    assert _apply(_entry(), status).status is becomes


@pytest.mark.parametrize("status", [Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.INTERNAL])
def test_a_known_failure_of_another_status(status: Status) -> None:
    text = _entry(status=["CRASH", "TIMEOUT"])
    expected = status in {Status.CRASH, Status.TIMEOUT}
    finding = _apply(text, status)
    assert (finding.status is Status.XFAIL) is expected
    assert (f"expected CRASH or TIMEOUT, but it is {status.value} now" in finding.message) is not expected


@pytest.mark.parametrize("status", [status for status in Status if status.value not in {"XFAIL", "XPASS", "FLAKY"}])
def test_a_flaky_case_decides_nothing_but_must_run(status: Status) -> None:
    finding = _apply(_entry("known_flaky"), status)
    if status in {Status.NOT_RUN, Status.UNSUPPORTED}:
        assert finding.status is status
    else:
        assert finding.status is Status.FLAKY
        assert f"this time {status.value}" in finding.message
        assert CONSEQUENCES[finding.status].gate == "good"


def test_a_verdict_says_which_entry_it_comes_from_and_why() -> None:
    finding = _apply(_entry(), Status.FAIL)
    assert finding.message.splitlines() == [
        "known failure, known.toml, known_failure 1: rounds twice",
        "FAIL",
        "4 of 9 outputs are wrong",
    ]
    assert "remove the entry" in _apply(_entry(), Status.PASS).message


def test_another_message_than_the_known_one_stays_a_failure_and_says_what_changed() -> None:
    text = _entry(message="4 of 9")
    assert _apply(text, Status.FAIL).status is Status.XFAIL
    changed = _apply(text, Status.FAIL, "9 of 9 outputs are wrong")
    assert changed.status is Status.FAIL
    assert "expected a message with '4 of 9', but it is\n9 of 9 outputs are wrong" in changed.message


@pytest.mark.parametrize(
    ("glob", "covers"),
    [
        ("values/pool/torch/emulator/trn2/c3h9w9k3:fp16:normal:s0", True),
        ("values/pool/*/emulator/*/*", True),
        ("*k3:fp16:*", True),
        ("*", True),
        ("values/pool", False),
        ("values/pool/*/emulator/*", True),
        ("Values/*", False),
        ("values/pool/jax/*", False),
        ("*k3:fp32:*", False),
    ],
    ids=["whole", "part by part", "end", "all", "too short", "fewer parts", "case", "another path", "another dtype"],
)
def test_globs(glob: str, covers: bool) -> None:
    finding = _apply(_entry(id=["nothing/*", glob]), Status.FAIL)
    assert (finding.status is Status.XFAIL) is covers


def test_the_first_entry_that_fits_counts() -> None:
    first, second = _entry(reason="first", message="no such"), _entry(reason="second")
    assert "first" in _apply(f"{first}\n{second}", Status.FAIL).message
    assert "second" in _apply(f"{second}\n{first}", Status.FAIL).message


@pytest.mark.parametrize("kind", ["known_failure", "known_flaky"])
@pytest.mark.parametrize(("day", "counts"), [(14, False), (15, True), (16, True)])
def test_until_is_the_last_day_that_an_entry_counts(kind: str, day: int, counts: bool) -> None:
    text = _entry(kind, until=date(2026, 6, day))
    finding = _apply(text, Status.FAIL)
    faults = _expectations(text).faults({str(_IDENTITY)}, [])
    assert (finding.status is not Status.FAIL) is counts
    assert faults == ([] if counts else [f"known.toml, {kind} 1 expired on 2026-06-14: rounds twice"])
    assert ("excused this until 2026-06-14" in finding.message) is not counts


def test_an_entry_is_about_nothing_when_it_fits_no_case_of_this_run_and_none_of_any_other() -> None:
    expectations = _expectations("\n".join(_entry(id=glob) for glob in ("a/*", "b/*", "c/*")))
    assert expectations.faults({"a/1"}, iter(["b/1", "x/1"])) == [
        "known.toml, known_failure 3 fits no case of any run: c/*"
    ]


def test_the_cases_of_other_runs_are_listed_only_where_they_are_needed() -> None:
    def others() -> None:
        pytest.fail("not needed")
        yield

    assert _expectations(_entry(id="a/*")).faults({"a/1"}, others()) == []


REFUSED = {
    "no TOML": ("[[known_failure]]\nid = values", "known.toml is no TOML: ", "line 2"),
    "another table": ("[[expected]]\nid = '*'", "'expected' is not known", "[[known_failure]] and [[known_flaky]]"),
    "single brackets": ("[known_failure]\nid = '*'", "'known_failure' is not known", "double brackets"),
    "a value outside": ("reason = 'x'", "'reason' is not known", "[[known_failure]]"),
    "a list of texts": ("known_failure = ['*']", "'known_failure' is not known"),
    "another key": (_entry(untill=date(2026, 1, 1)), "known_failure 1: 'untill' is not known", "id, reason, until"),
    "message of a flaky case": (_entry("known_flaky", message="x"), "known_flaky 1: 'message' is not known"),
    "no reason": ("[[known_failure]]\nid = '*'", "known_failure 1: reason is missing"),
    "empty reason": (_entry(reason="  "), "known_failure 1: reason is '  '; give it some text"),
    "no id": ("[[known_failure]]\nreason = 'x'", "known_failure 1: id is missing; give one text or a list"),
    "no ids": (_entry(id=[]), "known_failure 1: id is []"),
    "id of numbers": (_entry(id=[1]), "known_failure 1: id is [1]"),
    "empty message": (_entry(message=""), "known_failure 1: message is ''"),
    "until as text": (
        _entry(until="2026-01-01"),
        "until is '2026-01-01'",
        "without quotes, such as until = 2027-01-31",
    ),
    "until as time": ("[[known_failure]]\nuntil = 2026-01-01T00:00:00", "until is datetime.datetime(2026"),
    "no such day": ("[[known_failure]]\nuntil = 2026-02-30", "known.toml is no TOML: "),
    "status that is none": (_entry(status="WRONG"), "status 'WRONG' cannot be", "FAIL, CRASH, TIMEOUT, INTERNAL"),
    "status of the machine": (_entry(status="INFRA"), "status 'INFRA' cannot be expected"),
    "the second entry": (f"{_entry()}\n{_entry(reason='')}", "known.toml, known_failure 2: reason is ''"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_understood(name: str) -> None:
    text, *says = REFUSED[name]
    with pytest.raises(ExpectationError) as caught:
        _expectations(text)
    for fragment in says:
        assert fragment in str(caught.value)


def test_files_are_read_in_their_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(_entry(reason=name))
    expectations = read([tmp_path / "b.toml", tmp_path / "a.toml"], _TODAY)
    assert [entry.where for entry in expectations.entries] == ["b.toml, known_failure 1", "a.toml, known_failure 1"]
    assert expectations.today == _TODAY


@pytest.mark.parametrize("make", ["nothing", "folder", "latin"])
def test_a_file_that_cannot_be_read(make: str, tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    if make == "folder":
        path.mkdir()
    if make == "latin":
        path.write_bytes("reason = 'größe'".encode("latin-1"))
    with pytest.raises(ExpectationError, match=r"known\.toml cannot be read: "):
        read([path])


def test_without_entries_nothing_changes() -> None:
    verdict = Verdict(_IDENTITY, Finding(Status.FAIL, "wrong"))
    assert Expectations().apply(verdict) is verdict
    assert Expectations().faults(set(), []) == []
