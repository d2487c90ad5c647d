"""What a report says in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_nki_pool.verdict import CONSEQUENCES, NOT_EXECUTED, Status

if TYPE_CHECKING:
    from pytest_nki_pool.report.model import Report


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the verdicts amount to.

    Attributes:
        answer: whether the kernels conform.
        text: the answer in words, with target and platform: no claim holds without them.
    """

    answer: Literal["yes", "no", "unknown"]
    text: str


def conclude(report: Report) -> Conclusion:
    """Say what a report amounts to; an incomplete one answers "yes" never."""
    statuses = [verdict.finding.status for verdict in report.verdicts.values()]
    gates = [CONSEQUENCES[status].gate for status in statuses]
    where = f"on {report.run.target} {', '.join(report.run.platforms)}"
    if report.run.shard:
        where += f", shard {report.run.shard['index']} of {report.run.shard['count']} alone"
    if "bad" in gates:
        return Conclusion("no", f"not conformant {where}: {gates.count('bad')} of {report.run.cases} cases")
    if report.damage:
        return Conclusion("unknown", f"not known {where}: the report is incomplete")
    if "retry" in gates:
        return Conclusion(
            "unknown", f"not known {where}: {gates.count('retry')} of {report.run.cases} cases not judged"
        )
    if not any(status not in NOT_EXECUTED for status in statuses):
        return Conclusion("unknown", f"not known {where}: nothing was executed")
    known = statuses.count(Status.XFAIL)
    return Conclusion("yes", f"conformant {where}" + (f" but for {known} known failures" if known else ""))
