"""Which trials a run consists of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.launch.targets import TARGETS
from pytest_nki_pool.spec import corpus
from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.spec.platforms import GENERATIONS
from pytest_nki_pool.verdict import Identity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_nki_pool.checks.base import Check
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import KernelSpec

#: Stands for the check in the identity of a search, and is the name of its group.
SEARCH = "search"


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

    @property
    def selection(self) -> dict[str, str]:
        """The options that select it among the trials of its kernel, framework path, target and platform."""
        return {"check": self.check.name, "case": str(self.case)}


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
            for case, check, kernel in (*self._shared(group, checks), *self._own(checks))
            for platform in self.platforms
            for backends in self._ways(check)
        ]

    def would_run(self, check: Check) -> bool:
        """Whether a check is asked for and has cases, whatever it lacks; a kernel's dtypes aside."""
        if not self._asks_for(check):
            return False
        cases = self.cases or corpus.cases(check.group, self.tier, self.seed)
        return any(self._fits(check, case) for case in cases) or any(self._own([check]))

    def _shared(self, group: str, checks: list[Check]) -> Iterator[tuple[Case, Check, KernelSpec]]:
        """The cases that are the same for every kernel."""
        for case in self.cases or corpus.cases(group, self.tier, self.seed):
            for check in checks:
                if self._fits(check, case):
                    for kernel in self.kernels:
                        if self.cases or case.dtype in kernel.capabilities.dtypes:
                            yield case, check, kernel

    def _own(self, checks: list[Check]) -> Iterator[tuple[Case, Check, KernelSpec]]:
        """The cases that follow from what a kernel claims."""
        for check in () if self.cases else checks:
            for kernel in self.kernels:
                for case in check.cases(kernel, self.tier, self.seed) if check.cases else ():
                    yield case, check, kernel

    def _wants(self, check: Check) -> bool:
        return self._asks_for(check) and not check.missing()

    def _asks_for(self, check: Check) -> bool:
        return not self.checks or check.name in self.checks or check.group in self.checks

    def _fits(self, check: Check, case: Case) -> bool:
        """A single case goes to the checks that are about its family, unless checks were named."""
        if check.families and case.family not in check.families:
            return False
        if not self.cases or self.checks:
            return bool(self.cases) or check.cases is None
        return check.cases is None and check.kind in ("", FAMILIES[case.family].kind)

    def _ways(self, check: Check) -> Iterator[tuple[str, ...]]:
        if not check.compares:
            yield from ((backend,) for backend in self.backends if backend in (check.backends or self.backends))
        elif len(self.backends) > 1:
            yield self.backends


def every_identity(kernels: Collection[KernelSpec], seeds: Collection[int]) -> Iterator[str]:
    """Every case that some run has of some kernels: all checks, tiers, framework paths, targets and platforms.

    Args:
        kernels: the kernels.
        seeds: seeds of the random families.
    """
    pairs = ["+".join(names) for count in range(2, len(BACKENDS) + 1) for names in combinations(BACKENDS, count)]
    for check in CHECKS.values():
        shared = {str(case) for seed in seeds for case in corpus.cases(check.group, "full", seed)}
        ways = pairs if check.compares else check.backends or BACKENDS
        for kernel in kernels:
            own = (case for seed in seeds for case in check.cases(kernel, "full", seed)) if check.cases else ()
            cases = shared.union(map(str, own))
            yield from map("/".join, product([check.name], [kernel.label], ways, TARGETS, GENERATIONS, cases))
    texts = {f"{SEARCH}:s{seed}" for seed in seeds}
    labels = [kernel.label for kernel in kernels]
    yield from map("/".join, product([SEARCH], labels, BACKENDS, TARGETS, GENERATIONS, texts))
