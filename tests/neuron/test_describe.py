"""The inventory as a table."""

from __future__ import annotations

from pytest_nki_pool.neuron.describe import table
from pytest_nki_pool.neuron.devices import inventory


def test_a_machine_with_one_device(machine):
    found = inventory(machine("trn2.3xlarge", tool={"owners": {0: [17, 18]}}), {})

    assert table(found) == (
        "trn2.3xlarge: trn2 (gen3)",
        "driver: 2.30.2.0",
        "physical per logical core: 2",
        "device  PCI address   memory  physical cores  logical cores  connected to  in use by",
        "0       0000:33:00.0  96 GiB  8               0-3            -             process 17, process 18",
    )


def test_a_row_per_device_and_the_notes(machine):
    found = inventory(machine("trn1.32xlarge", nodes=[2, 3]), {})

    assert table(found)[3:] == (
        "device  PCI address  memory  physical cores  logical cores  connected to  in use by",
        "2       -            32 GiB  2               0-1            1, 3, 6, 14   -",
        "3       -            32 GiB  2               2-3            0, 2, 7, 15   -",
        *(f"note: {note}" for note in found.notes),
    )
    assert len(found.notes) == 4


def test_a_machine_without_devices(machine):
    found = inventory(machine("trn1.2xlarge", nodes=[]), {})

    assert table(found) == ("no Neuron device", *(f"note: {phrase}" for phrase in found.looked_for))
