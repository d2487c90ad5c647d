"""What every source says about the machine, read once, and how their device numbers belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.chips import INSTANCE_DEVICES
from pytest_nki_pool.neuron.dmi import dmi_instance_type
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.neuron_ls import ListedDevice, neuron_ls
from pytest_nki_pool.neuron.sysfs import (
    SysfsDevice,
    device_nodes,
    driver_registered,
    driver_version,
    read_text,
    sysfs_devices,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.neuron.roots import Roots


@dataclass(frozen=True, slots=True)
class Sources:
    """What every source says.

    Attributes:
        roots: where they were read.
        nodes: numbers of the device nodes; they alone decide what may be used.
        registered: whether the kernel lists the driver; None where that cannot be read.
        driver: version of the loaded driver.
        sysfs: devices in sysfs by number, the host's in a container.
        listed: records of ``neuron-ls`` by the number of the node that they describe.
        tool_devices: how many records it wrote, whether or not they have a node.
        tool_error: why ``neuron-ls`` says nothing; empty when it answered.
        dmi: instance type that the firmware gives.
        lnc_file: the host's setting of the logical-core configuration.
        notes: what a person should know about how the sources fit together.
    """

    roots: Roots
    nodes: tuple[int, ...]
    registered: bool | None
    driver: str | None
    sysfs: Mapping[int, SysfsDevice]
    listed: Mapping[int, ListedDevice]
    tool_devices: int
    tool_error: str
    dmi: str | None
    lnc_file: str | None
    notes: tuple[str, ...]

    def knows(self, node: int) -> bool:
        """Whether a source other than the node itself has the device."""
        in_firmware = self.registered is not False and node < INSTANCE_DEVICES.get(self.dmi or "", 0)
        return node in self.sysfs or node in self.listed or in_firmware

    def sysfs_number(self, node: int) -> int | None:
        """The number that sysfs has for the device behind a node; None when it cannot be told.

        A container may number its devices from 0 while sysfs keeps the host's numbers; then the neighbours tell which
        device it is.
        """
        own = self.sysfs.get(node)
        if own is None or len(self.sysfs) == len(self.nodes):
            return own.index if own else None
        listed = self.listed.get(node)
        if listed is None or own.neighbours is None:
            return None
        if own.neighbours == listed.neighbours:
            return node
        same = [number for number, device in self.sysfs.items() if device.neighbours == listed.neighbours]
        return same[0] if len(same) == 1 else None

    def looked_for(self) -> tuple[str, ...]:
        """What was looked for, where, and what was there: one phrase per source."""
        kernel = {True: "lists the driver neuron", False: "does not list the driver neuron", None: "cannot be read"}
        return (
            f"{self.roots.dev}/neuron<N>: {_count(len(self.nodes), 'device node')}",
            f"{self.roots.proc}/devices: {kernel[self.registered]}",
            f"{self.roots.sysfs}/class/neuron_device: {_count(len(self.sysfs), 'device')}",
            self.tool_error or f"{self.roots.neuron_ls}: {_count(self.tool_devices, 'device')}",
            f"{self.roots.dmi}/product_name: {self.dmi or 'no Neuron instance'}",
        )


def read_sources(roots: Roots, environ: Mapping[str, str]) -> Sources:
    """Ask every source, ``neuron-ls`` exactly once."""
    nodes = device_nodes(roots)
    sysfs = {device.index: device for device in sysfs_devices(roots)}
    try:
        records, tool_error = neuron_ls(roots.neuron_ls, environ), ""
    except NeuronError as error:
        records, tool_error = (), str(error)
    listed, notes = _match(nodes, records)
    if nodes and tool_error:
        notes.append(tool_error)
    more = len(sysfs.keys() - set(nodes))
    if nodes and more:
        notes.append(
            f"sysfs lists {_count(more, 'further device')} of the host that have no node here and are not used"
        )
    return Sources(
        roots=roots,
        nodes=nodes,
        registered=driver_registered(roots),
        driver=driver_version(roots),
        sysfs=sysfs,
        listed=listed,
        tool_devices=len(records),
        tool_error=tool_error,
        dmi=dmi_instance_type(roots),
        lnc_file=read_text(roots.lnc_file),
        notes=tuple(notes),
    )


def _match(nodes: tuple[int, ...], records: tuple[ListedDevice, ...]) -> tuple[dict[int, ListedDevice], list[str]]:
    """Give each node its record of ``neuron-ls``: by number, or by order where a container counts from 0."""
    numbers = tuple(record.index for record in records)
    if not records or numbers == nodes:
        return dict(zip(numbers, records, strict=True)), []
    differ = f"neuron-ls lists {_list(numbers)}, the nodes are {_list(nodes)}"
    if len(numbers) == len(nodes):
        return dict(zip(nodes, records, strict=True)), [f"{differ}; taken to be the same in this order"]
    return {record.index: record for record in records if record.index in nodes}, [differ]


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "none"
