"""A badge in the JSON that shields.io and its relatives draw."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.report.conclusion import conclude

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.report.model import Report

_COLOURS: Mapping[str, str] = MappingProxyType({"yes": "brightgreen", "no": "red", "unknown": "lightgrey"})


def render(report: Report) -> str:
    """The badge.

    Source of its keys: shields.io, "Endpoint badge".

    Raises:
        ReportError: the report is incomplete: a badge shows neither that nor why.
    """
    conclusion = conclude(report.whole())
    colour = _COLOURS[conclusion.answer]
    badge = {"schemaVersion": 1, "label": "NKI average pool", "message": conclusion.text, "color": colour}
    return json.dumps(badge, indent=1) + "\n"
