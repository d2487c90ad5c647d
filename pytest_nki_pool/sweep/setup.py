"""What a sweep was asked to do, in the words that pytest's options have for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.options import CLAIMS, DEVICE, OPTION_GROUPS, SELECTION
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.session.facts import gather
from pytest_nki_pool.session.pool import PoolSession
from pytest_nki_pool.session.validation import validate
from pytest_nki_pool.settings.read import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_nki_pool.plan import Plan, Trial
    from pytest_nki_pool.report.model import Run
    from pytest_nki_pool.spec.case import Case

#: The options of pytest that a sweep has as well.
OPTIONS = (*SELECTION, *CLAIMS, *DEVICE)

_SUITE = "pytest_nki_pool.conformance"
#: How a case of a sweep runs alone.
_RERUN = f"pytest --pyargs {_SUITE}"


@dataclass(frozen=True, slots=True)
class Host:
    """What a session asks of pytest, where there is none: what was given, and that the run is about the suite.

    Attributes:
        given: flag -> its texts.
    """

    given: Mapping[str, Sequence[str]]
    args: tuple[str, ...] = (_SUITE,)

    @property
    def hook(self) -> Host:
        """The hooks, which only plugins of pytest implement."""
        return self

    def pytest_nki_pool_kernels(self, config: Host) -> list[Any]:  # noqa: ARG002 - called as pytest calls the hook
        """No kernels."""
        return []

    def getoption(self, flag: str) -> Sequence[str] | None:
        """The texts of a flag."""
        return self.given.get(flag)

    def getini(self, key: str) -> str:  # noqa: ARG002 - as above
        """Nothing: pytest's ini file is for pytest."""
        return ""


def session_of(given: Mapping[str, Sequence[str]], report: Path) -> PoolSession:
    """The session of a sweep: its settings, where they come from, and all that follows from them.

    Args:
        given: flag of pytest -> its texts, of `OPTIONS`.
        report: the evidence that is to be written.

    Raises:
        pytest.UsageError: an option has a value it cannot have, or one is set that a sweep does not take.
    """
    host = cast("pytest.Config", Host(given))
    read = {option.name: option.read(host) for option in OPTIONS}
    for option in (option for group in OPTION_GROUPS.values() for option in group):
        read.setdefault(option.name, ((option.default,) if option.default else (), "default"))
    texts = {name: values for name, (values, _) in read.items()} | {"report": (str(report),)}
    sources = {name: source for name, (_, source) in read.items()} | {"report": "--report"}
    return PoolSession(host, Settings.of(texts, sources, str(Path.cwd()), _RERUN))


def ignored() -> list[str]:
    """The variables that are set for pytest, and that a sweep does not heed."""
    others = [option for group in OPTION_GROUPS.values() for option in group if option not in OPTIONS]
    return [option.variable for option in others if option.variable in os.environ]


def orders(session: PoolSession, *, here: bool) -> dict[str, Any]:
    """What a worker is told, in a form that JSON can carry; the target is settled, wherever the worker finds itself.

    Args:
        session: of the sweep.
        here: whether the worker is on this machine, so that it need not look for the devices again.
    """
    settings = session.settings.to_json()
    settings["given"]["target"] = [session.target[0]]
    return {"settings": settings, "machine": session.launching.found if here else None}


def again(orders: Mapping[str, Any]) -> PoolSession:
    """The same session in another process.

    Args:
        orders: what `orders` gave.
    """
    return PoolSession(cast("pytest.Config", Host({})), Settings.of(**orders["settings"]), orders["machine"])


def survey(session: PoolSession, seeds: int) -> tuple[Run, list[str]]:
    """What a sweep is about, as far as this machine can tell, and its cases.

    Args:
        session: of the sweep, on a machine on which its kernels can be launched.
        seeds: see `cases_of`.

    Raises:
        pytest.UsageError: what was asked for cannot be had.
    """
    validate(session)
    cases = cases_of(session.plan, seeds)
    if not cases:
        raise pytest.UsageError("there is no such case; leave out --check, --case or --backend, or name others")
    run = gather(session, Scrubber.of(session.settings.root), len(cases))
    if seeds > 1:
        run = replace(run, settings={**run.settings, "seeds": {"values": [str(seeds)], "source": "--seeds"}})
    return run, cases


def cases_of(plan: Plan, seeds: int) -> list[str]:
    """The identities of a sweep, those of one case next to each other; on a device, those of one framework path.

    Args:
        plan: what one run of pytest would cover.
        seeds: how many seeds the random families have, from that of the plan or of a case on.
    """
    trials: Iterable[Trial] = (t for each in _plans(plan, seeds) for group in GROUPS for t in each.trials(group))
    if plan.target == "device":  # there each framework path has a process of its own
        trials = sorted(trials, key=lambda trial: trial.backends)
    return list(dict.fromkeys(str(trial.identity) for trial in trials))


def _plans(plan: Plan, seeds: int) -> Iterator[Plan]:
    if plan.cases:
        yield replace(plan, cases=tuple(_moved(case, by) for case in plan.cases for by in range(seeds)))
    else:
        yield from (replace(plan, seed=plan.seed + by) for by in range(seeds))


def _moved(case: Case, by: int) -> Case:
    return case if case.seed is None else replace(case, seed=case.seed + by)
