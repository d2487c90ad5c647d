"""What a verdict tells of launches that did not answer, or that were launched again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_nki_pool.verdict import Finding, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.launch.supervisor import End
    from pytest_nki_pool.neuron.faults import Fault

#: Lines of what a child printed that a failure shows.
_SHOWN = 20


def ending(told: str, end: End, deadline: float) -> str:
    """What a person needs to know of a child that ended without an answer.

    Args:
        told: what its end means.
        end: how it ended.
        deadline: seconds that it had.
    """
    what = f"no verdict within {deadline:g} s" if end.timed_out else "the process running this case ended"
    printed = end.text.strip().splitlines()[-_SHOWN:]
    return "\n".join([f"{what}: {told}", *(f"  | {line}" for line in printed)])


def telling(verdict: Verdict, met: Sequence[Fault]) -> Verdict:
    """The verdict, with what went wrong in the launches before."""
    if not met:
        return verdict
    earlier = "\n".join(f"launch {number} ended with {fault}" for number, fault in enumerate(met, start=1))
    return adding(verdict, f"this is launch {len(met) + 1}; {earlier}")


def adding(verdict: Verdict, text: str) -> Verdict:
    """The verdict, with a further line of its message."""
    message = "\n".join(filter(None, [verdict.finding.message, text]))
    return dataclasses.replace(verdict, finding=dataclasses.replace(verdict.finding, message=message))


def opinion(core: int, other: int | None, finding: Finding, again: Finding) -> str:
    """What a second launch on another core tells of wrong values, whose verdict stands.

    Args:
        core: index of the core that gave them.
        other: index of the other one; None when it was given up.
        finding: of the first launch.
        again: of the second.
    """
    place = "another core" if other is None else f"core {other}"
    head = f"wrong values on core {core}, launched once more on {place} for diagnosis alone: "
    if again.status is Status.PASS:
        return f"{head}right there, so that core {core} is suspect, or the result depends on more than the input"
    if again.status is not finding.status:
        return f"{head}{again.status.value}, {again.message}"
    if again.message == finding.message:
        return f"{head}the same wrong values there"
    return f"{head}wrong there too, but not the same, so that the result depends on more than the input"
