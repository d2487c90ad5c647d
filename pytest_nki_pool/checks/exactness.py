"""Data with one right answer gives that answer, without tolerance."""

from __future__ import annotations

from pytest_nki_pool.checks.base import Check, judged

CHECKS = (
    Check(
        "exactness",
        "exactness",
        "data with one right answer gives that answer, without tolerance",
        judged,
        kind="structure",
    ),
)
