"""The output lies in the interval of the kernel's accuracy class."""

from __future__ import annotations

from pytest_nki_pool.checks.base import Check, judged

CHECKS = (
    Check(
        "values",
        "values",
        "the output lies in the interval of the kernel's accuracy class",
        judged,
        kind="numerics",
        aspect="numerics",
    ),
)
