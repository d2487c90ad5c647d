"""What earlier reports say about the cases of a run: verdicts to take over, and cases that were bad before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.compare import is_bad
from pytest_nki_pool.report.facts import gather
from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.merge import disagreement
from pytest_nki_pool.report.read import read
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.verdict import CONSEQUENCES, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_nki_pool.report.model import Record
    from pytest_nki_pool.session import PoolSession

#: A process that died may have been killed from outside; if it was the kernel, it will die again.
_UNDECIDED = frozenset({Status.CRASH, *(status for status in Status if CONSEQUENCES[status].gate == "retry")})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier reports say; cases by the text of their identity.

    Attributes:
        done: cases whose verdict is taken over.
        before: case -> its status in the baseline; None without a baseline.
        records: the verdicts taken over; only where the report is written.
    """

    done: frozenset[str] = frozenset()
    before: Mapping[str, str] | None = None
    records: tuple[Record, ...] = ()

    def was_bad(self, identity: str) -> bool:
        """Whether a case was bad in the baseline already, so that it does not count."""
        return self.before is not None and is_bad(self.before.get(identity, ""))

    def to_json(self) -> dict[str, Any]:
        """What a worker process needs to know."""
        return {"done": sorted(self.done), "before": self.before and dict(self.before)}

    @classmethod
    def of(cls, session: PoolSession) -> Earlier:
        """Read the reports that a run starts from.

        Raises:
            ReportError: one of them cannot be used.
        """
        asked = session.settings.report
        records = _resumed(asked.resume, session) if asked.resume else ()
        before = _baseline(asked.baseline) if asked.baseline else None
        return cls(frozenset(str(record.verdict.identity) for record in records), before, records)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Earlier:
        """Read `to_json` back."""
        return cls(frozenset(record["done"]), record["before"])


def _resumed(path: Path, session: PoolSession) -> tuple[Record, ...]:
    """The verdicts of a run that did not end; those that say nothing about a kernel are left out."""
    report = read(path)
    run = gather(session, Scrubber.of(session.settings.root), report.run.cases)
    difference = disagreement(report.run, run)
    if difference:
        raise ReportError(f"{path} is the report of another run: {difference}; run with the same settings, or anew")
    records = {record.verdict.identity: record for record in report.records}
    return tuple(record for record in records.values() if record.verdict.finding.status not in _UNDECIDED)


def _baseline(path: Path) -> dict[str, str]:
    """Case -> status in a report of a whole run."""
    return read(path).whole().statuses
