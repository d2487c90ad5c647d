"""The formats of a report: a new one is one function ``Report -> text`` and one line here."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_nki_pool.report.model import Report

#: Suffix of the format that a run writes case by case; every other one is rendered from it.
LINES = ".jsonl"

#: Suffix -> ``module:function``, imported when it is needed: a function of a `Report` that gives the file's text.
RENDERERS: Mapping[str, str] = MappingProxyType(
    {
        LINES: "pytest_nki_pool.report.lines:render",
        ".json": "pytest_nki_pool.report.document:render",
        ".md": "pytest_nki_pool.report.markdown:render",
        ".html": "pytest_nki_pool.report.html:render",
        ".badge.json": "pytest_nki_pool.report.badge:render",
    }
)


#: Suffix -> the module that its format needs besides what is always installed; the extra "report" has all of them.
_REQUIRES: Mapping[str, str] = MappingProxyType({".html": "jinja2"})


class ReportError(ValueError):
    """A report that cannot be read, written or used; the message says why and what to do."""


def suffix_of(name: str) -> str:
    """The suffix that decides the format of a file.

    Raises:
        ReportError: no format has such a suffix.
    """
    fitting = [suffix for suffix in RENDERERS if name.endswith(suffix)]
    if not fitting:
        raise ReportError(f"{name}: a report is written in the format of its suffix; choose {', '.join(RENDERERS)}")
    return max(fitting, key=len)


def missing(name: str) -> str:
    """What the format of a file lacks and how to get it; empty when it lacks nothing."""
    module = _REQUIRES.get(suffix_of(name))
    if module is None or find_spec(module):
        return ""
    return f"{name}: this format needs {module}; install it with: pip install 'pytest-nki-pool[report]'"


def render(report: Report, path: Path) -> str:
    """The text of a report in the format of a path.

    Raises:
        ReportError: no format has such a suffix, or this one lacks a module or does not take this report.
    """
    lack = missing(path.name)
    if lack:
        raise ReportError(lack)
    module, _, function = RENDERERS[suffix_of(path.name)].partition(":")
    renderer: Callable[[Report], str] = getattr(import_module(module), function)
    return renderer(report)


def write(report: Report, path: Path) -> None:
    """Write a report in the format of its path, whole or not at all.

    Raises:
        ReportError: no format has such a suffix, or this one does not take this report.
        OSError: it cannot be written.
    """
    text = render(report, path)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
