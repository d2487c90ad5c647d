"""The core that one process of a run works on, and what goes with it: lease, environment, counters, quarantine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.counters import read_counters
from pytest_nki_pool.neuron.environment import EXEC_TIMEOUT, Folders, prepare
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.lease import lease
from pytest_nki_pool.neuron.lockfiles import held
from pytest_nki_pool.neuron.quarantine import quarantine, quarantined

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_nki_pool.neuron.devices import Core, Inventory
    from pytest_nki_pool.neuron.environment import Environment
    from pytest_nki_pool.neuron.lease import Lease
    from pytest_nki_pool.neuron.roots import Roots
    from pytest_nki_pool.neuron.selection import Selection

#: How many times the time to wait for a core may be spent in one process.
_WAITS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run may work.

    Attributes:
        roots: where the machine is looked at.
        found: its devices.
        pool: the cores that the run may use.
        locks: the folder of locks.
        wait: seconds to wait for a core that others hold.
    """

    roots: Roots
    found: Inventory
    pool: Selection
    locks: Path
    wait: float

    @property
    def platform(self) -> str:
        """The chip."""
        self.found.require()
        return str(self.found.platform)


class Seat:
    """One core at a time, held from the first launch to the end of the process.

    Args:
        place: where the run may work.
        base: folder below which the process's toolchain writes.
        worker: name of the process within the run.
        environ: the environment that the user gave.
        deadline: seconds that one launch may take.
    """

    def __init__(self, place: Place, base: Path, worker: str, environ: Mapping[str, str], deadline: float) -> None:
        self.place = place
        self.lease: Lease | None = None
        self._base = base
        self._worker = worker
        self._environ = dict(environ)
        self._exec_timeout = max(1, min(EXEC_TIMEOUT, int(deadline / 2)))
        self._generation = 0
        # A worker without a core that gave up every case at once would take the cases away from those that have one.
        self._patience = _WAITS * place.wait
        self._hurried = False
        self._avoid: frozenset[Core] = frozenset()

    def take(self) -> Lease:
        """The lease, taken now if there is none.

        Raises:
            CoresBusyError: no core came free, though it was waited for as long as others hold cores.
            NeuronError: the folder of locks cannot be used.
        """
        if self.lease is None:
            pool, locks = self.place.pool.cores, self.place.locks
            resting = all(quarantined(core, locks) for core in pool)
            wait = 0.0 if resting or self._hurried else min(self.place.wait, self._patience)
            self._hurried = False
            started = time.monotonic()
            try:
                self.lease = lease([core for core in pool if core not in self._avoid] or pool, locks, wait=wait)
            finally:
                self._patience = max(0.0, self._patience - (time.monotonic() - started))
        return self.lease

    def leave(self, *, avoid: bool = False) -> None:
        """Give the core back.

        Args:
            avoid: whether to take another one next time if the run may use more than this one.
        """
        if self.lease is not None:
            self._avoid = frozenset(self.lease.cores if avoid else ())
            self.lease.release()
            self.lease = None

    def exchange(self) -> bool:
        """Take another core that is free at this moment, and only then give the present one back.

        Returns:
            Whether there was one; the one given back is free when the children that use it have ended.
        """
        present = self.take()
        others = [core for core in self.place.pool.cores if core not in present.cores]
        try:
            self.lease = lease(others, self.place.locks)
        except NeuronError:
            return False
        present.release()
        return True

    def rest(self, what: str, reason: str) -> None:
        """Leave the core, and let it rest after what happened on it; another is not waited for.

        Args:
            what: "core", or "device" for every core of its device.
            reason: what happened.
        """
        if self.lease is None:
            return
        devices = {core.device for core in self.lease.cores}
        beside = tuple(core for core in self.place.found.cores if core.device in devices)
        quarantine(beside if what == "device" else self.lease.cores, reason, self.place.locks)
        self.leave()
        self._hurried = True

    def environment(self) -> Environment:
        """The environment of a process that launches on the leased core.

        Raises:
            NeuronError: no core is free, or the user's environment contradicts a run on this device.
        """
        return prepare(
            self._environ,
            self.take(),
            self._folders,
            self.place.platform,
            worker=self._worker,
            exec_timeout=self._exec_timeout,
        )

    def counters(self) -> Mapping[str, str]:
        """The error counters of the devices that the core belongs to."""
        devices = {core.device for core in self.lease.cores} if self.lease else set()
        return read_counters(self.place.roots, [one for one in self.place.found.devices if one.index in devices])

    def fresh_folders(self) -> None:
        """Let the toolchain start in folders that nothing failed in."""
        self._generation += 1

    def clear_compile_locks(self) -> None:
        """Remove the locks in the worker's own compile cache, which a compilation that was killed left behind."""
        for lock in self._folders.cache.rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def alone(self, patience: float) -> AbstractContextManager[None]:
        """Be the only process of the host that launches again because the host was short of memory or disk space.

        Raises:
            CoresBusyError: others did not end in time.
        """
        return held(self.place.locks / "again.lock", patience, " by another repeated launch")

    @property
    def _folders(self) -> Folders:
        return Folders.below(self._base, f"{self._worker}-{self._generation}" if self._generation else self._worker)
