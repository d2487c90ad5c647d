"""Where the trials of one process run: in it, in a child with a deadline, or in a child on a leased core."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.settings.devices import DEADLINE
from pytest_nki_pool.supervised.parent import Keeping, Supervised

if TYPE_CHECKING:
    from pytest_nki_pool.neuron.seat import Seat
    from pytest_nki_pool.run import Workbench
    from pytest_nki_pool.session.pool import PoolSession

#: Variables that differ between the processes of a run.
_OF_A_PROCESS = frozenset({"NEURON_RT_VISIBLE_CORES", "NEURON_RT_EXEC_TIMEOUT", "NEURON_PROCESS_TAG"})
#: Name of the process that is no worker.
_MAIN = "main"


class Launching:
    """What a process of the run launches with.

    Args:
        session: what the process knows about NKI.
        config: pytest's configuration.

    Attributes:
        notes: what there is to tell at the end of the run besides its verdicts.
    """

    def __init__(self, session: PoolSession, config: pytest.Config) -> None:
        self.notes: list[str] = []
        self._session = session
        self._config = config
        self._worker: str = getattr(config, "workerinput", {}).get("workerid", _MAIN)
        self._outside: dict[str, str] | None = None
        self._scratch: list[str] = []

    @cached_property
    def runner(self) -> Workbench | Supervised:
        """What runs a trial."""
        session = self._session
        deadline = session.settings.devices.deadline
        if self.seat is None and deadline is None:
            return session.bench
        report = session.settings.report
        keeping = Keeping(counters=bool(report.paths), arrays=report.artifacts is not None)
        return Supervised(session.bench, Path(session.settings.root), deadline or DEADLINE, self.seat, keeping)

    @cached_property
    def seat(self) -> Seat | None:
        """The core of this process; None where the target is no device."""
        session = self._session
        if session.target != ("device", ""):
            return None
        from pytest_nki_pool.neuron.seat import Seat  # noqa: PLC0415 - it needs an extra

        deadline = session.settings.devices.deadline or DEADLINE
        return Seat(session.machine.place, self._base(), self._worker, os.environ, deadline)

    @cached_property
    def on_device(self) -> bool:
        """Whether this run is about NKI and kernels execute on a device."""
        return self._session.concerned and self._session.target == ("device", "")

    @property
    def found(self) -> dict[str, Any] | None:
        """The devices that the controller found, for the workers; None where no device takes part."""
        return self._session.machine.found.to_json() if self.on_device else None

    @property
    def kind(self) -> str | None:
        """The chip that was found; None where no device takes part."""
        return self._session.machine.place.platform if self.on_device else None

    @property
    def recorded(self) -> dict[str, str]:
        """What a report tells of the environment of launches on a device; which core each process has is not in it."""
        if not self.on_device:
            return {}
        from pytest_nki_pool.neuron.environment import Folders, prepare  # noqa: PLC0415 - it needs an extra
        from pytest_nki_pool.neuron.lease import Lease  # noqa: PLC0415

        place = self._session.machine.place
        unleased = Lease(place.pool.cores[:1], (), place.locks)
        told = prepare(os.environ, unleased, Folders(Path(), Path(), Path()), place.platform).recorded()
        return {name: value for name, value in told.items() if name not in _OF_A_PROCESS}

    @property
    def free_cores(self) -> int | None:
        """How many workers ``-n auto`` should start, at least one; None where no device takes part."""
        return max(1, self._session.machine.free()) if self.on_device else None

    def describe(self) -> dict[str, str]:
        """What the header shows of the device: name -> text; empty where no device takes part."""
        if not self.on_device:
            return {}
        shown = self._session.machine.describe()
        if self.seat is not None and self.seat.lease is not None:
            shown["leased"] = ", ".join(f"core {core.index} of device {core.device}" for core in self.seat.lease.cores)
        return shown

    def begin(self) -> None:
        """Have a core before anything can settle on one: for this process, or as a controller for each of its workers.

        A worker without a core goes on: each of its cases tries again, and says so in its verdict.

        Raises:
            pytest.UsageError: there are too few cores, none came free, or a framework was imported before.
        """
        if not self.on_device:
            return
        option = self._config.option
        if self._worker != _MAIN or getattr(option, "dist", "no") == "no":
            self._take(required=self._worker == _MAIN)
            return
        self._session.machine.require_free(len(option.tx or ()))
        if option.maxschedchunk is None:
            option.maxschedchunk = 1  # cases are slow and uneven here: none waits behind others of a busy worker

    def here(self) -> tuple[int, ...]:
        """Make ready for launches in this process itself: the core has one owner, which then is no child.

        Returns:
            The leased cores; none where the target is no device.

        Raises:
            NeuronError: no core is free.
        """
        if self.seat is None:
            return ()
        if self._outside is None:
            self._session.machine.refuse_settled()
        if isinstance(self.runner, Supervised):
            self.runner.leave_to_parent()
        self._enter()
        return tuple(core.index for core in self.seat.take().cores)

    def close(self) -> None:
        """End what was started, and give everything back."""
        runner = self.__dict__.pop("runner", None)
        seat = self.__dict__.pop("seat", None)
        if isinstance(runner, Supervised):
            runner.close()
            self.notes += runner.notes
        if seat is not None:
            seat.leave()
        if self._outside is not None:
            os.environ.clear()
            os.environ.update(self._outside)
            self._outside = None
        for folder in self._scratch:
            shutil.rmtree(folder, ignore_errors=True)

    def _take(self, *, required: bool) -> None:
        assert self.seat is not None  # noqa: S101 - the target is a device
        from pytest_nki_pool.neuron.errors import NeuronError  # noqa: PLC0415 - its siblings need an extra

        self._session.machine.refuse_settled()
        try:
            self._enter()
        except NeuronError as error:
            if required:
                raise pytest.UsageError(str(error)) from error

    def _enter(self) -> None:
        """Give this process, too, the environment of the leased core."""
        assert self.seat is not None  # noqa: S101 - checked by the callers
        variables = self.seat.environment().variables
        if self._outside is None:
            self._outside = dict(os.environ)
        for name in set(os.environ) - set(variables):
            del os.environ[name]
        os.environ.update(variables)

    def _base(self) -> Path:
        """The folder below which the toolchain writes: what it leaves of a failure belongs to the failure's arrays."""
        artifacts = self._session.settings.report.artifacts
        if artifacts is not None:
            return artifacts / "neuron"
        self._scratch.append(tempfile.mkdtemp(prefix="nki-pool-"))
        return Path(self._scratch[-1])
