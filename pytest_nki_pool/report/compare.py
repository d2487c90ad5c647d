"""What changed from one report to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.verdict import CONSEQUENCES, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.report.model import Report


@dataclass(frozen=True, slots=True)
class Change:
    """One case whose status is not what it was.

    Attributes:
        identity: the case.
        before: its status in the old report; empty when it is not there.
        now: its status in the new one; empty when it is not there.
    """

    identity: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.identity}: {self.before or 'not there'} -> {self.now or 'not there'}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one report to another; a case that is new and bad is a regression as well.

    Attributes:
        regressions: bad now, and not bad before.
        fixes: bad before, and good now.
        changed: any other change of status.
        new: only in the new report.
        gone: only in the old one.
    """

    regressions: tuple[Change, ...]
    fixes: tuple[Change, ...]
    changed: tuple[Change, ...]
    new: tuple[Change, ...]
    gone: tuple[Change, ...]

    def to_json(self) -> dict[str, list[dict[str, str]]]:
        """A form that JSON can carry."""
        return {kind: [asdict(change) for change in getattr(self, kind)] for kind in self.__slots__}


def compare(old: Report, new: Report) -> Difference:
    """Say what changed.

    Raises:
        ReportError: a report is incomplete, or they have no case in common.
    """
    before, now = old.whole().statuses, new.whole().statuses
    if not before.keys() & now.keys():
        raise ReportError(f"{old.name} and {new.name} have no case in common: other kernels, paths, target or platform")
    return changes(before, now)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> Difference:
    """Sort the cases whose status changed.

    Args:
        before: case -> status.
        now: case -> status.
    """
    kinds: dict[str, list[Change]] = {kind: [] for kind in Difference.__slots__}
    for identity in sorted({*before, *now}):
        change = Change(identity, before.get(identity, ""), now.get(identity, ""))
        for kind in _kinds(change) if change.before != change.now else ():
            kinds[kind].append(change)
    return Difference(**{kind: tuple(found) for kind, found in kinds.items()})


def is_bad(status: str) -> bool:
    """Whether a status of this name makes a run exit with 1; the empty one of a case that is not there does not."""
    return status != "" and CONSEQUENCES[Status(status)].gate == "bad"


def _kinds(change: Change) -> tuple[str, ...]:
    if not change.now:
        return ("gone",)
    worse = ("regressions",) if is_bad(change.now) and not is_bad(change.before) else ()
    if not change.before:
        return ("new", *worse)
    good = CONSEQUENCES[Status(change.now)].gate == "good"
    return worse or (("fixes",) if is_bad(change.before) and good else ("changed",))
