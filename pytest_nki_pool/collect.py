"""Parametrisation: the suite's tests over trials, a user's own tests over backends, kernels, platforms and cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_nki_pool.session.pool import PoolSession
    from pytest_nki_pool.spec.kernel import KernelSpec

MARKER = (
    "nki(backends=…, dtypes=…, max_cases=…, kernel=…, group=…): for a test that requests nki fixtures, narrow its "
    "backends, dtypes and number of cases, or fix its KernelSpec; group belongs to the conformance suite"
)

#: Every fixture that makes a test an NKI test.
FIXTURES = frozenset({"nki_backend", "nki_target", "nki_device", "nki_kernel", "nki_case", "nki_launch", "nki_check"})


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The keywords of ``@pytest.mark.nki``; the mark closest to the test wins."""

    backends: Sequence[str] | str = ()
    dtypes: Sequence[str] | str = ()
    max_cases: int | None = None
    kernel: KernelSpec | None = None
    group: str = ""

    @classmethod
    def of(cls, node: pytest.Item | pytest.Function) -> Narrowing:
        """Read the marks of a test.

        Raises:
            pytest.Collector.CollectError: an unknown keyword, a positional argument or a value of the wrong kind.
        """
        merged: dict[str, Any] = {}
        for mark in node.iter_markers("nki"):
            unknown = ", ".join([*map(repr, mark.args), *(name for name in mark.kwargs if name not in cls.__slots__)])
            if unknown:
                raise _error(node, f"does not take {unknown}; it takes {', '.join(cls.__slots__)}")
            merged = {**mark.kwargs, **merged}
        fault = _fault(merged) if merged else ""
        if fault:
            raise _error(node, fault)
        return cls(**merged)


def parametrize(metafunc: pytest.Metafunc, session: PoolSession) -> None:
    """Give a test its parameters."""
    if not FIXTURES.intersection(metafunc.fixturenames):
        # The mark may still be misspelt: it would narrow nothing, and nobody would notice.
        Narrowing.of(metafunc.definition)
        return
    narrowing = Narrowing.of(metafunc.definition)
    if "nki_check" in metafunc.fixturenames:
        trials = session.trials(narrowing.group)
        ids = [str(trial.identity) for trial in trials]
        metafunc.parametrize("nki_check", trials, indirect=True, ids=ids)
        return
    for fixture, values in _values(metafunc, session, narrowing).items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, values, indirect=True, ids=[_label(value) for value in values])


def is_empty(item: pytest.Item) -> bool:
    """Whether a test of the suite got no trial: its checks or cases were not asked for."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return "nki_check" in parameters and not hasattr(parameters["nki_check"], "identity")


def is_done(item: pytest.Item, session: PoolSession) -> bool:
    """Whether the verdict of a test of the suite is taken over from an earlier report."""
    return bool(session.settings.report.resume) and case_of(item) in session.earlier.done


def case_of(item: pytest.Item) -> str:
    """The identity of a test of the suite; empty for any other test."""
    trial = getattr(getattr(item, "callspec", None), "params", {}).get("nki_check")
    return str(getattr(trial, "identity", ""))


def _values(metafunc: pytest.Metafunc, session: PoolSession, narrowing: Narrowing) -> dict[str, list[Any]]:
    wanted = _names(narrowing.backends)
    return {
        "nki_kernel": [narrowing.kernel] if narrowing.kernel else list(session.kernels),
        "nki_backend": [backend for backend in session.backends if not wanted or backend in wanted],
        "nki_device": list(session.platforms),
        "nki_case": _cases(session, narrowing) if "nki_case" in metafunc.fixturenames else [],
    }


def _cases(session: PoolSession, narrowing: Narrowing) -> list[Any]:
    from pytest_nki_pool.checks import CHECKS
    from pytest_nki_pool.spec import corpus

    settings = session.settings
    groups = {check.group for check in CHECKS.values() if not check.missing()}
    tier = {case for group in groups for case in corpus.cases(group, settings.tier, settings.seed)}
    wanted = _names(narrowing.dtypes)
    cases = [case for case in session.cases or sorted(tier) if not wanted or case.dtype in wanted]
    count = min(narrowing.max_cases or len(cases), len(cases))
    return [cases[i * len(cases) // count] for i in range(count)]


def _names(value: Collection[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value)


def _fault(keywords: Mapping[str, Any]) -> str:
    """What is wrong with the value of a keyword; empty when nothing is."""
    from pytest_nki_pool.checks import GROUPS
    from pytest_nki_pool.options import BACKENDS
    from pytest_nki_pool.plan import SEARCH
    from pytest_nki_pool.spec.dtypes import DTYPES
    from pytest_nki_pool.spec.kernel import KernelSpec

    count, kernel = keywords.get("max_cases"), keywords.get("kernel")
    if count is not None and (type(count) is not int or count < 1):
        return f"max_cases: must be a whole number of at least 1, not {count!r}"
    if kernel is not None and not isinstance(kernel, KernelSpec):
        return f"kernel: must be a KernelSpec, not {kernel!r}"
    for name, known in (("backends", BACKENDS), ("dtypes", tuple(DTYPES)), ("group", (*GROUPS, SEARCH))):
        names = keywords.get(name, ())
        for value in _names(names) if isinstance(names, (str, list, tuple, set, frozenset)) else (names,):
            if value not in known:
                return f"{name}: {value!r} is not known; choose from {', '.join(known)}"
    return ""


def _label(value: Any) -> str:
    return str(getattr(value, "label", value))


def _error(node: pytest.Item | pytest.Function, message: str) -> pytest.Collector.CollectError:
    return pytest.Collector.CollectError(f"{node.nodeid}: the mark nki {message}")
