"""Hardware counters before and after a launch."""

from __future__ import annotations

import pytest
from neuron_host.tree import write

from pytest_nki_pool.neuron.counters import changes, read_counters
from pytest_nki_pool.neuron.devices import inventory


@pytest.fixture
def watched(machine):
    """A machine with counters, its first device's folder in sysfs, and a function that reads them."""
    roots = machine("trn2.3xlarge", tool={}, counters=True)
    devices = inventory(roots, {}).devices
    return roots.sysfs / "class/neuron_device/neuron0", lambda: read_counters(roots, devices)


@pytest.mark.parametrize(
    ("file", "name", "suspect"),
    [
        ("stats/hardware/sram_ecc_uncorrected", "stats/hardware/sram_ecc_uncorrected", True),
        ("stats/hardware/mem_ecc_uncorrected", "stats/hardware/mem_ecc_uncorrected", True),
        ("stats/hardware/mem_ecc_repairable_uncorrected", "stats/hardware/mem_ecc_repairable_uncorrected", True),
        ("stats/hardware/sram_ecc_corrected", "stats/hardware/sram_ecc_corrected", False),
        ("neuron_core7/stats/status/hw_error/total", "neuron_core7/stats/status/hw_error/total", True),
        ("neuron_core0/stats/status/hw_nc_ue_error/total", "neuron_core0/stats/status/hw_nc_ue_error/total", True),
        ("neuron_core0/stats/status/infer_hw_error/total", "neuron_core0/stats/status/infer_hw_error/total", True),
    ],
)
def test_a_counter_that_grew_is_a_change(watched, file, name, suspect):
    device, read = watched
    write(device / file, "4\n")
    before = read()
    write(device / file, "5\n")

    [change] = changes(before, read())

    assert (change.name, change.before, change.after) == (f"neuron0/{name}", "4", "5")
    assert change.suspect is suspect
    assert str(change) == f"neuron0/{name}: 4 -> 5"


@pytest.mark.parametrize(
    "file",
    [
        "neuron_core0/stats/status/success/total",
        "neuron_core0/stats/status/oob_error/total",
        "neuron_core0/stats/status/hw_error/present",
        "neuron_core0/stats/other_info/inference_count",
        "stats/power/utilization",
        "stats/hardware/health_status/healthcheck_heartbeat",
    ],
)
def test_counters_of_work_and_of_a_kernels_own_errors_prove_nothing(watched, file):
    device, read = watched
    before = read()
    write(device / file, "9\n")

    assert changes(before, read()) == ()


def test_a_part_that_became_unhealthy_is_a_change(watched):
    device, read = watched
    before = read()
    write(device / "stats/hardware/health_status/unhealthy_components", "hbm,link_efa\n")
    after = read()

    [change] = changes(before, after)
    assert (change.after, change.suspect) == ("hbm,link_efa", True)
    assert changes(after, read()) == ()
    assert changes(after, before) == ()


def test_a_reset_or_reloaded_driver_is_no_error(watched):
    device, read = watched
    write(device / "stats/hardware/mem_ecc_uncorrected", "3\n")
    before = read()
    write(device / "stats/hardware/mem_ecc_uncorrected", "0\n")
    (device / "stats/hardware/sram_ecc_uncorrected").unlink()
    write(device / "stats/hardware/new_ecc_uncorrected", "2\n")

    assert changes(before, read()) == ()


def test_a_container_reads_the_counters_of_its_own_device(machine):
    roots = machine("trn2.48xlarge", nodes=[0], tool={"devices": [13], "renumber": True})
    devices = inventory(roots, {}).devices
    before = read_counters(roots, devices)
    write(roots.sysfs / "class/neuron_device/neuron0/stats/hardware/mem_ecc_uncorrected", "1\n")
    assert changes(before, read_counters(roots, devices)) == ()
    write(roots.sysfs / "class/neuron_device/neuron13/stats/hardware/mem_ecc_uncorrected", "1\n")

    [change] = changes(before, read_counters(roots, devices))

    assert change.name == "neuron0/stats/hardware/mem_ecc_uncorrected"


def test_a_device_that_sysfs_does_not_show_has_no_counters(machine):
    roots = machine("trn1.2xlarge", sysfs=False, tool={})

    assert read_counters(roots, inventory(roots, {}).devices) == {}
