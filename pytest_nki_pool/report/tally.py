"""What was collected, what was run, and what that makes of the exit code; kept where all reports arrive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nki_pool.spec.platforms import GENERATIONS
from pytest_nki_pool.verdict import CONSEQUENCES, NOT_EXECUTED, Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

#: Exit code when a scheduler should run the job again: EX_TEMPFAIL of sysexits.h.
RETRY = 75


class Decision(NamedTuple):
    """An exit code and, where it is not pytest's own, the reason."""

    exit_code: int
    reason: str = ""


class Tally:
    """Counts the suite's cases from collection to verdict."""

    def __init__(self) -> None:
        self._collected: set[Identity] = set()
        self._verdicts: dict[Identity, Verdict] = {}
        self._own_tests = 0
        self._other_failures = 0

    def collect(self, nodeids: Iterable[str]) -> None:
        """Note the tests that were collected."""
        self._collected.update(identity for nodeid in nodeids if (identity := identity_of(nodeid)))

    def record(self, record: Mapping[str, Any] | None, *, when: str | None, outcome: str) -> None:
        """Note what a report says: a verdict, a user's own NKI test that ran, or an unrelated failure."""
        if record is not None and "status" in record:
            verdict = Verdict.from_json(record)
            self._verdicts[verdict.identity] = verdict
        elif record is not None and when == "call" and outcome != "skipped":
            self._own_tests += 1
        if outcome == "failed" and "status" not in (record or ()):
            self._other_failures += 1

    def crash(self, nodeid: str) -> Verdict | None:
        """The verdict of a case whose process died under it; None for a test that is no case."""
        identity = identity_of(nodeid)
        message = "the process running this case died"
        return Verdict(identity, Finding(Status.CRASH, message)) if identity else None

    def take(self, verdicts: Iterable[Verdict]) -> None:
        """Note verdicts of an earlier run."""
        self._verdicts.update((verdict.identity, verdict) for verdict in verdicts)

    @property
    def unrun(self) -> list[Verdict]:
        """The cases that were collected and have no verdict."""
        missing = sorted(self._collected - self._verdicts.keys())
        return [Verdict(identity, Finding(Status.NOT_RUN, "collected, but never run")) for identity in missing]

    @property
    def collected(self) -> int:
        """How many cases the suite collected."""
        return len(self._collected)

    @property
    def concerned(self) -> bool:
        """Whether the suite took part in this run."""
        return bool(self._collected or self._verdicts)

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict, cases that never ran included, in the order of their identities."""
        return sorted((*self._verdicts.values(), *self.unrun), key=lambda verdict: verdict.identity)

    def decide(
        self, exit_code: int, *, concerned: bool, faults: Sequence[str] = (), excused: Collection[Identity] = ()
    ) -> Decision:
        """What the run's exit code must be.

        Args:
            exit_code: pytest's own, 0 or 1; others are never changed.
            concerned: whether anything was asked of NKI, so that a run without executed case is a failure.
            faults: what is wrong with the run whatever the verdicts are.
            excused: cases whose being bad does not count.
        """
        if exit_code not in (0, 1):
            return Decision(exit_code)
        gates = {CONSEQUENCES[v.finding.status].gate for v in self.verdicts if v.identity not in excused}
        executed = self._own_tests + sum(verdict.finding.status not in NOT_EXECUTED for verdict in self.verdicts)
        if "bad" in gates or self._other_failures or faults:
            return Decision(1, "; ".join(faults))
        if "retry" in gates:
            statuses = {v.finding.status for v in self.verdicts if CONSEQUENCES[v.finding.status].gate == "retry"}
            names = ", ".join(sorted(status.value for status in statuses))
            return Decision(RETRY, f"only {names} stand between this run and green; run it again")
        if concerned and not executed:
            return Decision(1, "nothing was executed: no case ran, so nothing is known to conform")
        return Decision(0 if excused else exit_code)


def identity_of(nodeid: str) -> Identity | None:
    """The identity in a test's node id; None for a test that is no case of the suite."""
    match = re.search(r"\[(.+)\](?:@\w+)?$", nodeid.rpartition("::")[2])
    identity = Identity.parse(match[1]) if match else None
    return identity if identity and identity.platform in GENERATIONS else None
