"""The kill table: what every test group says about every kernel of the zoo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.plan import Plan
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.verdict import CONSEQUENCES, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nki_pool.plan import Trial
    from pytest_nki_pool.verdict import Verdict
    from pytest_nki_pool.zoo.specimen import Specimen


@dataclass(frozen=True, slots=True)
class Cell:
    """What one test group said about one kernel.

    Attributes:
        verdicts: every verdict that was reached, small cases first.
    """

    verdicts: tuple[Verdict, ...]

    @property
    def kill(self) -> Verdict | None:
        """The first verdict of wrong numbers or a broken contract."""
        return next((verdict for verdict in self.verdicts if _is_kill(verdict)), None)

    @property
    def rule(self) -> Verdict | None:
        """The first verdict that a launch raised where it must not: a rule of NKI, or a crash."""
        failed = (verdict for verdict in self.verdicts if verdict.finding.status is Status.FAIL)
        return next((verdict for verdict in failed if not _is_kill(verdict)), None)

    @property
    def undecided(self) -> Verdict | None:
        """The first bad verdict that says nothing about the kernel: a gap of the emulator or a fault of the suite."""
        bad = (verdict for verdict in self.verdicts if CONSEQUENCES[verdict.finding.status].gate != "good")
        return next((verdict for verdict in bad if verdict.finding.status is not Status.FAIL), None)

    @property
    def passed(self) -> frozenset[str]:
        """The checks that found nothing wrong, and passed at least once."""
        checks: dict[str, set[Status]] = {}
        for verdict in self.verdicts:
            checks.setdefault(verdict.identity.check, set()).add(verdict.finding.status)
        good = {Status.PASS, Status.UNSUPPORTED}
        return frozenset(name for name, seen in checks.items() if Status.PASS in seen and seen <= good)


@dataclass(frozen=True, slots=True)
class Row:
    """What the test groups said about one kernel.

    Attributes:
        specimen: the kernel.
        cells: test group -> what it said; a group without a trial is absent.
    """

    specimen: Specimen
    cells: Mapping[str, Cell]

    @property
    def killers(self) -> tuple[str, ...]:
        """The groups that kill the kernel; a raised launch counts where the specimen declares one."""
        rule = self.specimen.emulator_rule
        return tuple(group for group, cell in self.cells.items() if cell.kill or (rule and cell.rule))

    @property
    def passed(self) -> frozenset[str]:
        """The checks that found nothing wrong."""
        return frozenset(check for cell in self.cells.values() for check in cell.passed)


def kill_table(
    specimens: Iterable[Specimen],
    tier: str = "standard",
    backends: Sequence[str] = ("baremetal",),
    *,
    target: str = "emulator",
    platforms: Sequence[str] = ("trn2",),
    groups: Sequence[str] = GROUPS,
    seed: int = 0,
    whole: bool = True,
    root: Path | None = None,
) -> tuple[Row, ...]:
    """Run kernels of the zoo through test groups.

    Args:
        specimens: the kernels, their names distinct.
        tier: how much of the corpus.
        backends: framework paths.
        target: where kernels execute.
        platforms: chips, one per generation.
        groups: test groups.
        seed: seed of the random families.
        whole: whether a group goes on with a kernel that it has killed.
        root: folder that relative kernel paths start from; the working directory when None.

    Returns:
        One row per specimen, in their order.
    """
    named = {specimen.name: specimen for specimen in specimens}
    plan = Plan(tuple(s.kernel for s in named.values()), tuple(backends), target, tuple(platforms), tier, seed)
    bench = Workbench(target, root or Path.cwd())
    cells: dict[str, dict[str, Cell]] = {name: {} for name in named}
    for group in groups:
        for name, verdicts in _verdicts(bench, plan.trials(group), named, whole=whole).items():
            cells[name][group] = Cell(tuple(verdicts))
    return tuple(Row(specimen, cells[name]) for name, specimen in named.items())


def _verdicts(
    bench: Workbench, trials: list[Trial], specimens: Mapping[str, Specimen], *, whole: bool
) -> dict[str, list[Verdict]]:
    """Verdicts by name of the kernel, of all trials or of those up to its first kill."""
    verdicts: dict[str, list[Verdict]] = {}
    dead: set[str] = set()
    for trial in sorted(trials, key=_size):
        name = trial.kernel.label
        if name in dead:
            continue
        verdict = bench.verdict(trial)
        verdicts.setdefault(name, []).append(verdict)
        rule = specimens[name].emulator_rule and verdict.finding.status is Status.FAIL
        if not whole and (rule or _is_kill(verdict)):
            dead.add(name)
    return verdicts


def _size(trial: Trial) -> tuple[int, str]:
    """Small cases first, and the trials of a case together, which share its golden."""
    case = trial.case
    return case.channels * case.height * case.width, str(case)


def _is_kill(verdict: Verdict) -> bool:
    """Whether a verdict tells of wrong numbers or a broken contract, not of a launch that raised."""
    return verdict.finding.status is Status.FAIL and not verdict.finding.raised
