"""What GitHub shows of a run: annotations and the job summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.report import markdown
from pytest_nki_pool.verdict import CONSEQUENCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.report.model import Record, Report

#: GitHub shows no more of one step.
#: Source: GitHub Docs, "Workflow commands for GitHub Actions" and "Limits of annotations".
_MOST_ANNOTATIONS = 10


def commands(records: Sequence[Record]) -> list[str]:
    """The commands that annotate the first failures; empty outside GitHub Actions."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return []
    failures = [record for record in records if CONSEQUENCES[record.verdict.finding.status].outcome == "failed"]
    return [_annotation(record) for record in failures[:_MOST_ANNOTATIONS]]


def summarise(report: Report) -> str:
    """Write the job summary, if there is one to write to.

    Returns:
        Why it could not be written; empty when all is well. A summary is no reason for a run to fail.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return ""
    try:
        written = Path(path).stat().st_size if Path(path).exists() else 0
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(markdown.render(report, max(0, markdown.LIMIT - written)))
    except OSError as error:
        return f"the job summary is not written: {error.strerror or error}"
    return ""


def _annotation(record: Record) -> str:
    identity, finding = record.verdict.identity, record.verdict.finding
    title = f"{finding.status.value}: {identity.kernel}, {identity.backend} on {identity.target} {identity.platform}"
    body = f"{identity.check} {identity.case}\n{finding.message}\n{record.rerun}"
    return f"::error title={_property(title)}::{_data(body)}"


def _data(text: str) -> str:
    """A text as a workflow command carries it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
