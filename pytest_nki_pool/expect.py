"""Expectations: verdicts that are known to be bad or unsteady, each with a reason, and what they make of a verdict."""

from __future__ import annotations

import dataclasses
import re
import sys
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from fnmatch import translate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pytest_nki_pool.verdict import NOT_EXECUTED, Finding, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_nki_pool.verdict import Verdict

Kind = Literal["known_failure", "known_flaky"]

#: Kind -> the keys its entries have.
KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"known_failure": ("id", "reason", "until", "message", "status"), "known_flaky": ("id", "reason", "until")}
)
#: What may be known to happen; what asks for another run, or did not run, is no property of a kernel.
_KNOWABLE = (Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.INTERNAL)


class ExpectationError(ValueError):
    """A file of expectations that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry of a file of expectations.

    Attributes:
        kind: "known_failure" must go wrong, and in the way it says; "known_flaky" decides nothing.
        ids: globs over identities, ``check/kernel/backend/target/platform/case``; one that fits is enough.
        reason: why, for those who read the report.
        where: file and entry.
        until: last day on which the entry counts; None for ever.
        message: part of the message that a known failure has; empty for any.
        statuses: what a known failure may end as.
    """

    kind: Kind
    ids: tuple[str, ...]
    reason: str
    where: str
    until: date | None = None
    message: str = ""
    statuses: tuple[Status, ...] = (Status.FAIL,)
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", re.compile("|".join(map(translate, self.ids))))

    def covers(self, identity: str) -> bool:
        """Whether one of the globs fits."""
        return self._pattern.match(identity) is not None

    def expired(self, today: date) -> bool:
        """Whether its last day has passed."""
        return self.until is not None and self.until < today

    def apply(self, finding: Finding) -> Finding:
        """What a finding becomes.

        Args:
            finding: what was found on a case that the entry covers.
        """
        status = finding.status
        known = f"{self.kind.replace('_', ' ')}, {self.where}: {self.reason}"
        if status in NOT_EXECUTED:
            return finding
        if self.kind == "known_flaky":
            return _replaced(finding, Status.FLAKY, f"{known}\nthis time {status.value}")
        if status is Status.PASS:
            return _replaced(finding, Status.XPASS, f"passes, but is a {known}\nremove the entry")
        if status not in _KNOWABLE:
            return finding
        changed = self._changed(finding)
        return _replaced(finding, status if changed else Status.XFAIL, f"{known}\n{changed or status.value}")

    def _changed(self, finding: Finding) -> str:
        """What is not as expected; empty when all is."""
        if finding.status not in self.statuses:
            expected = " or ".join(status.value for status in self.statuses)
            return f"expected {expected}, but it is {finding.status.value} now"
        if self.message not in finding.message:
            return f"expected a message with {self.message!r}, but it is"
        return ""


@dataclass(frozen=True, slots=True)
class Expectations:
    """The entries of all files, and the day on which they are read.

    Attributes:
        entries: in the order of the files; for each case the first one that covers it counts.
        today: decides which entries have expired.
    """

    entries: tuple[Expectation, ...] = ()
    today: date = date.max

    def apply(self, verdict: Verdict) -> Verdict:
        """What a verdict becomes: XFAIL, XPASS or FLAKY, the same with a sentence added, or itself.

        An expired entry excuses nothing.
        """
        identity = str(verdict.identity)
        entry = next((entry for entry in self.entries if entry.covers(identity)), None)
        if entry is None:
            return verdict
        if entry.expired(self.today):
            finding = verdict.finding
            if finding.status in _KNOWABLE:
                excuse = f"{entry.where} excused this until {entry.until}: {entry.reason}"
                finding = _replaced(finding, finding.status, excuse)
            return dataclasses.replace(verdict, finding=finding)
        return dataclasses.replace(verdict, finding=entry.apply(verdict.finding))

    def faults(self, seen: Collection[str], known: Iterable[str]) -> list[str]:
        """What is wrong with the entries themselves: expired, or about nothing.

        Args:
            seen: identities of the cases of this run.
            known: those of every case of any run; asked only for entries that fit none of `seen`.
        """
        expired = [entry for entry in self.entries if entry.expired(self.today)]
        idle = [entry for entry in self.entries if entry not in expired and not any(map(entry.covers, seen))]
        for identity in known if idle else ():
            idle = [entry for entry in idle if not entry.covers(identity)]
            if not idle:
                break
        return [
            *(f"{entry.where} expired on {entry.until}: {entry.reason}" for entry in expired),
            *(f"{entry.where} fits no case of any run: {', '.join(entry.ids)}" for entry in idle),
        ]


def read(paths: Sequence[Path], today: date | None = None) -> Expectations:
    """Read files of expectations.

    Args:
        paths: TOML files.
        today: the day that `Expectation.until` is compared with; the present one, in UTC, when None.

    Raises:
        ExpectationError: a file cannot be read or understood; says where, what was seen and what is allowed.
    """
    entries = [entry for path in paths for entry in parse(_text(path), path.name)]
    return Expectations(tuple(entries), today or datetime.now(timezone.utc).date())


def parse(text: str, name: str) -> Iterator[Expectation]:
    """Understand the text of a file of expectations.

    Args:
        text: TOML, with one ``[[known_failure]]`` or ``[[known_flaky]]`` for each entry.
        name: the file's name, for messages.

    Raises:
        ExpectationError: the text is no TOML, or an entry is not as it should be.
    """
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - one of two, by version
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExpectationError(f"{name} is no TOML: {error}") from None
    for kind, found in tables.items():
        if kind not in KEYS or not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            allowed = " and ".join(f"[[{kind}]]" for kind in KEYS)
            raise ExpectationError(f"{name}: {kind!r} is not known; entries are {allowed}, in double brackets")
        for number, table in enumerate(found, start=1):
            yield _entry(kind, table, f"{name}, {kind} {number}")


def _entry(kind: Any, table: Mapping[str, Any], where: str) -> Expectation:
    for key in table:
        if key not in KEYS[kind]:
            raise ExpectationError(f"{where}: {key!r} is not known; an entry has {', '.join(KEYS[kind])}")
    until = table.get("until")
    if until is not None and type(until) is not date:
        raise ExpectationError(f"{where}: until is {until!r}; give a day without quotes, such as until = 2027-01-31")
    statuses = _texts(table, "status", where) if "status" in table else (Status.FAIL.value,)
    for status in statuses:
        if status not in {known.value for known in _KNOWABLE}:
            choice = ", ".join(known.value for known in _KNOWABLE)
            raise ExpectationError(f"{where}: status {status!r} cannot be expected; choose from {choice}")
    return Expectation(
        kind=kind,
        ids=_texts(table, "id", where),
        reason=_text_of(table, "reason", where),
        where=where,
        until=until,
        message=_text_of(table, "message", where) if "message" in table else "",
        statuses=tuple(map(Status, statuses)),
    )


def _text_of(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ExpectationError(f"{where}: {_seen(table, key)}; give it some text")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key)
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(text, str) and text.strip() for text in values):
        raise ExpectationError(f"{where}: {_seen(table, key)}; give one text or a list of them")
    return tuple(values)


def _seen(table: Mapping[str, Any], key: str) -> str:
    return f"{key} is {table[key]!r}" if key in table else f"{key} is missing"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExpectationError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _replaced(finding: Finding, status: Status, why: str) -> Finding:
    """The finding with another status, its message under the sentences that say why."""
    message = f"{why}\n{finding.message}" if finding.message else why
    return dataclasses.replace(finding, status=status, message=message)
