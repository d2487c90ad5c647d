"""JSON Lines, the form in which evidence is kept: a header, one line per verdict as it falls, a closing line."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.model import Record, Report, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


class LinesWriter:
    """Writes line by line: whatever happens, the file holds every line that was written, and no part of another.

    Args:
        path: the file; what it held is gone.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._size = 0
        self._digest = Digest()

    @classmethod
    def replacing(cls, path: Path, lines: Iterable[Mapping[str, Any]]) -> LinesWriter:
        """A writer behind the first lines of a file, which holds what it held until all of them stand in its place.

        Args:
            path: the file; what is no regular file, such as a device, is written in place.
            lines: header, and verdicts taken over.

        Raises:
            OSError: they cannot be written; the file is as it was.
        """
        final = path.resolve()
        in_place = final.exists() and not final.is_file()
        writer = cls(path if in_place else final.with_name(f".{final.name}.part"))
        try:
            for line in lines:
                writer.write(line)
            if not in_place:
                os.fsync(writer._file.fileno())  # or the new name may outlive a power failure, and its bytes not
                writer.path.replace(final)
        except OSError:
            writer._file.close()
            if not in_place:
                writer.path.unlink(missing_ok=True)
            raise
        writer.path = path
        return writer

    def write(self, line: Mapping[str, Any]) -> None:
        """Write the header or a verdict.

        Raises:
            OSError: the disk is full, for example; the file ends with the line before.
        """
        self._append(self._digest.take(line))

    def close(self, *, complete: bool) -> None:
        """End the file.

        Args:
            complete: whether to write the closing line: every case has its verdict.

        Raises:
            OSError: as for `write`.
        """
        try:
            if complete:
                self._append(encode(self._digest.closing()))
        finally:
            self._file.close()

    def _append(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
            if written != len(data):  # a full disk takes what fits, and says so on the next attempt
                self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):  # a device file has no size
                self._file.truncate(self._size)
            self._file.close()
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._size += len(data)


class Digest:
    """What the closing line says of the lines before it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._statuses = Counter[str]()

    def take(self, line: Mapping[str, Any]) -> bytes:
        """Count a line, and give its bytes."""
        data = encode(line)
        self._sha256.update(data)
        if line["line"] == "verdict":
            self._statuses[line["status"]] += 1
        return data

    def closing(self) -> dict[str, Any]:
        """The closing line: how many verdicts, of which status, and the SHA-256 of all bytes before it."""
        statuses = dict(sorted(self._statuses.items()))
        return {
            "line": "end",
            "cases": sum(statuses.values()),
            "statuses": statuses,
            "sha256": self._sha256.hexdigest(),
        }


def encode(line: Mapping[str, Any]) -> bytes:
    """The bytes of a line."""
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def to_lines(report: Report) -> list[dict[str, Any]]:
    """Every line of a report; the closing one only when it is complete."""
    lines = [report.run.to_json(), *(record.to_json() for record in report.records)]
    digest = Digest()
    for line in lines:
        digest.take(line)
    return lines if report.damage else [*lines, digest.closing()]


def from_lines(lines: Sequence[Any], name: str, *, cut: bool = False) -> Report:
    """Understand the lines of a report.

    Args:
        lines: header, verdicts and, of a complete report, the closing line.
        name: how messages call the report.
        cut: whether another line began and did not end.

    Raises:
        ReportError: a line is not what it should be, or the closing line does not fit those before it.
    """
    if not lines:
        raise ReportError(f"{name} is empty: the run ended before its first case")
    ended = isinstance(lines[-1], dict) and lines[-1].get("line") == "end"
    body = lines[:-1] if ended else lines
    digest = Digest()
    records = []
    for number, line in enumerate(body, start=1):
        try:
            if number == 1:
                run = Run.from_json(line)
            else:
                records.append(Record.from_json(line))
        except ReportError as error:
            raise ReportError(f"{name}, line {number}: {error}") from error
        digest.take(line)
    if ended and (cut or lines[-1] != digest.closing()):
        raise ReportError(f"{name}: its closing line does not fit the lines before it; the file was changed or damaged")
    return Report(run, tuple(records), "" if ended else _damage(run, records, cut=cut), name)


def _damage(run: Run, records: Sequence[Record], *, cut: bool) -> str:
    end = "it is cut in its last line" if cut else "it has no closing line"
    return f"{end}, and {len(records)} of {run.cases} cases have a verdict"


def render(report: Report) -> str:
    """The text of the file."""
    return b"".join(map(encode, to_lines(report))).decode()
