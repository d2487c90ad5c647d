"""What a check is, and the launch that all checks share."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nki_pool.checks.evidence import picture
from pytest_nki_pool.checks.explain import explain, locate
from pytest_nki_pool.launch.errors import UnsupportedByPath, blame
from pytest_nki_pool.spec import acceptance
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens
    from pytest_nki_pool.spec.kernel import KernelSpec
    from pytest_nki_pool.verdict import Aspect

PASS = Finding(Status.PASS)


@dataclass(frozen=True, slots=True)
class Check:
    """One named property of a kernel.

    Attributes:
        name: its name in ids and for ``--nki-check``.
        group: the corpus and the suite's module it belongs to.
        about: the property in one sentence.
        function: ``(case, launcher, goldens) -> Finding``; ``(case, launchers, goldens)`` when it compares backends.
        kind: the kind of data family it is about; empty for any.
        aspect: which question its verdict answers, and so where a report counts it: "structure" (tier A: the right
            elements, form and behaviour, with exact answers) or "numerics" (tier B: how well it rounds).
        compares: whether one verdict takes all chosen backends together.
        requires: modules that must be installed.
        extra: the extra that installs them.
        families: data families it is about, where a group has checks for several; empty for all.
        backends: the framework paths it is about; empty for all.
        cases: ``(kernel, tier, seed)`` gives its cases where they follow from what a kernel claims; None for the
            corpus of its group.
    """

    name: str
    group: str
    about: str
    function: Callable[[Case, Any, Goldens], Finding]
    kind: Literal["structure", "numerics", "special", "foreign", "statistics", ""] = ""
    aspect: Aspect = "structure"
    compares: bool = False
    requires: tuple[str, ...] = ()
    extra: str = ""
    families: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    cases: Callable[[KernelSpec, str, int], tuple[Case, ...]] | None = None

    def missing(self) -> str:
        """What is not installed and how to get it; empty when all is there."""
        absent = [module for module in self.requires if find_spec(module) is None]
        return (
            f"{' and '.join(absent)} not installed; install with: pip install 'pytest-nki-pool[{self.extra}]'"
            if absent
            else ""
        )


class KernelRaised(Exception):  # noqa: N818 - may be just what the kernel should do
    """A launch raised; kept apart from a fault of the check itself.

    Attributes:
        error: what was raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def carried(launcher: Launcher, x: np.ndarray) -> Any:
    """The framework's array of an input.

    Raises:
        KernelRaised: the framework path cannot carry it.
    """
    try:
        return launcher.path.to_native(x)
    except UnsupportedByPath as error:
        raise KernelRaised(error) from error


def launch(launcher: Launcher, *args: Any) -> Any:
    """Launch on NumPy arrays.

    Raises:
        KernelRaised: the launch raised.
    """
    try:
        return launcher(*args)
    except Exception as error:
        raise raised_by(launcher, error) from error


def launch_native(launcher: Launcher, *args: Any) -> Any:
    """Launch on the framework's own arrays.

    Raises:
        KernelRaised: the launch raised.
    """
    try:
        return launcher.native(*args)
    except Exception as error:
        raise raised_by(launcher, error) from error


def raised_by(launcher: Launcher, error: Exception) -> KernelRaised:
    """What a launch raised; on a device that may tell of the machine rather than of the kernel."""
    return KernelRaised(blame(error) if launcher.target == "device" else error)


def failed(message: str) -> Finding:
    """A finding of wrong behaviour."""
    return Finding(Status.FAIL, message)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree in shape, dtype and every bit, NaN payloads included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def difference(got: np.ndarray, expected: np.ndarray) -> str:
    """Say in which bits an array differs from what it should be, as the end of a sentence; empty when in none."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"is {got.dtype} of shape {got.shape}, expected {expected.dtype} of shape {expected.shape}"
    bits = f"u{got.dtype.itemsize}"
    differs = np.ascontiguousarray(got).view(bits) != np.ascontiguousarray(expected).view(bits)
    if not differs.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return (
        f"has other bits in {int(differs.sum())} of {differs.size} elements, first at {list(index)}: "
        f"got {float(got[index])!r}, expected {float(expected[index])!r}"
    )


def judged(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Launch a case and judge its output at the kernel's accuracy class."""
    x = goldens.input(case)
    got = launch(launcher, x, case.pool)
    expected = goldens.expected(case, launcher.kernel.spec.capabilities.accuracy)
    verdict = acceptance.judge(got, expected)
    if verdict.ok:
        needed = f"right by exception: {', '.join(verdict.exceptions)}" if verdict.exceptions else ""
        return Finding(Status.PASS, needed, verdict.max_ulp, verdict.share_of_bound)
    message = explain(verdict, expected, goldens.input(case))
    place = locate(verdict, expected, goldens.input(case))
    seen = picture(got, expected) if place else None
    return Finding(Status.FAIL, message, verdict.max_ulp, verdict.share_of_bound, location=place, evidence=seen)
