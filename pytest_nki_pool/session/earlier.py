"""What earlier reports say about the cases of a run: verdicts to take over, and cases that were bad before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.compare import is_bad
from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.merge import disagreement
from pytest_nki_pool.report.read import read
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.session.facts import gather
from pytest_nki_pool.verdict import CONSEQUENCES, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_nki_pool.report.model import Record, Report, Run
    from pytest_nki_pool.session.pool import PoolSession

#: A process that died may have been killed from outside; if it was the kernel, it will die again.
_UNDECIDED = frozenset({Status.CRASH, *(status for status in Status if CONSEQUENCES[status].gate == "retry")})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier reports say; cases by the text of their identity.

    Attributes:
        done: cases whose verdict is taken over.
        before: case -> its status in the baseline; None without a baseline.
        records: the verdicts taken over; only where the report is written.
        seconds: case -> how long it took, for dividing cases among shards.
    """

    done: frozenset[str] = frozenset()
    before: Mapping[str, str] | None = None
    records: tuple[Record, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def was_bad(self, identity: str) -> bool:
        """Whether a case was bad in the baseline already, so that it does not count."""
        return self.before is not None and is_bad(self.before.get(identity, ""))

    def to_json(self) -> dict[str, Any]:
        """What a worker process needs to know."""
        before = self.before and dict(self.before)
        return {"done": sorted(self.done), "before": before, "seconds": dict(self.seconds)}

    @classmethod
    def of(cls, session: PoolSession) -> Earlier:
        """Read the reports that a run starts from.

        Raises:
            ReportError: one of them cannot be used.
        """
        asked = session.settings.report
        records = _resumed(asked.resume, session) if asked.resume else ()
        before = _baseline(asked.baseline) if asked.baseline else None
        seconds = _seconds(asked.durations) if asked.durations and session.shard else {}
        return cls(frozenset(str(record.verdict.identity) for record in records), before, records, seconds)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Earlier:
        """Read `to_json` back."""
        return cls(frozenset(record["done"]), record["before"], seconds=record["seconds"])


def _resumed(path: Path, session: PoolSession) -> tuple[Record, ...]:
    """The verdicts of a run that did not end."""
    report = read(path)
    run = gather(session, Scrubber.of(session.settings.root), report.run.cases)
    return taken_over(report, run, _other_part(report.run, session))


def taken_over(report: Report, run: Run, difference: str = "") -> tuple[Record, ...]:
    """The verdicts of a run that did not end; those that say nothing about a kernel are left out.

    Args:
        report: of that run.
        run: the one that goes on.
        difference: what makes them two that cannot be told from the facts.

    Raises:
        ReportError: they are not the same run.
    """
    difference = disagreement(report.run, run) or difference
    if difference:
        raise ReportError(
            f"{report.name} is the report of another run: {difference}; run with the same settings, or anew"
        )
    records = {record.verdict.identity: record for record in report.records}
    return tuple(record for record in records.values() if record.verdict.finding.status not in _UNDECIDED)


def _other_part(run: Run, session: PoolSession) -> str:
    """How the part of the cases that a run had differs from that of this session; empty when it does not."""
    before = f"shard {run.shard['index']}/{run.shard['count']}" if run.shard else "the whole suite"
    now = f"shard {session.shard}" if session.shard else "the whole suite"
    return "" if before == now else f"it had {before}, and this run has {now}"


def _seconds(path: Path) -> dict[str, float]:
    """Case -> how long it took in a report, of a run that did not end as well."""
    return {str(identity): verdict.seconds for identity, verdict in read(path).verdicts.items()}


def _baseline(path: Path) -> dict[str, str]:
    """Case -> status in a report of a whole run."""
    return read(path).whole().statuses
