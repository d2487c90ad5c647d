"""Where the trials of one process run: in it, in a child with a deadline, or in a child on a leased core."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.settings.devices import DEADLINE
from pytest_nki_pool.supervised.parent import Keeping, Supervised

if TYPE_CHECKING:
    from pytest_nki_pool.neuron.seat import Seat
    from pytest_nki_pool.run import Workbench
    from pytest_nki_pool.session.pool import PoolSession

#: Variables that differ between the processes of a run.
_OF_A_PROCESS = frozenset({"NEURON_RT_VISIBLE_CORES", "NEURON_RT_EXEC_TIMEOUT", "NEURON_PROCESS_TAG"})
#: Name of a process that works alone.
MAIN = "main"


class Launching:
    """What a process of the run launches with.

    Args:
        session: what the process knows about NKI.
        name: of the process within the run.

    Attributes:
        notes: what there is to tell at the end of the run besides its verdicts.
    """

    def __init__(self, session: PoolSession, name: str = MAIN) -> None:
        self.notes: list[str] = []
        self._session = session
        self._name = name
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
        return Seat(session.machine.place, self._base(), self._name, os.environ, deadline)

    @cached_property
    def on_device(self) -> bool:
        """Whether this run is about NKI and kernels execute on a device."""
        return self._session.concerned and self._session.target == ("device", "")

    @property
    def found(self) -> dict[str, Any] | None:
        """The devices that were found, for other processes of this machine; None where no device takes part."""
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
        """How many processes the run should have, at least one; None where no device takes part."""
        return max(1, self._session.machine.free()) if self.on_device else None

    def describe(self) -> dict[str, str]:
        """What the header shows of the device: name -> text; empty where no device takes part."""
        if not self.on_device:
            return {}
        shown = self._session.machine.describe()
        if self.seat is not None and self.seat.lease is not None:
            shown["leased"] = ", ".join(f"core {core.index} of device {core.device}" for core in self.seat.lease.cores)
        return shown

    def enter(self) -> None:
        """Have a core before anything can settle on one, and give this process, too, the environment of launches on it.

        Raises:
            pytest.UsageError: a framework was imported before.
            NeuronError: no core is free.
        """
        assert self.seat is not None  # noqa: S101 - the target is a device
        if self._outside is None:
            self._session.machine.refuse_settled()
        variables = self.seat.environment().variables
        if self._outside is None:
            self._outside = dict(os.environ)
        for name in set(os.environ) - set(variables):
            del os.environ[name]
        os.environ.update(variables)

    def here(self) -> tuple[int, ...]:
        """Make ready for launches in this process itself: the core has one owner, which then is no child.

        Returns:
            The leased cores; none where the target is no device.

        Raises:
            NeuronError: no core is free.
        """
        if self.seat is None:
            return ()
        if isinstance(self.runner, Supervised):
            self.runner.leave_to_parent()
        self.enter()
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

    def _base(self) -> Path:
        """The folder below which the toolchain writes: what it leaves of a failure belongs to the failure's arrays."""
        artifacts = self._session.settings.report.artifacts
        if artifacts is not None:
            return artifacts / "neuron"
        self._scratch.append(tempfile.mkdtemp(prefix="nki-pool-"))
        return Path(self._scratch[-1])
