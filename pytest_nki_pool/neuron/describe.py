"""The inventory for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nki_pool.neuron.devices import Device, Inventory

_HEAD = ("device", "PCI address", "memory", "physical cores", "logical cores", "connected to", "in use by")


def table(inventory: Inventory) -> tuple[str, ...]:
    """The lines to print: what the machine is, a row per device, then the notes."""
    return (*_summary(inventory), *_rows(inventory), *(f"note: {note}" for note in inventory.notes))


def _summary(inventory: Inventory) -> Iterator[str]:
    if not inventory.devices:
        yield "no Neuron device"
        return
    yield f"{inventory.instance_type or 'instance type not known'}: {inventory.platform} ({inventory.generation})"
    yield f"driver: {inventory.driver or 'version not known'}"
    yield f"physical per logical core: {inventory.logical_core_configuration}"


def _rows(inventory: Inventory) -> Iterator[str]:
    if not inventory.devices:
        return
    cells = [_HEAD, *(_row(inventory, device) for device in inventory.devices)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(inventory: Inventory, device: Device) -> tuple[str, ...]:
    logical = [core.index for core in inventory.cores if core.device == device.index]
    owners = [f"process {owner.pid}" for owner in inventory.owners if owner.device == device.index]
    return (
        str(device.index),
        device.bdf or "-",
        f"{device.memory / 2**30:g} GiB",
        str(device.cores),
        _ranges(logical),
        ", ".join(map(str, sorted(device.neighbours))) or "-",
        ", ".join(owners) or "-",
    )


def _ranges(numbers: Sequence[int]) -> str:
    if numbers and numbers[-1] - numbers[0] == len(numbers) - 1 and len(numbers) > 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
