"""Where the machine is looked at; every place can be put elsewhere."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.errors import NeuronError

if TYPE_CHECKING:
    from collections.abc import Callable


#: The folder of locks that every test run of a host shares.
#:
#: Not Python's temporary folder: TMPDIR often differs per user or per job, and runs that look into different folders
#: do not see each other's leases. Containers that share devices must share this folder; between those that do not,
#: only the driver's own reservation of cores decides.
LOCKS = Path("/tmp/nki-pool-cores")  # noqa: S108 - made sticky, its files are opened without following links


def is_character_device(path: Path) -> bool:
    """Whether a path is a device node as the driver makes it."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the machine is looked at.

    Attributes:
        sysfs: mount point of sysfs.
        dev: folder of the device nodes.
        proc: mount point of procfs.
        dmi: folder of the firmware's identification, of which `product_name` is the instance type on EC2.
        neuron_ls: the tool, by absolute path: it is often not on PATH in shells that are no login shells.
        lnc_file: the host's setting of the logical-core configuration.
        is_node: whether a path below `dev` counts as a device node.
    """

    sysfs: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    dmi: Path = Path("/sys/devices/virtual/dmi/id")
    neuron_ls: Path = Path("/opt/aws/neuron/bin/neuron-ls")
    lnc_file: Path = Path("/opt/aws/neuron/logical_nc_config")
    is_node: Callable[[Path], bool] = is_character_device

    @property
    def locks(self) -> Path:
        """The folder of locks that leases of these devices share; devices looked for elsewhere have one beside them."""
        return LOCKS if self.dev == type(self)().dev else self.dev.parent / LOCKS.name

    @classmethod
    def at(cls, sysfs: Path | None = None, dev: Path | None = None, neuron_ls: Path | None = None) -> Roots:
        """The machine's own places, except those given.

        The firmware's identification is part of sysfs and moves with it. Outside ``/dev`` any file with the name of a
        device node counts as one, because only root can make character devices; procfs is then the folder ``proc``
        beside it.

        Args:
            sysfs: in place of ``/sys``.
            dev: in place of ``/dev``.
            neuron_ls: in place of the tool's own path.

        Raises:
            NeuronError: a place that was given does not exist.
        """
        for place in (sysfs, dev, neuron_ls):
            if place is not None and not place.exists():
                raise NeuronError(f"{place} does not exist; give the place where the devices are looked for")
        own = cls()
        sysfs, dev = sysfs or own.sysfs, dev or own.dev
        moved = dev != own.dev
        return cls(
            sysfs=sysfs,
            dev=dev,
            proc=dev.parent / "proc" if moved else own.proc,
            dmi=sysfs / "devices/virtual/dmi/id",
            neuron_ls=(neuron_ls or own.neuron_ls).absolute(),
            is_node=Path.exists if moved else own.is_node,
        )
