"""The reports of a run: the evidence as it falls, the other formats at the end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.report import github
from pytest_nki_pool.report.formats import ReportError, missing, write
from pytest_nki_pool.report.lines import LinesWriter
from pytest_nki_pool.report.model import Gallery, Record, Report
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.session.facts import gather

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_nki_pool.report.model import Run
    from pytest_nki_pool.session.pool import PoolSession


class Output:
    """Writes what was asked for; written by the one process that all verdicts reach.

    Args:
        session: what this run knows about NKI.
    """

    def __init__(self, session: PoolSession) -> None:
        self._session = session
        self._settings = session.settings.report
        self._scrubber = Scrubber.of(session.settings.root)
        self._writer: LinesWriter | None = None
        self._run: Run | None = None
        self._records: list[Record] = []
        self._gallery = Gallery()

    def open(self) -> None:
        """Make sure that every file can be written, before anything runs.

        Raises:
            pytest.UsageError: one cannot.
        """
        sources = self._session.settings.sources
        source = sources["report"]
        evidence = self._settings.evidence
        if self._settings.artifacts:
            try:
                self._settings.artifacts.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise pytest.UsageError(f"{sources['artifacts']}: {in_words(error)}; name a folder") from error
        for path in self._settings.paths:
            lack = missing(path.name)
            if lack:
                raise pytest.UsageError(f"{source}: {lack}")
            if path != evidence:
                _check_writable(path, source)
        if evidence and self._writer is None:
            _check_writable(evidence, source)
            if not self._settings.resume:  # the verdicts taken over may stand there, and stay until they do anew
                self._writer = LinesWriter(evidence)

    def begin(self, cases: int) -> None:
        """Write the header and the verdicts taken over.

        Args:
            cases: how many cases the run consists of.

        Raises:
            OSError: the evidence cannot be written.
        """
        run = gather(self._session, self._scrubber, cases)
        records = [self._gallery.admit(record) for record in self._session.earlier.records]
        if self._writer:
            self._writer.write(run.to_json())
        elif self._settings.evidence:
            lines = [run.to_json(), *(record.to_json() for record in records)]
            self._writer = LinesWriter.replacing(self._settings.evidence, lines)
        self._records += records
        self._run = run

    @property
    def begun(self) -> bool:
        """Whether the header stands."""
        return self._run is not None

    def add(self, record: Record) -> None:
        """Write a verdict.

        Raises:
            OSError: the evidence cannot be written; it ends with the verdict before.
        """
        record = self._gallery.admit(scrubbed(record, self._scrubber))
        if self._writer:
            self._writer.write(record.to_json())
        self._records.append(record)

    def finish(self, unrun: Iterable[Record], *, complete: bool) -> list[str]:
        """Close the evidence and write every other report.

        Args:
            unrun: the cases that were never run.
            complete: whether the run came to its end.

        Returns:
            What could not be written, in words.
        """
        if self._run is None:
            self.abandon()
            return []
        faults = []
        try:
            for record in unrun if complete else ():
                self.add(record)
            if self._writer:
                self._writer.close(complete=complete)
        except OSError as error:
            complete = False
            faults.append(in_words(error))
        verdicts = f"{len(self._records)} of {self._run.cases} cases have a verdict"
        report = Report(self._run, tuple(self._records), "" if complete else f"the run ended early, and {verdicts}")
        faults += [_write(report, path) for path in self._settings.paths if path != self._settings.evidence]
        faults += [github.summarise(report)] if report.records else []
        return [fault for fault in faults if fault]

    def abandon(self) -> None:
        """Close the evidence of a run that never began; the file stays empty."""
        if self._writer:
            self._writer.close(complete=False)

    @property
    def annotations(self) -> list[str]:
        """What GitHub shall show beside the code."""
        return github.commands(self._records)


def scrubbed(record: Record, scrubber: Scrubber) -> Record:
    """The record without what must not leave the machine."""
    finding = dataclasses.replace(record.verdict.finding, message=scrubber.text(record.verdict.finding.message))
    return Record(dataclasses.replace(record.verdict, finding=finding), scrubber.text(record.rerun))


def in_words(error: OSError) -> str:
    """Which report cannot be written, and why."""
    return f"{error.filename or 'the report'} cannot be written: {error.strerror or error}"


def _write(report: Report, path: Path) -> str:
    """Write one report; what is wrong, or empty."""
    try:
        write(report, path)
    except OSError as error:
        return in_words(error)
    except ReportError as error:
        return f"{path.name} is not written: {error}"
    return ""


def _check_writable(path: Path, source: str) -> None:
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise pytest.UsageError(f"{source}: {in_words(error)}; name a file in a folder that is there") from error
    if not existed:
        path.unlink()
