"""``nki-pool show``, ``render``, ``merge`` and ``diff``: what can be done with reports once they are written."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.report import formats
from pytest_nki_pool.report.compare import compare
from pytest_nki_pool.report.conclusion import conclude
from pytest_nki_pool.report.document import to_document
from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.merge import merge as merged
from pytest_nki_pool.report.read import read

if TYPE_CHECKING:
    from argparse import Namespace

    from pytest_nki_pool.report.model import Report


def show(args: Namespace) -> Answer:
    """Show a report, that of a run that did not end included.

    Args:
        args: ``report`` and ``failures``, see `pytest_nki_pool.cli`.

    Raises:
        CliError: it is no report, or Rich is not installed.
    """
    report = _read(args.report)
    if args.json:
        return Answer("", to_document(report))
    if not find_spec("rich"):
        raise CliError("show needs rich; install it with: pip install 'pytest-nki-pool[report]', or use --json")
    from pytest_nki_pool.report.tables import draw  # noqa: PLC0415 - Rich is an extra

    return Answer(draw(report, args.failures), None)


def render(args: Namespace) -> Answer:
    """Write a report in other formats.

    Args:
        args: ``report`` and ``path``, see `pytest_nki_pool.cli`.

    Raises:
        CliError: it is no report, or a path cannot be written.
    """
    report = _read(args.report)
    for path in args.path:
        _write(report, path)
    return Answer("\n".join(f"{path}: {conclude(report).text}" for path in args.path), {"written": args.path})


def merge(args: Namespace) -> Answer:
    """Make one report of several.

    Args:
        args: ``report`` and ``output``, see `pytest_nki_pool.cli`.

    Raises:
        CliError: they do not fit together; the message names the one that does not.
    """
    reports = [_read(path) for path in args.report]
    try:
        whole = merged(reports)
    except ReportError as error:
        raise CliError(str(error)) from error
    _write(whole, args.output)
    text = f"{args.output}: {whole.run.cases} cases of {len(reports)} reports, {conclude(whole).text}"
    return Answer(text, {"written": args.output, "cases": whole.run.cases, "reports": args.report})


def diff(args: Namespace) -> Answer:
    """Say what changed from one report to another.

    Args:
        args: ``old`` and ``new``, see `pytest_nki_pool.cli`.

    Raises:
        CliError: one of them is incomplete, or they have nothing in common.
    """
    try:
        difference = compare(_read(args.old), _read(args.new))
    except ReportError as error:
        raise CliError(str(error)) from error
    data = difference.to_json()
    lines = [f"{len(cases)} {kind}" for kind, cases in data.items()]
    for kind in data:
        lines += [f"{kind}: {change}" for change in getattr(difference, kind)]
    return Answer("\n".join(lines), data, exit_code=1 if difference.regressions else 0)


def _read(path: str) -> Report:
    try:
        return read(path)
    except ReportError as error:
        raise CliError(str(error)) from error


def _write(report: Report, path: str) -> None:
    try:
        formats.write(report, Path(path))
    except ReportError as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}") from error
