"""NaN, infinities, zeros and subnormals go where they belong and nowhere else."""

from __future__ import annotations

from pytest_nki_pool.checks.base import Check, judged

CHECKS = (
    Check(
        "special",
        "special",
        "NaN, infinities, zeros and subnormals go where they belong and nowhere else",
        judged,
        kind="special",
    ),
)
