"""The same as one JSON document, for whoever would rather not read line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.lines import to_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.report.model import Report


def render(report: Report) -> str:
    """The text of the file: the header, the verdicts, and the closing line or what is amiss."""
    return json.dumps(to_document(report), indent=1) + "\n"


def to_document(report: Report) -> dict[str, Any]:
    """The document as JSON carries it."""
    header, *verdicts = to_lines(report)
    end = None if report.damage else verdicts.pop()
    return {"header": header, "verdicts": verdicts, "end": end, "damage": report.damage}


def lines_of(document: Mapping[str, Any]) -> list[Any]:
    """The lines that a document was made of.

    Raises:
        ReportError: it is no such document.
    """
    try:
        end = [document["end"]] if document["end"] is not None else []
        return [document["header"], *document["verdicts"], *end]
    except (KeyError, TypeError) as error:
        raise ReportError("it is no report: a JSON report has header, verdicts, end and damage") from error
