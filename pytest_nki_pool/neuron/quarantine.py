"""Cores that nobody should use for a while, after a hang or a hardware error."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.lockfiles import exclusive, open_shared, read_record, timestamp, write_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_nki_pool.neuron.devices import Core

#: Seconds that a core rests unless told otherwise; the next runtime that starts on it resets it.
REST = 1800.0


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a physical core is not used, and until when.

    Attributes:
        reason: what happened.
        until: seconds since the epoch.
    """

    reason: str
    until: float

    def __str__(self) -> str:
        return f"quarantined until {timestamp(self.until)}: {self.reason}"


def quarantine(cores: Iterable[Core], reason: str, folder: Path, seconds: float = REST) -> None:
    """Keep every test run of the host away from these cores; whoever holds one now keeps it.

    Args:
        cores: the core after a hang, every core of its device after a hardware error.
        reason: what happened, for the person who wonders where the core is.
        folder: the folder of locks.
        seconds: for how long.

    Raises:
        NeuronError: the folder of locks cannot be used.
    """
    record = {"reason": reason, "until": time.time() + seconds}
    with exclusive(folder):
        for path in {path for core in cores for path in _markers(core, folder)}:
            descriptor = open_shared(path)
            try:
                write_record(descriptor, record)
            finally:
                os.close(descriptor)


def lift(cores: Iterable[Core], folder: Path) -> None:
    """End the quarantine of these cores."""
    quarantine(cores, "lifted", folder, seconds=0)


def quarantined(core: Core, folder: Path, now: float | None = None) -> Quarantine | None:
    """The quarantine that a logical core is in, the longest of its physical cores'; None when it may be used."""
    now = time.time() if now is None else now
    found = [_read(path) for path in _markers(core, folder)]
    return max((one for one in found if one and one.until > now), key=lambda one: one.until, default=None)


def _markers(core: Core, folder: Path) -> list[Path]:
    return [folder / f"neuron{core.device}-core{physical}.quarantine" for physical in core.physical]


def _read(path: Path) -> Quarantine | None:
    record = read_record(path)
    if record is None:
        return None
    until = record.get("until")
    return Quarantine(str(record.get("reason", "")), float(until)) if isinstance(until, (int, float)) else None
