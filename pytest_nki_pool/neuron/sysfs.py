"""What the driver tells through sysfs, procfs and its device nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nki_pool.neuron.roots import Roots

_DEVICE = re.compile(r"neuron([0-9]+)")
_CORE = re.compile(r"neuron_core([0-9]+)")


@dataclass(frozen=True, slots=True)
class SysfsDevice:
    """One device in sysfs.

    Attributes:
        index: number in its name.
        cores: physical NeuronCores, counted by their folders: `core_count` is for root alone before driver 2.28.
        core_architectures: architecture names of the cores, such as ``NCv2``.
        family: the driver's instance family in lower case, such as ``trn1``; None where it does not say.
        neighbours: devices it is connected to; None where the driver keeps that to root.
    """

    index: int
    cores: int
    core_architectures: frozenset[str]
    family: str | None
    neighbours: frozenset[int] | None


def device_nodes(roots: Roots) -> tuple[int, ...]:
    """Numbers of the device nodes, ascending: one node is one device, not one core."""
    return tuple(sorted(index for index, path in _numbered(roots.dev, _DEVICE) if roots.is_node(path)))


def driver_registered(roots: Roots) -> bool | None:
    """Whether the running kernel lists the driver among its character devices; None where that cannot be read."""
    text = read_text(roots.proc / "devices")
    if text is None:
        return None
    characters = text.partition("Block devices:")[0]
    return any(line.split()[1:] == ["neuron"] for line in characters.splitlines())


def driver_version(roots: Roots) -> str | None:
    """Version of the loaded driver, which can be older than the module file on disk."""
    return read_text(roots.sysfs / "module/neuron/version")


def device_folder(roots: Roots, index: int) -> Path:
    """Folder of one device in sysfs."""
    return _class_folder(roots) / f"neuron{index}"


def sysfs_devices(roots: Roots) -> tuple[SysfsDevice, ...]:
    """Every device that sysfs lists, ascending; in a container these are the host's."""
    return tuple(_read(index, path) for index, path in sorted(_numbered(_class_folder(roots), _DEVICE)))


def core_folders(folder: Path) -> tuple[tuple[int, Path], ...]:
    """Number and folder of each physical core of a device."""
    return tuple(sorted(_numbered(folder, _CORE)))


def read_text(path: Path) -> str | None:
    """Content of a small file without surrounding white space; None when it is absent, empty or not ours to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _class_folder(roots: Roots) -> Path:
    return roots.sysfs / "class/neuron_device"


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    return [(int(match[1]), path) for path in paths if (match := pattern.fullmatch(path.name))]


def _read(index: int, folder: Path) -> SysfsDevice:
    cores = core_folders(folder)
    names = (read_text(core / "info/architecture/arch_type") for _, core in cores)
    family = read_text(folder / "info/architecture/instance_type")
    connected = read_text(folder / "connected_devices")
    return SysfsDevice(
        index,
        len(cores),
        frozenset(name for name in names if name),
        family.lower() if family else None,
        None if connected is None else frozenset(int(number) for number in re.findall(r"[0-9]+", connected)),
    )
