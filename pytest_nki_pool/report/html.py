"""HTML: one page that needs no network and holds everything there is to say of a run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from pytest_nki_pool.report import terminal
from pytest_nki_pool.report.conclusion import conclude
from pytest_nki_pool.report.html_roofline import rooflines
from pytest_nki_pool.spec.platforms import GENERATIONS
from pytest_nki_pool.verdict import CONSEQUENCES, NOT_EXECUTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nki_pool.report.model import Record, Report
    from pytest_nki_pool.verdict import Verdict

#: Reasons for which cases were not run that are listed; the others are counted.
_REASONS = 30


def render(report: Report) -> str:
    """The text of the file: the answer, the matrix, the cases, rooflines, what was not run, the environment."""
    page = resources.files(__package__) / "page"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    verdicts = list(report.verdicts.values())
    return environment.from_string((page / "page.html").read_text(encoding="utf-8")).render(
        answer=conclude(report).answer,
        headline=_headline(report),
        report=report,
        run=report.run,
        accuracies=_accuracies(report),
        tier=_tier(report),
        aspects=terminal.aspects(verdicts),
        matrix=_matrix(verdicts),
        unrun=_unrun(verdicts),
        style=(page / "page.css").read_text(encoding="utf-8"),
        script=(page / "page.js").read_text(encoding="utf-8"),
        data=_embedded({"cases": [_case(record) for record in report.records], "rooflines": rooflines(report.records)}),
    )


def _headline(report: Report) -> str:
    """The conclusion with what else the claim holds for."""
    claim, colon, rest = conclude(report).text.partition(":")
    return f"{claim} at {_accuracies(report)}, {_tier(report)}{colon}{rest}"


def _accuracies(report: Report) -> str:
    """The accuracy class, or that of each kernel where they differ."""
    classes = {name: kernel["claims"]["accuracy"] for name, kernel in report.run.kernels.items()}
    if len(set(classes.values())) <= 1:
        return "".join(dict.fromkeys(classes.values())) or "no accuracy class"
    return ", ".join(f"{accuracy} ({name})" for name, accuracy in classes.items())


def _tier(report: Report) -> str:
    """How much of the corpus the run is about."""
    given = {name: entry["values"] for name, entry in report.run.settings.items()}
    if given.get("case"):
        return "chosen cases"
    return f"tier {', '.join(given.get('tier') or ['not recorded'])}"


def _matrix(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Kernel x backend x generation by dtype: what became of the cases of each cell."""
    cells: dict[tuple[str, str, str, str], dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        identity = verdict.identity
        key = (identity.kernel, identity.backend, identity.platform, GENERATIONS[identity.platform])
        cells[key][_dtype(identity.case)].append(verdict)
    dtypes = sorted({dtype for row in cells.values() for dtype in row})
    rows = [{"key": key, "cells": [(dtype, _cell(cells[key][dtype])) for dtype in dtypes]} for key in sorted(cells)]
    return {"dtypes": dtypes, "rows": rows}


def _cell(verdicts: list[Verdict]) -> dict[str, str]:
    """A cell in words, and what they amount to."""
    gates = Counter(CONSEQUENCES[verdict.finding.status].gate for verdict in verdicts)
    executed = sum(verdict.finding.status not in NOT_EXECUTED for verdict in verdicts)
    if not verdicts:
        return {"state": "none", "text": "no cases"}
    if gates["bad"]:
        return {"state": "bad", "text": f"✗ {gates['bad']} of {len(verdicts)} bad"}
    if gates["retry"]:
        return {"state": "retry", "text": f"? {gates['retry']} of {len(verdicts)} not judged"}
    if not executed:
        return {"state": "none", "text": f"\N{EN DASH} {len(verdicts)} unsupported"}
    return {"state": "good", "text": f"✓ {executed} good"}


def _unrun(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Why cases were not executed: reasons with the number of their cases, the most frequent first."""
    reasons = Counter(
        (verdict.identity.kernel, verdict.identity.backend, verdict.finding.status.value, verdict.finding.message)
        for verdict in verdicts
        if verdict.finding.status in NOT_EXECUTED
    )
    listed = reasons.most_common(_REASONS)
    return {"reasons": listed, "more": reasons.total() - sum(count for _, count in listed)}


def _case(record: Record) -> dict[str, Any]:
    """What the page shows of a case; launches are in the rooflines, and only failures have a place and evidence."""
    line = record.to_json()
    status = record.verdict.finding.status
    shown = ("check", "kernel", "backend", "platform", "case", "status", "message", "max_ulp", "share", "rerun")
    case = {name: line[name] for name in (*shown, "location", "evidence") if line[name] is not None}
    consequence = CONSEQUENCES[status]
    state = "bad" if consequence.gate == "bad" else "retry" if consequence.gate == "retry" else "good"
    return {
        **case,
        "dtype": _dtype(record.verdict.identity.case),
        "seconds": round(record.verdict.seconds, 4),
        "state": "none" if state == "good" and consequence.outcome == "skipped" else state,
    }


def _dtype(case: str) -> str:
    return case.partition(":")[2].partition(":")[0]


def _embedded(data: object) -> str:
    """JSON that cannot end the element it stands in, whatever a message holds."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
