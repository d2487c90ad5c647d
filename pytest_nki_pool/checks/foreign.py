"""Goldens that others wrote: our own must agree with them, and the kernel with both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import Check, failed, judged
from pytest_nki_pool.spec import foreign, oracle
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens


@dataclass(frozen=True, slots=True)
class Golden:
    """Whose results are compared, and how closely they agree with exact ones.

    Attributes:
        owner: whose they are.
        tolerances: dtype name -> relative and absolute tolerance of the owner's own tests.
    """

    owner: str
    tolerances: Mapping[str, tuple[float, float]]


#: Source: onnx.backend.test.runner.
_ONNX = Golden("ONNX", MappingProxyType({"fp32": (1e-3, 1e-7)}))
#: Source: torch.testing.assert_close.
_TORCH = Golden("PyTorch", MappingProxyType({"fp32": (1.3e-6, 1e-5), "bf16": (1.6e-2, 1e-5), "fp16": (1e-3, 1e-5)}))


def agrees(case: Case, launcher: Launcher, goldens: Goldens, *, golden: Golden) -> Finding:
    """The output lies in our interval, and our golden within the owner's tolerance of the owner's output."""
    theirs = foreign.load(case.family, case.dtype)[1].astype(np.float64)
    ours = oracle.golden(goldens.input(case), case.pool)
    rtol, atol = golden.tolerances[case.dtype]
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=rtol, atol=atol):
        return Finding(Status.INTERNAL, f"our golden and {golden.owner}'s disagree; one of them is no average pool")
    finding = judged(case, launcher, goldens)
    if finding.status is not Status.PASS:
        return failed(f"{golden.owner} case {case.family}:\n{finding.message}")
    return finding


CHECKS = (
    Check(
        "onnx",
        "foreign",
        "ONNX's node cases that are such pools",
        partial(agrees, golden=_ONNX),
        kind="foreign",
        aspect="numerics",
        requires=("onnx",),
        extra="onnx",
        families=tuple(foreign.ONNX_CASES),
    ),
    Check(
        "torch_samples",
        "foreign",
        "samples of PyTorch's OpInfo and ModuleInfo that are such pools",
        partial(agrees, golden=_TORCH),
        kind="foreign",
        aspect="numerics",
        requires=("torch", "expecttest"),
        extra="opinfo",
        families=tuple(foreign.TORCH_CASES),
    ),
)
