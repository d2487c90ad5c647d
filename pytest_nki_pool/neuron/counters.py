"""Error counters of the hardware, before and after: what tells a wrong kernel from a failing device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.sysfs import core_folders, device_folder, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_nki_pool.neuron.devices import Device
    from pytest_nki_pool.neuron.roots import Roots


@dataclass(frozen=True, slots=True)
class Change:
    """One counter that moved.

    Attributes:
        name: such as ``neuron0/stats/hardware/mem_ecc_uncorrected``.
        before: its value before.
        after: its value after.
        suspect: whether results in between are not to be trusted; errors that the hardware corrected are only told.
    """

    name: str
    before: str
    after: str
    suspect: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.before} -> {self.after}"


def read_counters(roots: Roots, devices: Iterable[Device]) -> Mapping[str, str]:
    """Every error counter of these devices that sysfs shows, by name.

    Counters of work done are left out: on some driver and runtime versions they stay 0 while kernels run (Neuron
    runtime release notes 2.32), so they prove nothing.

    Args:
        roots: where to look.
        devices: devices whose number in sysfs is not known have no counters.
    """
    return {
        f"neuron{device.index}/{name}": value
        for device in devices
        if device.sysfs is not None
        for name, value in _of_device(device_folder(roots, device.sysfs))
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """The counters that grew, and parts that became unhealthy.

    A counter that is new, gone or smaller tells of a reset or a reloaded driver, not of an error.
    """
    moved = ((name, before[name], value) for name, value in after.items() if before.get(name, value) != value)
    return tuple(Change(name, old, new, _suspect(name)) for name, old, new in moved if _worse(old, new))


def _of_device(folder: Path) -> Iterator[tuple[str, str]]:
    names = ["stats/hardware/health_status/unhealthy_components"]
    names += [f"stats/hardware/{name}" for name in _children(folder / "stats/hardware") if "ecc" in name]
    names += [
        f"stats/hardware/health_status/{name}"
        for name in _children(folder / "stats/hardware/health_status")
        if "ecc" in name
    ]
    for _, core in core_folders(folder):
        status = core / "stats/status"
        names += [f"{core.name}/stats/status/{name}/total" for name in _children(status) if "hw_" in name]
    for name in names:
        value = read_text(folder / name)
        # The list of unhealthy parts is empty while all are well: absent and empty differ by the file alone.
        if value is not None or (folder / name).exists():
            yield name, value or ""


def _children(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _suspect(name: str) -> bool:
    return not name.endswith("_ecc_corrected")


def _worse(old: str, new: str) -> bool:
    if old.isdecimal() and new.isdecimal():
        return int(new) > int(old)
    return bool(set(new.split(",")) - set(old.split(",")) - {""})
