"""The ears of the process that all reports reach: pytest's own, or the controller of xdist's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.report import terminal
from pytest_nki_pool.report.tally import Decision, Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.session import PoolSession
    from pytest_nki_pool.verdict import Verdict


class Recorder:
    """Counts cases from collection to verdict, settles the exit code and prints the table.

    Args:
        session: what this run knows about NKI.
    """

    def __init__(self, session: PoolSession) -> None:
        self._session = session
        self._tally = Tally()
        self._decision = Decision(0)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected, so that a case without a verdict is seen."""
        self._tally.collect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note what a worker collected."""
        self._tally.collect(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """Give the case that a worker died of its verdict."""
        report.nki_pool = self._tally.crash(crashitem)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a report says."""
        record = getattr(report, "nki_pool", None)
        self._tally.record(record, when=report.when, outcome=report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is a failure that no retry mends."""
        self._tally.record(None, when="collect", outcome=report.outcome)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Settle the exit code: green means that something ran, and that every case has a good verdict."""
        if not _only_lists(session.config):
            concerned = self._session.settings.asked or self._tally.concerned
            self._decision = self._tally.decide(int(exitstatus), concerned=concerned)
            session.exitstatus = self._decision.exit_code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a short table; one line when quiet, nothing when very quiet."""
        verdicts = self._tally.verdicts
        if verdicts and not _only_lists(terminalreporter.config):
            if terminalreporter.verbosity >= 0:
                self._print_table(terminalreporter, verdicts)
            elif terminalreporter.verbosity == -1:
                terminalreporter.line(f"{terminal.title(verdicts)}: {terminal.summary(verdicts)}")
        if self._decision.reason:
            terminalreporter.line(f"nki-pool: {self._decision.reason}", red=True, bold=True)

    def _print_table(self, reporter: pytest.TerminalReporter, verdicts: Sequence[Verdict]) -> None:
        reporter.section(terminal.title(verdicts))
        for line in terminal.table(verdicts):
            reporter.line(line)
        for name, reason in self._session.missing.items():
            reporter.line(f"not run: {name}: {reason}")


def _only_lists(config: pytest.Config) -> bool:
    """Whether pytest was asked to list tests or fixtures instead of running anything."""
    option = config.option
    return bool(option.collectonly or option.showfixtures or option.show_fixtures_per_test)
