"""Discovery: what the sources say together, on every machine and with every age and failure of the tool."""

from __future__ import annotations

import json
import re
import time

import pytest
from neuron_host import FAILURES, MACHINES, TOOLS
from neuron_host.tree import write

from pytest_nki_pool.neuron.chips import CHIPS, INSTANCE_DEVICES, platform_of
from pytest_nki_pool.neuron.devices import Core, differences, inventory
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.roots import Roots
from pytest_nki_pool.spec.platforms import GENERATIONS

#: Platform, generation, devices, physical cores per device, logical-core configuration.
#: Source: Neuron architecture guides, logical NeuronCore configuration guide.
EXPECTED = {
    "inf2.xlarge": ("inf2", "gen2", 1, 2, 1),
    "trn1.2xlarge": ("trn1", "gen2", 1, 2, 1),
    "trn1.32xlarge": ("trn1", "gen2", 16, 2, 1),
    "trn2.3xlarge": ("trn2", "gen3", 1, 8, 2),
    "trn2.48xlarge": ("trn2", "gen3", 16, 8, 2),
}


def summary(found):
    physical = {device.cores for device in found.devices}
    assert len(physical) == 1
    return found.platform, found.generation, len(found.devices), *physical, found.logical_core_configuration


@pytest.mark.parametrize("tools", [*TOOLS, None], ids=lambda tools: f"tools {tools}")
@pytest.mark.parametrize("instance_type", EXPECTED)
def test_every_machine_is_found_with_every_age_of_the_tool(machine, instance_type, tools):
    roots = machine(instance_type, tool=tools and {"tools": tools})

    found = inventory(roots, {})

    assert summary(found) == EXPECTED[instance_type]
    assert found.instance_type == instance_type
    assert found.driver == "2.30.2.0"
    lnc = found.logical_core_configuration
    assert [core.index for core in found.cores] == list(range(len(found.devices) * found.devices[0].cores // lnc))
    assert [core.physical[0] for core in found.cores[: 8 // lnc] if core.device == 0] == list(
        range(0, found.devices[0].cores, lnc)
    )
    assert {len(core.physical) for core in found.cores} == {lnc}
    assert found.notes == (() if tools else (f"{roots.neuron_ls} does not exist",))


@pytest.mark.parametrize("instance_type", EXPECTED)
def test_a_machine_without_sysfs_is_found_through_the_tool(machine, instance_type):
    found = inventory(machine(instance_type, sysfs=False, tool={}, product_name="container"), {})

    assert summary(found) == EXPECTED[instance_type]
    assert found.instance_type == instance_type
    assert {device.sysfs for device in found.devices} == {None}


def test_logical_cores_are_counted_in_the_configuration_of_the_environment(machine):
    found = inventory(machine("trn2.3xlarge", tool={}), {"NEURON_LOGICAL_NC_CONFIG": "1"})

    assert found.logical_core_configuration == 1
    assert found.cores == tuple(Core(index, 0, (index,)) for index in range(8))
    assert found.notes == ()


def test_the_environment_wins_over_a_tool_that_does_not_know_the_older_variable(machine):
    found = inventory(machine("trn2.3xlarge", tool={}), {"NEURON_RT_VIRTUAL_CORE_SIZE": "1"})

    assert found.cores == tuple(Core(index, 0, (index,)) for index in range(8))


def test_the_tool_runs_once_and_gets_the_environment(machine):
    roots = machine("trn2.3xlarge", tool={})

    inventory(roots, {"NEURON_LOGICAL_NC_CONFIG": "1"})

    assert roots.neuron_ls.with_name("neuron-ls.calls").read_text() == '["--json-output", "1"]\n'


#: What is said about each failure of the tool.
TOLD = {
    "no driver": 'ended with exit code 1 and said: time=.*failed to discover Neuron devices"$',
    "silent failure": "ended with exit code 1 and said: nothing$",
    "empty": "ended with exit code 0 and wrote nothing$",
    "blank": "ended with exit code 0 and wrote nothing$",
    "no JSON": "wrote no JSON: '\\+----",
    "cut off": "wrote no JSON: '\\[",
    "no list": "wrote dict where a list of devices was expected$",
    "unknown record": r"wrote a record of a form that is not known: KeyError\('neuron_device'\)$",
    "record of another type": "wrote a record of a form that is not known: TypeError",
}


@pytest.mark.parametrize("failure", sorted(FAILURES.keys() - {"hang"}))
def test_a_failure_of_the_tool_is_told_and_the_other_sources_are_used(machine, failure):
    roots = machine("trn1.32xlarge", tool={"failure": failure})

    found = inventory(roots, {})

    assert summary(found) == EXPECTED["trn1.32xlarge"]
    [note] = found.notes
    assert re.match(f"{re.escape(str(roots.neuron_ls))} {TOLD[failure]}", note)


def test_a_tool_that_cannot_be_run_is_told(machine):
    roots = machine("trn1.2xlarge", tool={})
    roots.neuron_ls.write_bytes(b"\x7fELF")

    assert inventory(roots, {}).notes == (f"{roots.neuron_ls} cannot be run: Exec format error",)


def test_a_tool_that_hangs_is_left_alone_at_the_deadline(machine, monkeypatch):
    roots = machine("trn1.2xlarge", tool={"failure": "hang"})
    monkeypatch.setattr("pytest_nki_pool.neuron.neuron_ls.neuron_ls.__defaults__", (1.0,))
    start = time.monotonic()

    assert inventory(roots, {}).notes == (f"{roots.neuron_ls} did not answer within 1 s",)
    assert time.monotonic() - start < 15


def test_a_container_with_one_device_uses_that_one_alone(machine):
    roots = machine("trn2.48xlarge", nodes=[0], tool={"devices": [13], "renumber": True, "owners": {13: [1966680]}})

    found = inventory(roots, {})

    assert [device.index for device in found.devices] == [0]
    assert [core.index for core in found.cores] == [0, 1, 2, 3]
    assert found.devices[0].neighbours == {9, 12, 14, 1}
    assert found.devices[0].sysfs == 13
    assert [(owner.device, owner.pid) for owner in found.owners] == [(0, 1966680)]
    assert found.notes == (
        "sysfs lists 15 further devices of the host that have no node here and are not used",
        "device 0 is device 13 of the host, as its neighbours tell; its counters are read there",
    )


def test_a_container_that_keeps_the_hosts_number_of_its_device(machine):
    tool = {"devices": [13], "renumber": True, "owners": {13: [1966680]}}
    found = inventory(machine("trn2.48xlarge", nodes=[13], tool=tool), {})

    assert (found.devices[0].index, found.devices[0].sysfs, found.owners[0].device) == (13, 13, 13)
    assert [core.index for core in found.cores] == [0, 1, 2, 3]
    assert found.notes[0] == "neuron-ls lists 0, the nodes are 13; taken to be the same in this order"


def test_cores_are_numbered_as_the_tool_numbers_them(machine):
    found = inventory(machine("trn2.48xlarge", nodes=[13], tool={"devices": [13]}), {})

    assert [core.index for core in found.cores] == [52, 53, 54, 55]


def test_a_renumbered_device_without_the_tool_has_no_counters(machine):
    found = inventory(machine("trn2.48xlarge", nodes=[0]), {})

    assert found.devices[0].sysfs is None
    assert found.notes[-1] == ("device 0: which device of the host it is cannot be told, so its counters are not read")


def test_neighbours_are_compared_as_sets(machine):
    roots = machine("trn2.48xlarge", tool={})
    write(roots.sysfs / "class/neuron_device/neuron13/connected_devices", "9, 12, 1, 14\n")

    assert inventory(roots, {}).notes == ()


def test_other_neighbours_in_the_tool_are_told(machine):
    roots = machine("trn2.48xlarge", tool={})
    write(roots.sysfs / "class/neuron_device/neuron13/connected_devices", "9, 12, 1, 15\n")

    assert inventory(roots, {}).notes == ("device 13: sysfs and neuron-ls give different neighbours",)


def test_other_counts_of_physical_cores_are_told(machine):
    roots = machine("trn2.3xlarge", tool={})
    write(roots.sysfs / "class/neuron_device/neuron0/neuron_core8/info/architecture/arch_type", "NCv3\n")

    assert inventory(roots, {}).notes == ("device 0: 9 physical cores in sysfs, 8 in neuron-ls; sysfs is used",)


def test_cores_are_counted_where_core_count_is_for_root_alone(machine):
    roots = machine("trn1.32xlarge", driver="2.27.4.0")
    for device in range(16):
        (roots.sysfs / f"class/neuron_device/neuron{device}/core_count").unlink()

    assert summary(inventory(roots, {})) == EXPECTED["trn1.32xlarge"]


def test_a_machine_without_devices_says_where_it_looked(machine):
    roots = machine("trn1.2xlarge", nodes=[], driver=None, tool={"failure": "no driver"}, product_name="HVM domU")

    found = inventory(roots, {})

    assert (found.devices, found.cores, found.platform) == ((), (), None)
    with pytest.raises(NeuronError) as error:
        found.require()
    assert str(error.value).startswith(f"no Neuron device; looked for {roots.dev}/neuron<N>: no device nodes; ")
    for place in (
        "proc/devices: does not list the driver",
        "class/neuron_device: no devices",
        "exit code 1",
        "no Neuron instance",
    ):
        assert place in str(error.value)


def test_devices_that_the_tool_sees_but_that_have_no_node_are_told(machine):
    found = inventory(machine("trn1.32xlarge", nodes=[], tool={}), {})

    with pytest.raises(NeuronError, match=r"no device nodes; .* 16 devices; .*neuron-ls: 16 devices; "):
        found.require()


def test_only_character_devices_count_below_dev(machine, tmp_path):
    roots = machine("trn1.2xlarge")

    assert inventory(Roots(roots.sysfs, roots.dev, roots.proc, roots.dmi, roots.neuron_ls), {}).devices == ()
    assert Roots.at().is_node(tmp_path / "absent") is False


def test_a_node_that_no_other_source_knows_is_refused(machine):
    roots = machine("trn1.2xlarge", nodes=[0, 7], tool={})

    with pytest.raises(NeuronError, match=r"dev/neuron7 exists but no other source knows the device .*stale node"):
        inventory(roots, {})


def test_a_node_without_driver_is_refused_whatever_the_firmware_says(machine):
    with pytest.raises(NeuronError, match="dev/neuron0 exists but no other source knows"):
        inventory(machine("trn1.2xlarge", driver=None), {})


def test_the_firmware_alone_identifies_a_machine_whose_driver_is_listed(machine):
    found = inventory(machine("trn1.32xlarge", sysfs=False), {})

    assert summary(found) == EXPECTED["trn1.32xlarge"]


def _foreign_core(roots):
    write(roots.sysfs / "class/neuron_device/neuron3/neuron_core1/info/architecture/arch_type", "NCv3\n")


def _foreign_family(roots):
    write(roots.sysfs / "class/neuron_device/neuron3/info/architecture/instance_type", "Trn2\n")


def _foreign_firmware(roots):
    write(roots.dmi / "product_name", "trn2.48xlarge\n")


@pytest.mark.parametrize("change", [_foreign_core, _foreign_family, _foreign_firmware])
def test_two_generations_are_refused(machine, change):
    roots = machine("trn1.32xlarge", tool={})
    change(roots)

    with pytest.raises(NeuronError, match=r"devices of two generations \(.*gen2.*gen3"):
        inventory(roots, {})


def test_a_chip_without_nki_is_refused(machine):
    roots = machine("trn1.2xlarge", product_name="inf1.xlarge")

    with pytest.raises(NeuronError, match="DMI says inf1, a chip without NKI; NKI runs on trn1, trn1n, inf2"):
        inventory(roots, {})


def test_cores_of_an_unknown_generation_are_refused(machine):
    roots = machine("trn1.2xlarge")
    write(roots.sysfs / "class/neuron_device/neuron0/neuron_core1/info/architecture/arch_type", "NCv9\n")

    with pytest.raises(NeuronError, match="sysfs calls the cores of device 0 NCv9; NKI runs on NCv2, NCv3, NCv4"):
        inventory(roots, {})


def test_a_machine_that_no_source_names_is_refused(machine):
    roots = machine("trn1.2xlarge", sysfs=False, tool={"tools": "2.25"}, product_name="container")

    with pytest.raises(NeuronError, match="no source says which chip this is"):
        inventory(roots, {})


def test_a_chip_that_only_its_cores_name_is_told(machine):
    roots = machine("trn2.3xlarge", product_name="container")
    write(roots.sysfs / "class/neuron_device/neuron0/info/architecture/instance_type", "Later\n")

    found = inventory(roots, {})

    assert found.platform == "trn2"
    assert "no source names the chip; taken for trn2, as its cores are gen3" in found.notes


def test_another_instance_type_of_the_same_chip_is_told(machine):
    found = inventory(machine("trn2.3xlarge", tool={}, product_name="trn2.48xlarge"), {})

    assert found.instance_type == "trn2.3xlarge"
    assert found.notes == (
        "the instance type is not clear (neuron-ls of device 0: trn2.3xlarge, DMI: trn2.48xlarge); the first is used",
    )


@pytest.mark.parametrize(
    ("instance_type", "environ", "says"),
    [
        ("trn1.2xlarge", {"NEURON_LOGICAL_NC_CONFIG": "2"}, "NEURON_LOGICAL_NC_CONFIG: .* '2'; trn1 has 1$"),
        ("trn2.3xlarge", {"NEURON_LOGICAL_NC_CONFIG": "3"}, "NEURON_LOGICAL_NC_CONFIG: .* '3'; trn2 has 1 and 2$"),
        ("trn2.3xlarge", {"NEURON_RT_VIRTUAL_CORE_SIZE": "x"}, "NEURON_RT_VIRTUAL_CORE_SIZE: .* 'x'; trn2"),
        (
            "trn2.3xlarge",
            {"NEURON_LOGICAL_NC_CONFIG": "1", "NEURON_RT_VIRTUAL_CORE_SIZE": "2"},
            "NEURON_LOGICAL_NC_CONFIG=1 and NEURON_RT_VIRTUAL_CORE_SIZE=2 contradict each other; keep one",
        ),
    ],
)
def test_a_logical_core_configuration_that_the_chip_does_not_have_is_refused(machine, instance_type, environ, says):
    with pytest.raises(NeuronError, match=says):
        inventory(machine(instance_type), environ)


def test_the_hosts_file_sets_the_logical_core_configuration_without_tool_and_environment(machine, tmp_path):
    roots = machine("trn2.3xlarge")
    file = tmp_path / "logical_nc_config"
    file.write_text("1\n")

    found = inventory(Roots(roots.sysfs, roots.dev, roots.proc, roots.dmi, roots.neuron_ls, file, roots.is_node), {})

    assert len(found.cores) == 8


def test_json_carries_everything(machine):
    found = inventory(machine("trn2.48xlarge", tool={"owners": {3: [17]}}), {})

    data = json.loads(json.dumps(found.to_json()))

    assert data["platform"] == "trn2"
    assert data["devices"][13]["neighbours"] == [1, 9, 12, 14]
    assert data["cores"][63] == {"index": 63, "device": 15, "physical": [6, 7]}
    assert data["owners"] == [{"device": 3, "pid": 17, "command": "", "runtime": "2.34.10"}]


def test_a_report_tells_the_kind_of_machine_alone(machine):
    found = inventory(machine("trn2.3xlarge", tool={"owners": {0: [17]}}), {})

    assert found.recorded() == {
        "platform": "trn2",
        "generation": "gen3",
        "instance_type": "trn2.3xlarge",
        "driver": "2.30.2.0",
        "logical_core_configuration": 2,
        "devices": 1,
        "cores": 4,
    }


@pytest.mark.parametrize("instance_type", EXPECTED)
def test_a_whole_instance_is_what_was_expected(machine, instance_type):
    assert differences(inventory(machine(instance_type, tool={}), {}), instance_type) == ()


def test_a_part_of_an_instance_is_not_what_was_expected(machine):
    found = inventory(machine("trn1.32xlarge", nodes=range(4)), {})

    assert differences(found, "trn1.32xlarge") == (
        "Neuron devices: found 4, expected 16",
        "physical NeuronCores: found 8, expected 32",
    )
    assert differences(found, "trn2.48xlarge")[:2] == (
        "instance type: found trn1.32xlarge, expected trn2.48xlarge",
        "chip: found trn1, expected trn2",
    )


def test_an_unknown_instance_cannot_be_expected(machine):
    with pytest.raises(NeuronError, match=r"instance type 'trn9\.xlarge' is not known; choose from inf2\.xlarge"):
        differences(inventory(machine("trn1.2xlarge"), {}), "trn9.xlarge")


def test_the_chips_are_those_that_kernels_can_be_meant_for():
    assert {name: chip.generation for name, chip in CHIPS.items()} == dict(GENERATIONS)
    assert {platform_of(name) for name in INSTANCE_DEVICES} <= set(CHIPS)
    assert {name: INSTANCE_DEVICES[name] for name in MACHINES} == {name: m.devices for name, m in MACHINES.items()}


@pytest.mark.parametrize(
    ("name", "platform"),
    [("trn1n.32xlarge", "trn1n"), ("trn3pds.48xlarge", "trn3"), ("trn2u.48xlarge", "trn2"), ("c5.large", None)],
)
def test_platform_of_an_instance_type(name, platform):
    assert platform_of(name) == platform
