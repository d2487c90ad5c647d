"""The right to use cores: held by file locks, so that it ends with the process that uses them and never before.

Each physical core has a lock file. Whoever holds a lease hands the open files to the child process that touches the
device; the kernel frees the core when both are gone. Nothing is concluded from process ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.errors import CoresBusyError, NeuronError
from pytest_nki_pool.neuron.lockfiles import (
    exclusive,
    holds,
    read_record,
    timestamp,
    try_lock,
    unlock,
    write_record,
)
from pytest_nki_pool.neuron.quarantine import quarantined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Lease", "adopt", "describe_cores", "free_cores", "lease"]

_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use some cores; a context manager that gives them back, as the end of the object does.

    Attributes:
        cores: contiguous logical cores.
        files: open, locked files, one per physical core.
        folder: the folder of locks.
    """

    cores: tuple[Core, ...]
    files: tuple[FileIO, ...]
    folder: Path

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child process that is to use the cores must inherit (``subprocess.Popen(pass_fds=…)``)."""
        return tuple(file.fileno() for file in self.files)

    def handover(self) -> str:
        """What a child process that inherited the descriptors needs for `adopt`; one line."""
        cores = [[core.index, core.device, list(core.physical)] for core in self.cores]
        return json.dumps({"cores": cores, "descriptors": self.descriptors, "folder": str(self.folder)})

    def release(self) -> None:
        """Let go of the cores; they are free once every process that inherited the descriptors let go too."""
        for file in self.files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def lease(cores: Sequence[Core], folder: Path, *, count: int = 1, wait: float = 0.0) -> Lease:
    """Take free cores.

    Args:
        cores: those that may be used, ascending.
        folder: the folder of locks, the same for every test run of the host.
        count: how many, contiguous as the runtime wants them.
        wait: seconds to wait for other processes to let go; 0 for a single look.

    Raises:
        CoresBusyError: none came free in time; says who holds what, and why.
        NeuronError: the folder of locks cannot be used, or there is no such run of cores.
    """
    runs = [tuple(run) for run in zip(*(cores[start:] for start in range(count)), strict=False)]
    contiguous = [run for run in runs if run[-1].index - run[0].index == count - 1]
    if not contiguous:
        raise NeuronError(f"{count} contiguous cores asked for, {len(cores)} may be used")
    deadline = time.monotonic() + wait
    while (found := _first_free(contiguous, folder)) is None:
        if time.monotonic() >= deadline:
            held = "; ".join(describe_cores(cores, folder))
            raise CoresBusyError(f"no free NeuronCore within {wait:g} s ({held}); wait longer or free one")
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
    return found


def free_cores(cores: Sequence[Core], folder: Path) -> tuple[Core, ...]:
    """The cores that are neither leased nor quarantined at this moment."""
    free = []
    with exclusive(folder):
        for core in cores:
            descriptors = _try_core(core, folder)
            if descriptors is not None:
                free.append(core)
                _unlock(descriptors)
    return tuple(free)


def describe_cores(cores: Sequence[Core], folder: Path) -> tuple[str, ...]:
    """What keeps each of these cores from being used, one phrase per core that cannot be."""
    free = set(free_cores(cores, folder))
    return tuple(_describe(core, folder) for core in cores if core not in free)


def adopt(handover: str) -> Lease:
    """In a child process: hold the lease whose descriptors were inherited, for as long as the result lives.

    The child's own children do not inherit it: a compiler that outlives the child must not keep a core.

    Args:
        handover: the text that `Lease.handover` gave to the parent.

    Raises:
        NeuronError: the descriptors were not inherited, or are not the lock files of these cores.
    """
    record = json.loads(handover)
    cores = tuple(Core(index, device, tuple(physical)) for index, device, physical in record["cores"])
    folder = Path(record["folder"])
    descriptors = tuple(record["descriptors"])
    paths = [path for core in cores for path in _locks(core, folder)]
    for descriptor, path in zip(descriptors, paths, strict=True):
        if not holds(descriptor, path):
            raise NeuronError(f"descriptor {descriptor} is not the lock {path}; start this process with pass_fds")
        os.set_inheritable(descriptor, False)
    return _hold(cores, descriptors, folder)


def _first_free(runs: Sequence[tuple[Core, ...]], folder: Path) -> Lease | None:
    with exclusive(folder):
        for run in runs:
            taken = _try_run(run, folder)
            if taken is not None:
                return _hold(run, taken, folder)
    return None


def _try_run(run: tuple[Core, ...], folder: Path) -> tuple[int, ...] | None:
    """Lock all cores of a run, or none."""
    taken: list[int] = []
    for core in run:
        descriptors = _try_core(core, folder)
        if descriptors is None:
            _unlock(taken)
            return None
        taken += descriptors
    return tuple(taken)


def _try_core(core: Core, folder: Path) -> list[int] | None:
    """Lock the physical cores of a logical one, or none."""
    if quarantined(core, folder):
        return None
    taken: list[int] = []
    for path in _locks(core, folder):
        descriptor = try_lock(path)
        if descriptor is None:
            _unlock(taken)
            return None
        taken.append(descriptor)
    return taken


def _unlock(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        unlock(descriptor)


def _locks(core: Core, folder: Path) -> list[Path]:
    return [folder / f"neuron{core.device}-core{physical}.lock" for physical in core.physical]


def _hold(cores: tuple[Core, ...], descriptors: Sequence[int], folder: Path) -> Lease:
    """Make a lease of locked descriptors; who holds it is written down for people, the locks are what counts."""
    record = {"pid": os.getpid(), "since": timestamp(time.time())}
    with contextlib.suppress(NeuronError):
        for descriptor in descriptors:
            write_record(descriptor, record)
    return Lease(cores, tuple(FileIO(descriptor, "r+b") for descriptor in descriptors), folder)


def _describe(core: Core, folder: Path) -> str:
    resting = quarantined(core, folder)
    if resting:
        return f"core {core.index} {resting}"
    signed = next((record for path in _locks(core, folder) if (record := read_record(path))), None)
    signature = signed or {}
    who = f"process {signature['pid']}" if "pid" in signature else "another process"
    return f"core {core.index} held by {who} since {signature.get('since', 'an unknown time')}"
