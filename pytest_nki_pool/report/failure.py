"""What a person reads when a case fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nki_pool.verdict import Verdict


def describe(verdict: Verdict, rerun: str) -> str:
    """The verdict in words, ending in the command that reruns the case alone."""
    identity = verdict.identity
    where = f"{identity.backend} on {identity.target} {identity.platform}"
    lines = [
        f"{verdict.finding.status.value}: {identity.kernel}, {where}, check {identity.check}",
        f"  case      {identity.case}",
        *(f"  {line}" for line in verdict.finding.message.splitlines()),
        f"  rerun     {rerun}",
    ]
    return "\n".join(lines)
