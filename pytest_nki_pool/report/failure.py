"""What a person reads when a case fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nki_pool.verdict import Verdict


def describe(verdict: Verdict, rerun: str, arrays: str = "") -> str:
    """The verdict in words, ending in the command that reruns the case alone.

    Args:
        verdict: what became of the case.
        rerun: the command.
        arrays: where its arrays were kept, or why they were not; empty when nobody asked.
    """
    identity = verdict.identity
    where = f"{identity.backend} on {identity.target} {identity.platform}"
    lines = [
        f"{verdict.finding.status.value}: {identity.kernel}, {where}, check {identity.check}",
        f"  case      {identity.case}",
        *(f"  {line}" for line in verdict.finding.message.splitlines()),
        *([f"  arrays    {arrays}"] if arrays else []),
        f"  rerun     {rerun}",
    ]
    return "\n".join(lines)
