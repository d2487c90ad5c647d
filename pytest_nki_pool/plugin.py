"""pytest's door: hooks only. Importing it imports nothing heavy; without NKI items it changes nothing about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.fixtures import (
    assert_nki_close,
    nki_backend,
    nki_case,
    nki_check,
    nki_device,
    nki_golden,
    nki_kernel,
    nki_launch,
    nki_target,
)
from pytest_nki_pool.session.pool import KEY, RECORD

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "assert_nki_close",
    "nki_backend",
    "nki_case",
    "nki_check",
    "nki_device",
    "nki_golden",
    "nki_kernel",
    "nki_launch",
    "nki_target",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    from pytest_nki_pool.options import add_options

    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that vendors implement."""
    from pytest_nki_pool import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, and refuse here what cannot be had: a usage error raised in an xdist worker loses its text."""
    from pytest_nki_pool.collect import MARKER
    from pytest_nki_pool.session.pool import only_lists, session_of
    from pytest_nki_pool.session.recorder import Recorder
    from pytest_nki_pool.session.validation import validate

    config.addinivalue_line("markers", MARKER)
    session = session_of(config)
    if not hasattr(config, "workerinput"):
        recorder = Recorder(session)
        config.pluginmanager.register(recorder, "nki-pool-recorder")
        if session.concerned and not config.option.help:
            validate(session)
            recorder.open(config)
    if session.concerned and not config.option.help and not only_lists(config):
        from pytest_nki_pool.session.xdist import begin

        begin(session, config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the settings to an xdist worker."""
    session = node.config.stash[KEY]
    node.workerinput["nki_pool"] = session.settings.to_json()
    node.workerinput["nki_pool_earlier"] = session.earlier.to_json()
    node.workerinput["nki_pool_machine"] = session.launching.found if session.concerned else None
    if session.shard:
        # The worker says how many cases there are before it leaves out those of other shards.
        node.workerinput["nki_pool_cases"] = node.gateway.newchannel()


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # else xdist answers with the number of processors
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``-n auto`` on a Neuron device, have as many workers as there are free cores."""
    from pytest_nki_pool.session.pool import session_of

    session = session_of(config)
    return session.launching.free_cores if session.concerned else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has to tell at its end."""
    notes = (getattr(node, "workeroutput", None) or {}).get("nki_pool_notes")
    if notes:
        node.config.stash[KEY].launching.notes.extend(notes)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the children, and give the core back."""
    notes = session.config.stash[KEY].close()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["nki_pool_notes"] = notes


def pytest_unconfigure(config: pytest.Config) -> None:
    """Do so as well after a run that never got to its end."""
    if KEY in config.stash:
        config.stash[KEY].close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the run is about, and where each setting came from."""
    session = config.stash[KEY]
    if not session.concerned:
        return []
    from pytest_nki_pool.session.header import header

    return header(session)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give tests that request nki fixtures their parameters."""
    from pytest_nki_pool.collect import parametrize

    parametrize(metafunc, metafunc.config.stash[KEY])


@pytest.hookimpl(trylast=True)  # what others deselect belongs to no shard
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the suite's tests whose checks or cases were not asked for, are another shard's, or have a verdict."""
    from pytest_nki_pool.collect import case_of, is_done, is_empty

    session = config.stash[KEY]
    cases = [case_of(item) for item in items]
    mine = set(session.divide(set(cases) - {""})) | {""}
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item, case in zip(items, cases, strict=True):
        runs = case in mine and not is_empty(item) and not is_done(item, session)
        (kept if runs else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the verdict on the report, in a form that survives the way from a worker to the controller."""
    from pytest_nki_pool.collect import FIXTURES

    report = yield
    if FIXTURES.intersection(getattr(item, "fixturenames", ())):
        record = item.stash.get(RECORD, None)
        report.nki_pool = record.to_wire() if record and report.when == "call" else {}  # type: ignore[attr-defined]
    return report
