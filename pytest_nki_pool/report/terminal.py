"""The short table at the end of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from pytest_nki_pool.spec.platforms import GENERATIONS
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.verdict import Verdict


def title(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts hold for: target and platform are part of every claim."""
    places = dict.fromkeys((verdict.identity.target, verdict.identity.platform) for verdict in verdicts)
    on = ", ".join(f"{target} {platform} ({GENERATIONS[platform]})" for target, platform in places)
    return f"average-pool conformance on {on}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in one line."""
    counts = Counter(verdict.finding.status for verdict in verdicts)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines of `grid`, aligned."""
    head, body = grid(verdicts)
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in (head, *body)]


def aspects(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Aspect -> its verdicts in one line: what is wrong with a kernel's structure, and what with its numerics."""
    names = {"structure": "structure", "numerics": "numerics", "": "not judged"}
    groups = {name: [verdict for verdict in verdicts if verdict.aspect == aspect] for aspect, name in names.items()}
    return {name: summary(group) for name, group in groups.items() if group}


def grid(verdicts: Sequence[Verdict]) -> tuple[list[str], list[list[str]]]:
    """Kernel x backend x generation: how many of each status, and the worst error, as a head and rows.

    The error is given in ulps of the output, and as a share of what the accuracy class allows: where sums cancel, an
    error far inside the bound is many ulps of a result near zero.
    """
    rows: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        identity = verdict.identity
        rows[identity.kernel, identity.backend, GENERATIONS[identity.platform]].append(verdict)
    statuses = [status for status in Status if any(verdict.finding.status is status for verdict in verdicts)]
    head = ["kernel", "backend", "generation", *(status.value for status in statuses), "worst ulp", "of bound"]
    return head, [[*key, *_counts(group, statuses), *_worst(group)] for key, group in sorted(rows.items())]


def _counts(verdicts: Sequence[Verdict], statuses: Sequence[Status]) -> list[str]:
    counts = Counter(verdict.finding.status for verdict in verdicts)
    return [str(counts[status]) for status in statuses]


def _worst(verdicts: Sequence[Verdict]) -> list[str]:
    ulps = [verdict.finding.max_ulp for verdict in verdicts if verdict.finding.max_ulp is not None]
    shares = [verdict.finding.share for verdict in verdicts if verdict.finding.share is not None]
    return [f"{max(ulps):.3g}" if ulps else "-", f"{max(shares):.2f}" if shares else "-"]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        text.ljust(width) if column < 3 else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
