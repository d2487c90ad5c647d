"""A report as tables in a terminal."""

from __future__ import annotations

import sys
from io import StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_nki_pool.report import terminal
from pytest_nki_pool.report.conclusion import conclude
from pytest_nki_pool.verdict import CONSEQUENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.report.model import Report

#: Outside a terminal nothing is cut or wrapped, so that other tools can read it.
_WIDE = 10_000
_COLOURS: Mapping[str, str] = MappingProxyType({"yes": "bold green", "no": "bold red", "unknown": "bold yellow"})


def draw(report: Report, failures: int) -> str:
    """The report as text, in colour when it goes to a terminal.

    Args:
        report: what to show.
        failures: how many failures to show in full.
    """
    text = StringIO()
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal else _WIDE
    console = Console(file=text, force_terminal=is_terminal, width=width, highlight=False)
    conclusion = conclude(report)
    console.print(Text(conclusion.text, _COLOURS[conclusion.answer]))
    if report.damage:
        console.print(Text(f"incomplete: {report.damage}", _COLOURS["unknown"]))
    verdicts = list(report.verdicts.values())
    if verdicts:
        console.print(_table(*terminal.grid(verdicts)))
    for aspect, summary in terminal.aspects(verdicts).items():
        console.print(Text(f"{aspect}: {summary}"))
    failed = [record for record in report.records if CONSEQUENCES[record.verdict.finding.status].outcome == "failed"]
    for record in failed[:failures]:
        finding = record.verdict.finding
        console.print(Text(f"\n{finding.status.value} {record.verdict.identity}", _COLOURS["no"]))
        console.print(Text(f"{finding.message}\n{record.rerun}"))
    if len(failed) > failures:
        console.print(Text(f"\n{len(failed) - failures} more failures; --failures=N shows more", _COLOURS["unknown"]))
    return text.getvalue().rstrip("\n")


def _table(head: list[str], body: list[list[str]]) -> Table:
    table = Table(show_edge=False)
    for column, name in enumerate(head):
        table.add_column(name, justify="left" if column < 3 else "right")
    for row in body:
        table.add_row(*map(Text, row))
    return table
