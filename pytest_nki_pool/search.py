"""Search: Hypothesis looks beyond the fixed cases for one that fails, and shrinks it to the smallest."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import SEARCH, Trial
from pytest_nki_pool.spec.case import Case, CaseError
from pytest_nki_pool.spec.corpus import Geometry
from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.verdict import CONSEQUENCES, Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_nki_pool.plan import Plan
    from pytest_nki_pool.spec.family import Family
    from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec
    from pytest_nki_pool.verdict import Aspect

#: Kind of a data family -> the check that judges it.
_JUDGES: Mapping[str, str] = MappingProxyType({"structure": "exactness", "numerics": "values", "special": "special"})

#: Elements of a case: enough for every tile and trim of interest, few enough for hundreds of launches in a second.
_MOST_ELEMENTS = 2**16
#: Channels, rows or columns: several tiles of 128 partitions, and more windows than a byte counts.
_MOST = 600
#: Numbers that a case is made from.
_DRAWS = 11

_T = TypeVar("_T")


class _Failing(Exception):  # noqa: N818 - what is looked for
    """A case fails."""


class _OutOfTime(BaseException):
    """The time is up; no `Exception`, which Hypothesis would take for what it looks for."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search for a failing case of one kernel through one framework path, inside the kernel's claims.

    Attributes:
        kernel: the kernel.
        backends: the framework path.
        target: where the kernel executes.
        platform: the chip.
        seed: where the search starts.
        seconds: how long it lasts.
    """

    kernel: KernelSpec
    backends: tuple[str, ...]
    target: str
    platform: str
    seed: int
    seconds: float

    @property
    def identity(self) -> Identity:
        """Its name in ids and reports, the same however long it lasts."""
        backend = "+".join(self.backends)
        return Identity(SEARCH, self.kernel.label, backend, self.target, self.platform, f"{SEARCH}:s{self.seed}")

    @property
    def selection(self) -> dict[str, str]:
        """The options that select it among the trials of its kernel, framework path, target and platform."""
        return {"check": SEARCH, "search": str(max(0.001, round(self.seconds, 3))), "seed": str(self.seed)}

    def trial(self, case: Case) -> Trial:
        """The trial of one case, by the check that is about its family."""
        check = CHECKS[_JUDGES[FAMILIES[case.family].kind]]
        return Trial(check, self.kernel, self.backends, self.target, self.platform, case)


def missing() -> str:
    """What is not installed and how to get it; empty when all is there."""
    if find_spec("hypothesis"):
        return ""
    return "hypothesis not installed; install with: pip install 'pytest-nki-pool[search]'"


def searches(plan: Plan, seconds: float) -> list[Search]:
    """One search for each kernel, framework path and platform of a plan.

    Args:
        plan: what the run covers.
        seconds: time in total; each search gets the same share.
    """
    subjects = [
        (kernel, (backend,), plan.target, platform)
        for platform in plan.platforms
        for kernel in plan.kernels
        if kernel.capabilities.dtypes
        for backend in plan.backends
    ]
    return [Search(*subject, plan.seed, seconds / len(subjects)) for subject in subjects]


@dataclass(slots=True)
class _Log:
    """What a search has seen.

    Attributes:
        started: when the first case was tried; importing Hypothesis does not count.
        failed: each case that was tried, and whether it failed.
        passed: number of those that passed.
        smallest: the smallest of those that failed, and what was found on it.
    """

    started: float = math.inf
    failed: dict[Case, bool] = field(default_factory=dict)
    passed: int = 0
    smallest: tuple[Trial, Verdict] | None = None

    def note(self, trial: Trial, verdict: Verdict) -> None:
        """Note a verdict."""
        status = verdict.finding.status
        # An unexpected pass is a matter of the fixed cases: a glob that fits one known failure fits others here.
        bad = status is not Status.XPASS and CONSEQUENCES[status].gate != "good"
        self.failed[trial.case] = bad
        self.passed += status is Status.PASS
        if bad and (self.smallest is None or _weight(trial.case) < _weight(self.smallest[0].case)):
            self.smallest = trial, verdict


def run(search: Search, judge: Callable[[Trial], Verdict]) -> tuple[Verdict, Trial | None]:
    """Search until a failing case is found and as small as it gets, or the time is up.

    Args:
        search: what to search.
        judge: runs a trial.

    Returns:
        The verdict of the search, and the trial of the smallest failing case if there is one.
    """
    log = _Log()

    def fails(case: Case) -> bool:
        log.started = min(log.started, time.perf_counter())
        if time.perf_counter() - log.started >= search.seconds:
            raise _OutOfTime
        if case not in log.failed:
            trial = search.trial(case)
            log.note(trial, judge(trial))
        return log.failed[case]

    shrunk = True
    try:
        _explore(search, fails)
        while log.smallest and any(map(fails, _simpler(log.smallest[0].case, search.kernel.capabilities))):
            pass
    except _OutOfTime:
        shrunk = False
    seconds = time.perf_counter() - log.started
    finding, aspect = _finding(log, seconds, shrunk=shrunk)
    return Verdict(search.identity, finding, seconds, aspect), log.smallest[0] if log.smallest else None


def _explore(search: Search, fails: Callable[[Case], bool]) -> None:
    """Let Hypothesis draw cases until one fails, and shrink that one."""
    import hypothesis  # noqa: PLC0415 - an extra
    from hypothesis import strategies  # noqa: PLC0415

    # Ranges that differ: of draws that are alike, Hypothesis likes to make several equal.
    levels = strategies.tuples(*(strategies.sampled_from(range(_MOST + draw)) for draw in range(_DRAWS)))

    @hypothesis.seed(search.seed)
    @hypothesis.settings(
        max_examples=10**9,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=tuple(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
        database=None,
        deadline=None,
        derandomize=False,  # the seed above says where to look, whatever profile is loaded
        print_blob=False,
        report_multiple_bugs=False,
    )
    @hypothesis.given(levels.map(partial(_case, search.kernel.capabilities)))
    def look(case: Case) -> None:
        if fails(case):
            raise _Failing

    with contextlib.suppress(_Failing):
        look()


def _case(claims: Capabilities, levels: tuple[int, ...]) -> Case:
    """The case within the claims that some whole numbers stand for.

    The numbers do not depend on each other, and a smaller one makes a smaller or simpler case: so Hypothesis, which
    makes them as small as it can, comes close to the smallest case.

    Args:
        claims: what the kernel claims.
        levels: `_DRAWS` whole numbers from 0 to about `_MOST`.
    """
    dtype = DTYPES[_pick([name for name in DTYPES if name in claims.dtypes], levels[0])]
    channels = _size(levels[1], levels[2], claims.max_channels or _MOST)
    bytes_each = min(_MOST_ELEMENTS // channels * dtype.numpy.itemsize, claims.image_limit or sys.maxsize)
    image = max(1, bytes_each // dtype.numpy.itemsize)
    height = _size(levels[3], levels[4], image)
    width = _size(levels[5], levels[6], image // height)
    pool = _size(levels[7], levels[8], min(height, width))
    if claims.ragged == "reject":
        height, width = height - height % pool, width - width % pool
    geometry = Geometry(channels, height, width, pool)
    family = _pick([family for family in _families() if family.applies(geometry, dtype)], levels[9])
    return Case(*geometry, dtype.name, family.name, levels[10] if family.random else None)


def _size(first: int, second: int, most: int) -> int:
    """A size up to `most`, small ones more often: the sizes that kernels tell apart are mostly small."""
    return min(most, _MOST, 1 + first * second // _MOST)


def _pick(choices: Sequence[_T], level: int) -> _T:
    """One of the choices, those to the left for lower levels."""
    return choices[level * len(choices) // (_MOST + _DRAWS)]


def _families() -> list[Family]:
    """The families that one of the checks judges."""
    return [family for family in FAMILIES.values() if family.kind in _JUDGES]


def _simpler(case: Case, claims: Capabilities) -> Iterator[Case]:
    """The cases within the claims that are smaller than another in one respect."""
    sizes = ("channels", "height", "width", "pool")
    changes: list[dict[str, Any]] = [{size: value} for size in sizes for value in range(1, getattr(case, size))]
    changes += [{"dtype": name} for name in takewhile(lambda name: name != case.dtype, DTYPES)]
    for family in takewhile(lambda family: family.name != case.family, _families()):
        changes.append({"family": family.name, "seed": 0 if family.random else None})
    if case.seed:
        changes.append({"seed": 0})
    for change in changes:
        with contextlib.suppress(CaseError):
            simpler = dataclasses.replace(case, **change)
            if not claims.excludes(simpler, DTYPES[simpler.dtype].numpy.itemsize):
                yield simpler


def _weight(case: Case) -> tuple[int, ...]:
    """What makes a case smaller than another: elements, then the pool, then how simple the data is."""
    order = tuple(DTYPES).index(case.dtype), tuple(FAMILIES).index(case.family)
    return math.prod(case.shape), case.pool, *order, case.seed or 0


def _finding(log: _Log, seconds: float, *, shrunk: bool) -> tuple[Finding, Aspect]:
    """What a search has found, and which question the check answers that found it."""
    tried = len(log.failed)
    if log.smallest is None:
        status = Status.PASS if log.passed else Status.UNSUPPORTED
        return Finding(status, f"{tried} cases in {seconds:.1f} s: {log.passed} passed, none failed"), ""
    trial, verdict = log.smallest
    least = "the smallest" if shrunk else "the smallest so far when the time was up"
    lines = (
        f"found     {trial.case} fails check {trial.check.name}",
        f"          {least} of {sum(log.failed.values())} that failed, of {tried} tried in {seconds:.1f} s",
        verdict.finding.message,
    )
    return dataclasses.replace(verdict.finding, message="\n".join(lines)), verdict.aspect
