"""What the processes of a run of pytest are to each other: one that works alone, or a controller and its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.session.launching import MAIN

if TYPE_CHECKING:
    from pytest_nki_pool.session.pool import PoolSession


def name_of(config: pytest.Config) -> str:
    """The name of this process within the run."""
    name: str = getattr(config, "workerinput", {}).get("workerid", MAIN)
    return name


def begin(session: PoolSession, config: pytest.Config) -> None:
    """Have a core before anything can settle on one: for this process, or as a controller for each of its workers.

    A worker without a core goes on: each of its cases tries again, and says so in its verdict.

    Raises:
        pytest.UsageError: there are too few cores, none came free, or a framework was imported before.
    """
    if not session.launching.on_device:
        return
    option, is_worker = config.option, hasattr(config, "workerinput")
    if is_worker or getattr(option, "dist", "no") == "no":
        _enter(session, required=not is_worker)
        return
    processes = len(option.tx or ())
    session.machine.require_free(processes, f"-n {processes}", "-n auto")
    if option.maxschedchunk is None:
        option.maxschedchunk = 1  # cases are slow and uneven here: none waits behind others of a busy worker


def _enter(session: PoolSession, *, required: bool) -> None:
    try:
        session.launching.enter()
    except NeuronError as error:
        if required:
            raise pytest.UsageError(str(error)) from error
