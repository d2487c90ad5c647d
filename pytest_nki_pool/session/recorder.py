"""The ears of the process that all reports reach: pytest's own, or the controller of xdist's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.report import terminal
from pytest_nki_pool.report.compare import changes, is_bad
from pytest_nki_pool.report.model import Record
from pytest_nki_pool.report.tally import Decision, Tally
from pytest_nki_pool.session.output import Output, in_words
from pytest_nki_pool.session.pool import only_lists
from pytest_nki_pool.verdict import CONSEQUENCES, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.session.pool import PoolSession
    from pytest_nki_pool.verdict import Identity, Verdict

#: Exit codes of pytest after which cases are left: interrupted, internal error, usage error.
_ENDED_EARLY = frozenset({2, 3, 4})
#: Exit code of pytest for a run that was stopped.
_STOPPED = 2


class Recorder:
    """Counts cases from collection to verdict, settles the exit code and prints the table.

    Args:
        session: what this run knows about NKI.
    """

    def __init__(self, session: PoolSession) -> None:
        self._session = session
        self._tally = Tally()
        self._output = Output(session)
        self._decision = Decision(0)

    def open(self, config: pytest.Config) -> None:
        """Make sure, before anything runs, that the reports can be written.

        Raises:
            pytest.UsageError: they cannot.
        """
        if not only_lists(config):
            self._output.open()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected, so that a case without a verdict is seen."""
        self._tally.collect(item.nodeid for item in session.items)
        if not only_lists(session.config):
            self._begin()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Note what a worker collected; all collect the same."""
        if self._session.shard:
            self._session.cases_of_all_shards = node.workerinput["nki_pool_cases"].receive()
        self._tally.collect(ids)
        self._begin()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """Give the case that a worker died of its verdict."""
        verdict = self._tally.crash(crashitem)
        if verdict is None:
            return
        verdict = self._session.expectations.apply(verdict)
        report.nki_pool = self._record_of(verdict).to_wire()
        report.outcome = CONSEQUENCES[verdict.finding.status].outcome
        if verdict.finding.status is Status.XFAIL or self._session.earlier.was_bad(str(verdict.identity)):
            report.outcome = "skipped"
            report.wasxfail = verdict.finding.message

    @pytest.hookimpl(trylast=True)  # when the disk is full, everybody else has had the report
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a report says."""
        record = getattr(report, "nki_pool", None)
        self._tally.record(record, when=report.when, outcome=report.outcome)
        if record is not None and "status" in record:
            try:
                self._output.add(Record.from_wire(record))
            except OSError as error:
                pytest.exit(f"nki-pool: {in_words(error)}; it holds every verdict before this one", returncode=_STOPPED)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is a failure that no retry mends."""
        self._tally.record(None, when="collect", outcome=report.outcome)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Settle the exit code: green means that something ran, and that every case has a good verdict."""
        if not only_lists(session.config):
            concerned = self._session.settings.asked or self._tally.concerned
            seen = {str(verdict.identity) for verdict in self._tally.verdicts}
            faults = self._session.faulty_expectations(seen) if concerned else []
            faults += self._finish(ended=exitstatus not in _ENDED_EARLY)
            # What a shard of a few cases does not execute, others may; of the whole, merging the reports tells.
            is_part = self._session.cases_of_all_shards > 0
            nothing_left = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and (
                is_part or self._session.earlier.records
            )
            self._decision = self._tally.decide(
                0 if nothing_left else int(exitstatus),
                concerned=concerned and not is_part,
                faults=faults,
                excused=self._excused(),
            )
            session.exitstatus = self._decision.exit_code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a short table; one line when quiet, nothing when very quiet."""
        verdicts = self._tally.verdicts
        if verdicts and not only_lists(terminalreporter.config):
            if terminalreporter.verbosity >= 0:
                self._print_table(terminalreporter, verdicts)
            elif terminalreporter.verbosity == -1:
                terminalreporter.line(f"{terminal.title(verdicts)}: {terminal.summary(verdicts)}")
        for line in () if only_lists(terminalreporter.config) else self._against_baseline(verdicts):
            terminalreporter.line(line, red=line.startswith("regression"))
        for line in self._output.annotations:
            terminalreporter.line(line)
        for note in self._session.close():
            terminalreporter.line(f"nki-pool: {note}")
        if self._decision.reason:
            terminalreporter.line(f"nki-pool: {self._decision.reason}", red=True, bold=True)

    def _begin(self) -> None:
        """Write the header, once it is known how many cases there are."""
        taken = [record.verdict for record in self._session.earlier.records]
        self._tally.take(taken)
        if not self._output.begun and (self._session.concerned or self._tally.concerned):
            try:
                self._output.begin(self._tally.collected + len(taken))
            except OSError as error:
                raise pytest.UsageError(f"{self._session.settings.sources['report']}: {in_words(error)}") from error

    def _finish(self, *, ended: bool) -> list[str]:
        return self._output.finish(map(self._record_of, self._tally.unrun), complete=ended)

    def _record_of(self, verdict: Verdict) -> Record:
        return Record(verdict, self._session.rerun_of(verdict.identity))

    def _against_baseline(self, verdicts: Sequence[Verdict]) -> list[str]:
        """What is worse than in the baseline, case by case, and what else changed in numbers."""
        before = self._session.earlier.before
        if before is None or not verdicts:
            return []
        now = {str(verdict.identity): verdict.finding.status.value for verdict in verdicts}
        difference = changes(before, now)
        counts = {
            "regressions": len(difference.regressions),
            "bad as before": len(self._excused()),
            "fixes": len(difference.fixes),
            "new": len(difference.new),
        }
        summary = ", ".join(f"{count} {what}" for what, count in counts.items())
        return [*(f"regression: {change}" for change in difference.regressions), f"against the baseline: {summary}"]

    def _excused(self) -> set[Identity]:
        """The cases that are bad and were bad in the baseline."""
        earlier = self._session.earlier
        bad = (verdict.identity for verdict in self._tally.verdicts if is_bad(verdict.finding.status.value))
        return {identity for identity in bad if earlier.was_bad(str(identity))}

    def _print_table(self, reporter: pytest.TerminalReporter, verdicts: Sequence[Verdict]) -> None:
        reporter.section(terminal.title(verdicts))
        for line in terminal.table(verdicts):
            reporter.line(line)
        for name, text in terminal.aspects(verdicts).items():
            reporter.line(f"{name}: {text}")
        for name, reason in self._session.missing.items():
            reporter.line(f"not run: {name}: {reason}")
        for path in self._session.settings.report.paths:
            reporter.line(f"report: {path}")
