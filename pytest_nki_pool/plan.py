"""Which trials a run consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.spec import corpus
from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.verdict import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nki_pool.checks.base import Check
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import KernelSpec


@dataclass(frozen=True, slots=True)
class Trial:
    """One check of one kernel on one case through one framework path, or through several that it compares."""

    check: Check
    kernel: KernelSpec
    backends: tuple[str, ...]
    target: str
    platform: str
    case: Case

    @property
    def identity(self) -> Identity:
        """Its name in ids and reports."""
        backend = "+".join(self.backends)
        return Identity(self.check.name, self.kernel.label, backend, self.target, self.platform, str(self.case))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run covers.

    Attributes:
        kernels: kernels under test, their labels distinct.
        backends: framework paths.
        target: where kernels execute.
        platforms: chips, one per generation.
        tier: how much of the corpus.
        seed: seed of the random families.
        checks: checks or groups by name; empty means all.
        cases: single cases instead of the corpus; empty means the corpus.
    """

    kernels: tuple[KernelSpec, ...]
    backends: tuple[str, ...]
    target: str
    platforms: tuple[str, ...]
    tier: str = "standard"
    seed: int = 0
    checks: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    def trials(self, group: str) -> list[Trial]:
        """The trials of a group, those of one case next to each other so that its golden is computed once."""
        checks = [check for check in CHECKS.values() if check.group == group and self._wants(check)]
        return [
            Trial(check, kernel, backends, self.target, platform, case)
            for case in self.cases or corpus.cases(group, self.tier, self.seed)
            for check in checks
            if self._fits(check, case)
            for platform in self.platforms
            for kernel in self.kernels
            if self.cases or case.dtype in kernel.capabilities.dtypes
            for backends in self._ways(check)
        ]

    def _wants(self, check: Check) -> bool:
        asked = not self.checks or check.name in self.checks or check.group in self.checks
        return asked and not check.missing()

    def _fits(self, check: Check, case: Case) -> bool:
        """A single case goes to the checks that are about its family, unless checks were named."""
        return not self.cases or bool(self.checks) or check.kind in ("", FAMILIES[case.family].kind)

    def _ways(self, check: Check) -> Iterator[tuple[str, ...]]:
        if not check.compares:
            yield from ((backend,) for backend in self.backends if backend in (check.backends or self.backends))
        elif len(self.backends) > 1:
            yield self.backends
