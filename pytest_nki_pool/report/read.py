"""Reports from files, in either JSON form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.document import lines_of
from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.lines import from_lines

if TYPE_CHECKING:
    from pytest_nki_pool.report.model import Report


def read(path: Path | str) -> Report:
    """Read a report.

    A file without its closing line, or cut in its last line, is one of a run that did not end: `Report.damage` says so.

    Raises:
        ReportError: there is no such file, or it is no report.
    """
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ReportError(f"{name}: {error.strerror or error}; give a .jsonl or .json report") from error
    document = _document(data)
    if document is not None:
        try:
            lines = lines_of(document)
        except ReportError as error:
            raise ReportError(f"{name}: {error}") from error
        return from_lines(lines, name)
    *whole, rest = data.split(b"\n")
    lines = [_parsed(line, name, number) for number, line in enumerate(whole, start=1)]
    return from_lines(lines, name, cut=bool(rest))


def _document(data: bytes) -> dict[str, Any] | None:
    """The document, if it is one and not lines."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "line" not in value else None


def _parsed(line: bytes, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ReportError(f"{name}, line {number}: it is no JSON; the file was changed or damaged") from error
