"""What was asked for and cannot be had is refused here, before anything runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.session.pool import PoolSession


def validate(session: PoolSession) -> None:
    """Refuse what was asked for and cannot be had.

    Raises:
        pytest.UsageError: says what was seen, what is allowed and what to do.
    """
    validate_target(session)
    for step in (_checks, _cases, _backends, _kernels, _expectations, _search, _earlier):
        step(session)


def validate_target(session: PoolSession) -> None:
    """Refuse what was asked of the target and of the machine and cannot be had.

    Raises:
        pytest.UsageError: says what was seen, what is allowed and what to do.
    """
    name, missing = session.target
    source = session.settings.sources["target"]
    if missing:
        asked = name if session.settings.target == name else f"auto, which chose {name}"
        raise pytest.UsageError(f"{source}: target {asked}: {missing}")
    chips = session.settings.given["platform"] if session.settings.sources["platform"] != "default" else ()
    session.machine.validate(name, chips if name == "device" else session.platforms)


def _checks(session: PoolSession) -> None:
    if session.settings.checks:
        from pytest_nki_pool.checks import CHECKS, GROUPS
        from pytest_nki_pool.plan import SEARCH

        source = session.settings.sources["check"]
        allowed = (*GROUPS, SEARCH, *(name for name in CHECKS if name not in GROUPS))
        for name in session.settings.checks:
            if name not in allowed:
                raise pytest.UsageError(f"{source}: {name!r} is no check; choose from {', '.join(allowed)}")
            for check in CHECKS.values():
                if name in (check.name, check.group) and check.missing():
                    raise pytest.UsageError(f"{source}: {name}: {check.missing()}")


def _backends(session: PoolSession) -> None:
    for backend in session.settings.backends:
        if backend in session.missing:
            raise pytest.UsageError(f"{session.settings.sources['backend']}: {backend}: {session.missing[backend]}")


def _expectations(session: PoolSession) -> None:
    if session.settings.expect:
        from pytest_nki_pool.expect import ExpectationError

        _refuse_on(ExpectationError, lambda: session.expectations, session.settings.sources["expect"])


def _search(session: PoolSession) -> None:
    from pytest_nki_pool.plan import SEARCH
    from pytest_nki_pool.search import missing

    settings = session.settings
    if SEARCH in settings.checks and not settings.search:
        raise pytest.UsageError(f"{settings.sources['check']}: {SEARCH} needs a time: add --nki-search=SECONDS")
    if not settings.search:
        return
    if missing():
        raise pytest.UsageError(f"{settings.sources['search']}: {missing()}")
    if settings.cases and settings.sources["search"].startswith("--"):
        raise pytest.UsageError("--nki-search looks for cases, --nki-case names them: give one of the two")


def _cases(session: PoolSession) -> None:
    if session.settings.cases:
        from pytest_nki_pool.spec.case import CaseError

        _refuse_on(CaseError, lambda: session.cases, session.settings.sources["case"])


def _earlier(session: PoolSession) -> None:
    from pytest_nki_pool.report.formats import ReportError

    sources = [f"--nki-{name}" for name in ("resume", "baseline", "durations") if session.settings.given[name]]
    if sources:
        _refuse_on(ReportError, lambda: session.earlier, " or ".join(sources))


def _kernels(session: PoolSession) -> None:
    claims = session.settings.claims
    if claims.source and not session.settings.kernels:
        raise pytest.UsageError(
            f"{claims.source}: a claim is about the kernels that --nki-kernel names, and it names none; name them, "
            "or say what a kernel claims in its KernelSpec"
        )
    if session.chosen.built_in:
        return
    from pytest_nki_pool.launch.errors import KernelClaimError, KernelDialectError, KernelSignatureError
    from pytest_nki_pool.launch.load import KernelLoadError

    faults = (KernelLoadError, KernelDialectError, KernelSignatureError, KernelClaimError)
    for spec in session.kernels:
        _refuse_on(faults, partial(session.bench.kernel, spec), session.chosen.source)


def _refuse_on(
    errors: type[Exception] | tuple[type[Exception], ...], action: Callable[[], object], source: str
) -> None:
    try:
        action()
    except errors as error:
        raise pytest.UsageError(f"{source}: {error}") from error
