"""Markdown, in a size that a GitHub job summary takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.report import terminal
from pytest_nki_pool.report.conclusion import conclude
from pytest_nki_pool.verdict import CONSEQUENCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nki_pool.report.model import Record, Report

#: GitHub takes 1 MiB of one step, and other steps of the same tool may write as well.
#: Source: GitHub Docs, "Workflow commands for GitHub Actions", job summaries.
LIMIT = 900 * 1024
_LONGEST_MESSAGE = 4000
_LONGEST_VALUE = 200


def render(report: Report, limit: int = LIMIT) -> str:
    """The text of the file: the answer, the table, the failures, what was not run, the environment.

    Args:
        report: what to say.
        limit: most bytes of the text; failures that do not fit are counted.
    """
    verdicts = list(report.verdicts.values())
    top = [f"# Average pool: {conclude(report).text}", ""]
    if report.damage:
        top += [f"**Incomplete:** {report.damage}.", ""]
    if verdicts:
        head, body = terminal.grid(verdicts)
        aligned = ["---" if column < 3 else "---:" for column in range(len(head))]
        top += [*map(_row, (head, aligned, *body)), ""]
        top += [f"- {aspect}: {text}" for aspect, text in terminal.aspects(verdicts).items()]
    bottom = ["", *_not_run(report), "## Environment", "", *_environment(report), ""]
    left = limit - len("\n".join((*top, *bottom)).encode())
    return "\n".join((*top, *_failures(report.records, left), *bottom))


def _failures(records: Sequence[Record], left: int) -> list[str]:
    """As many failures as fit, and how many more there are."""
    failures = [record for record in records if CONSEQUENCES[record.verdict.finding.status].outcome == "failed"]
    lines = ["", f"## {len(failures)} failures", ""] if failures else []
    left -= 200
    for number, record in enumerate(failures):
        text = "\n".join(_failure(record))
        left -= len(text.encode()) + 1
        if left < 0:
            return [*lines, f"{len(failures) - number} more failures do not fit here; the JSON report has all of them."]
        lines.append(text)
    return lines


def _failure(record: Record) -> Iterator[str]:
    finding, identity = record.verdict.finding, record.verdict.identity
    message = finding.message[:_LONGEST_MESSAGE]
    fence = "`" * max(3, *(len(run) + 1 for run in _backticks(message)))
    yield f"<details><summary>{finding.status.value} <code>{identity}</code></summary>"
    yield from ("", f"{fence}text", message, "", record.rerun, fence, "", "</details>", "")


def _backticks(text: str) -> list[str]:
    """Runs of backticks, which a fence must be longer than."""
    return "".join(letter if letter == "`" else " " for letter in text).split() or [""]


def _not_run(report: Report) -> list[str]:
    lines = [f"- {name}: {reason}" for name, reason in report.run.not_run.items()]
    return ["## Not run", "", *lines, ""] if lines else []


def _environment(report: Report) -> Iterator[str]:
    run = report.run
    yield f"- target: {run.target}, " + ", ".join(
        f"{name} ({generation})" for name, generation in run.platforms.items()
    )
    yield "- versions: " + ", ".join(f"{name} {version}" for name, version in run.versions.items())
    for name, kernel in run.kernels.items():
        about = f"`{kernel['target']}`, {kernel['dialect']}, accuracy class {kernel['claims']['accuracy']}"
        yield f"- kernel {name}: {about}, sha256 `{kernel['sha256']}`"
    given = {name: entry for name, entry in run.settings.items() if entry["values"]}
    for name, entry in given.items():
        yield f"- {name}: {', '.join(entry['values'])[:_LONGEST_VALUE]} [{entry['source']}]"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
