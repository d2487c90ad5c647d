"""The framework paths hand over the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import PASS, Check, KernelRaised, failed, launch, same_bits
from pytest_nki_pool.launch.errors import UnsupportedByPath
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens


def agreement(case: Case, launchers: Sequence[Launcher], goldens: Goldens) -> Finding:
    """Compare the outputs of all backends that have the case's dtype, bit by bit."""
    outputs: dict[str, np.ndarray] = {}
    lacking: dict[str, str] = {}
    for launcher in launchers:
        try:
            outputs[launcher.backend] = launch(launcher, goldens.input(case), case.pool)
        except KernelRaised as raised:  # noqa: PERF203 - every backend is to be asked
            if not isinstance(raised.error, UnsupportedByPath):
                raise
            lacking[launcher.backend] = str(raised)
    if len(outputs) < 2:
        reasons = "; ".join(f"{backend}: {reason}" for backend, reason in lacking.items())
        return Finding(Status.UNSUPPORTED, f"fewer than two backends have {case.dtype}: {reasons}")
    (first, reference), *others = outputs.items()
    for backend, output in others:
        if not same_bits(reference, output):
            return failed(_difference(first, reference, backend, output))
    return PASS


def _difference(first: str, reference: np.ndarray, second: str, output: np.ndarray) -> str:
    if reference.shape != output.shape or reference.dtype != output.dtype:
        return (
            f"{first} returns {reference.dtype} of shape {reference.shape}, "
            f"{second} {output.dtype} of shape {output.shape}"
        )
    bits = np.dtype(f"u{reference.dtype.itemsize}")
    differs = np.ascontiguousarray(reference).view(bits) != np.ascontiguousarray(output).view(bits)
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return (
        f"{int(differs.sum())} of {differs.size} outputs differ in their bits; "
        f"first at {index}: {first} gives {reference[index]}, {second} gives {output[index]}"
    )


CHECKS = (Check("agreement", "agreement", "the framework paths return the same bits", agreement, compares=True),)
