"""On a Neuron machine: what is found, leased and refused before anything runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.lease import lease
from pytest_nki_pool.neuron.quarantine import quarantine

SUITE = ("--pyargs", "pytest_nki_pool.conformance", "--nki-backend=baremetal", "--nki-check=values")
ONE = (*SUITE, "--nki-kernel=pytest_nki_pool.kernels.tutorial_access_pattern:tensor_avgpool_kernel")
CASE = "--nki-case=c3h4w4k2:fp32:normal:s0"
BOTH_CORES = (Core(0, 0, (0,)), Core(1, 0, (1,)))


def line_of(output, name):
    """A line of the header."""
    return next(line for line in output.splitlines() if line.startswith(f"nki {name} "))


def test_a_device_is_chosen_where_there_is_one_and_the_header_says_which(neuron):
    code, output = neuron("trn2.3xlarge").run(*ONE, CASE)

    assert code == 0, output
    assert line_of(output, "target").split()[2:] == ["device", "[default]"]
    assert "trn2 (gen3) [found]" in line_of(output, "platform")
    assert "trn2.3xlarge: 1 device, 4 NeuronCores of 2 physical cores each, driver 2.30.2.0" in line_of(
        output, "machine"
    )
    assert "core 0 of device 0" in line_of(output, "leased")
    assert "nki 0.3.0" in line_of(output, "versions")
    assert "conformance on device trn2 (gen3)" in output


def test_the_tool_is_called_once_in_a_run_with_workers(neuron):
    machine = neuron("trn1.32xlarge")
    code, output = machine.run(*ONE, "--nki-tier=smoke", "-n", "2")

    assert code == 0, output
    assert len((Path(machine.flags[2].partition("=")[2]).with_suffix(".calls")).read_text().splitlines()) == 1


def test_every_worker_has_a_core_of_its_own(neuron):
    machine = neuron("trn1.2xlarge")
    code, output = machine.run(*ONE, "--nki-tier=smoke", "-n", "auto")

    assert code == 0, output
    assert "2 workers" in output or "created: 2/2" in output
    cores = {}
    for launch in machine.launches():
        cores.setdefault(launch["pid"], set()).add(launch["cores"])
    assert sorted(map(sorted, cores.values())) == [["0"], ["1"]]


def test_a_worker_for_every_free_core(neuron):
    machine = neuron("trn1.2xlarge")
    with lease(BOTH_CORES, machine.locks):
        code, output = machine.run(*ONE, "--nki-tier=smoke", "-n", "auto")

    assert code == 0, output
    assert "1 worker" in output or "created: 1/1" in output
    assert {launch["cores"] for launch in machine.launches()} == {"1"}


SHOW_SCHEDULE = """
def pytest_sessionstart(session):
    option = session.config.option
    if not hasattr(session.config, "workerinput"):
        print(f"schedule: {option.dist} {option.maxschedchunk}")
"""


@pytest.mark.parametrize(
    ("flags", "schedule"),
    [
        (("--nki-target=device",), "load 1"),
        (("--nki-target=device", "--dist=loadfile"), "loadfile 1"),
        (("--nki-target=device", "--maxschedchunk=7"), "load 7"),
        (("--nki-target=emulator",), "load None"),
    ],
    ids=["device", "own scheduler", "own chunks", "emulator"],
)
def test_how_cases_are_handed_out_changes_for_a_device_alone(neuron, flags, schedule):
    machine = neuron("trn1.2xlarge")
    (machine.locks.parent / "show_schedule.py").write_text(SHOW_SCHEDULE)
    path = f"{machine.locks.parent}{os.pathsep}{machine.environ['PYTHONPATH']}"
    code, output = machine.run(*ONE, CASE, "-n", "1", "-s", "-p", "show_schedule", *flags, PYTHONPATH=path)

    assert code == 0, output
    assert f"schedule: {schedule}\n" in output


REFUSED = {
    "no device": (
        {"nodes": [], "driver": None},
        ("--nki-target=device",),
        ("--nki-target: target device: no Neuron device", "dev/neuron<N>: no device node", "does not list the driver"),
    ),
    "no device, though one is required": (
        {"nodes": [], "driver": None},
        ("--nki-require-device",),
        ("--nki-require-device: target", "no Neuron device", "dev/neuron<N>"),
    ),
    "another target, though a device is required": (
        {},
        ("--nki-require-device", "--nki-target=emulator"),
        ("--nki-require-device: target emulator is no device", "neuron0 not used"),
    ),
    "another instance": (
        {},
        ("--nki-expect-instance=trn1.32xlarge",),
        ("--nki-expect-instance: instance type: found trn1.2xlarge, expected trn1.32xlarge", "found 1, expected 16"),
    ),
    "an instance that does not exist": (
        {},
        ("--nki-expect-instance=trn9.huge",),
        ("--nki-expect-instance: instance type 'trn9.huge' is not known",),
    ),
    "an instance without a device": (
        {"nodes": [], "driver": None},
        ("--nki-expect-instance=trn1.2xlarge",),
        ("--nki-expect-instance: target", "no Neuron device"),
    ),
    "another chip": (
        {},
        ("--nki-platform=trn2",),
        ("--nki-platform: trn2 asked for, the device here is trn1",),
    ),
    "cores that are not there": ({}, ("--nki-device=1-2",), ("--nki-device: this machine has no core 2; it has 0, 1",)),
    "cores with a gap": ({}, ("--nki-device=0,2",), ("--nki-device", "must be contiguous and strictly increasing")),
    "cores without a device": (
        {"nodes": [], "driver": None},
        ("--nki-device=0",),
        ("--nki-device: target", "no Neuron device"),
    ),
    "more workers than cores": (
        {},
        ("-n", "3"),
        ("-n 3: each process needs a NeuronCore of its own and 2 may be used",),
    ),
    "a time that is none": ({}, ("--nki-timeout=soon",), ("--nki-timeout: 'soon' is no time",)),
    "no time at all": ({}, ("--nki-device-wait=0",), ("--nki-device-wait: '0' is no time",)),
    "a root that is not there": ({}, ("--nki-dev-root=nowhere",), ("--nki-dev-root", "does not exist")),
}


@pytest.mark.parametrize(("tree", "flags", "texts"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_had_is_refused_before_anything_runs(neuron, tree, flags, texts):
    machine = neuron("trn1.2xlarge", **tree)
    code, output = machine.run(*SUITE, CASE, *flags)

    assert code == 4, output
    for text in texts:
        assert text in output
    assert machine.launches() == []


REFUSED_VARIABLES = {
    "the simulator": ({"NKI_SIMULATOR": "1"}, "NKI_SIMULATOR runs every kernel in the CPU simulator"),
    "no execution": ({"NEURON_EXTRACT_GRAPHS_ONLY": "1"}, "replaces execution by zeros"),
    "another device": ({"PJRT_DEVICE": "CPU"}, "PJRT_DEVICE=CPU takes torch_xla away from the device"),
    "cores with a gap": ({"NEURON_RT_VISIBLE_CORES": "0,2"}, "must be contiguous and strictly increasing"),
}


@pytest.mark.parametrize(("variables", "text"), REFUSED_VARIABLES.values(), ids=REFUSED_VARIABLES)
def test_an_environment_that_contradicts_a_run_on_the_device_is_refused(neuron, variables, text):
    code, output = neuron("trn1.2xlarge").run(*SUITE, CASE, **variables)

    assert code == 4, output
    assert text in output


def test_a_whole_instance_that_was_expected_is_taken(neuron):
    code, output = neuron("trn1.32xlarge").run(
        *ONE, CASE, "--nki-require-device", "--nki-expect-instance=trn1.32xlarge", "--nki-platform=trn1"
    )

    assert code == 0, output


def test_a_container_with_one_device_of_sixteen_runs_and_is_no_whole_instance(neuron):
    machine = neuron("trn2.48xlarge", nodes=[13])
    code, output = machine.run(*ONE, CASE)
    other, refused = machine.run(*ONE, CASE, "--nki-expect-instance=trn2.48xlarge")

    assert code == 0, output
    assert "nki note: sysfs lists 15 further devices of the host" in output
    assert other == 4
    assert "Neuron devices: found 1, expected 16" in refused


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_cores_that_stay_leased_end_the_run_and_it_says_who_has_them(neuron, workers):
    machine = neuron("trn1.2xlarge")
    with lease(BOTH_CORES, machine.locks, count=2):
        code, output = machine.run(*ONE, CASE, "--nki-device-wait=0.5", *workers)

    assert code == 4, output
    assert f"core 0 held by process {os.getpid()} since" in output
    assert "core 1 held by" in output


def test_a_core_that_comes_free_in_time_is_taken(neuron):
    machine = neuron("trn1.2xlarge")
    with lease(BOTH_CORES, machine.locks, count=2):
        waiting = machine.start(*ONE, CASE, "--nki-device-wait=60")
        time.sleep(2)
        assert waiting.poll() is None
    output, _ = waiting.communicate(timeout=60)

    assert waiting.returncode == 0, output


def test_a_quarantined_core_is_not_used(neuron):
    machine = neuron("trn1.2xlarge")
    quarantine(BOTH_CORES[:1], "it hung", machine.locks)
    code, output = machine.run(*ONE, CASE)

    assert code == 0, output
    assert {launch["cores"] for launch in machine.launches()} == {"1"}


def test_cores_given_by_a_scheduler_are_subdivided(neuron):
    machine = neuron("trn1.32xlarge")
    code, output = machine.run(*ONE, "--nki-tier=smoke", "-n", "auto", NEURON_RT_VISIBLE_CORES="6-7")

    assert code == 0, output
    assert {launch["cores"] for launch in machine.launches()} == {"6", "7"}


def test_a_framework_that_is_imported_too_early_is_refused(neuron):
    machine = neuron("trn1.2xlarge")
    (machine.locks.parent / "early.py").write_text("import torch_xla\n")
    code, output = machine.run(
        *ONE, CASE, "-p", "early", PYTHONPATH=f"{machine.locks.parent}{os.pathsep}{machine.environ['PYTHONPATH']}"
    )

    assert code == 4, output
    assert "torch_xla imported before a NeuronCore was leased" in output


def test_listing_tests_needs_no_core(neuron):
    machine = neuron("trn1.2xlarge")
    with lease(BOTH_CORES, machine.locks, count=2):
        code, output = machine.run(*ONE, CASE, "--collect-only", "--nki-device-wait=0.5")

    assert code == 0, output


OWN_TESTS = """
import json, os
from pathlib import Path
import numpy as np
import pytest
from pytest_nki_pool.spec.kernel import KernelSpec

KERNEL = KernelSpec("pytest_nki_pool.kernels.tutorial_access_pattern:tensor_avgpool_kernel")


@pytest.mark.nki(backends="baremetal", kernel=KERNEL)
def test_own(nki_device, nki_launch, nki_golden):
    assert nki_device.target == "device"
    assert nki_device.platform == "trn1"
    assert nki_device.cores == (int(os.environ["NEURON_RT_VISIBLE_CORES"]),)
    x = np.ones((2, 4, 4), np.float32)
    assert (nki_launch(x, 2) == nki_golden(x, 2)).all()
"""


def _as_key(flag):
    """A flag as a line of an ini file."""
    name, _, value = flag.removeprefix("--").partition("=")
    return f"{name.replace('-', '_')} = {value}"


@pytest.mark.parametrize("asked", [True, False], ids=["asked for", "not asked for"])
def test_own_tests_launch_on_the_leased_core(neuron, asked):
    machine = neuron("trn1.2xlarge")
    (machine.locks.parent / "test_own.py").write_text(OWN_TESTS)
    if not asked:  # an ini key asks for nothing: nothing is leased before a test wants to launch
        (machine.locks.parent / "pytest.ini").write_text("\n".join(["[pytest]", *map(_as_key, machine.flags)]))
        machine.flags = ()
    code, output = machine.run("machine/test_own.py", *(() if asked else ("-c", "machine/pytest.ini")))

    assert code == 0, output
    assert {launch["cores"] for launch in machine.launches()} == {"0"}


def test_a_kernel_that_hangs_on_a_laptop_ends_as_a_timeout(run, pytester, suite):
    hanging = "import time\nimport neuronxcc.nki as nki\n@nki.jit\ndef avgpool(x, k):\n    time.sleep(600)\n"
    path = pytester.makepyfile(hanging)
    started = time.monotonic()
    result = run(
        *suite,
        f"--nki-kernel={path.name}:avgpool",
        "--nki-timeout=2",
        CASE,
        "--nki-check=values",
        "--nki-backend=baremetal",
        "--nki-target=emulator",
    )

    assert result.ret == 1
    assert time.monotonic() - started < 30
    result.stdout.fnmatch_lines(["TIMEOUT: avgpool*", "*no verdict within 2 s*", "*rerun*--nki-timeout=2*"])


def test_what_a_child_did_at_its_end_is_told_and_changes_nothing(run, pytester, suite, right_kernel):
    path = Path(right_kernel.partition(":")[0])
    body = "    import atexit, os\n    atexit.register(os.abort)\n    c, h, w ="
    path.write_text(path.read_text().replace("    c, h, w =", body))
    for workers in ((), ("-n", "1")):
        result = run(
            *suite,
            f"--nki-kernel={right_kernel}",
            "--nki-timeout=60",
            CASE,
            "--nki-check=values",
            "--nki-backend=baremetal",
            "--nki-target=emulator",
            *workers,
        )

        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["nki-pool: a child process ended badly after its last verdict, which stands: *SIGABRT*"]
        )


def test_two_runs_on_one_machine_share_its_cores(neuron):
    machine = neuron("trn1.2xlarge")
    runs = [machine.start(*ONE, "--nki-tier=smoke", "-n", "1", "--nki-device-wait=120") for _ in range(2)]
    outputs = [one.communicate(timeout=300)[0] for one in runs]

    assert [one.returncode for one in runs] == [0, 0], outputs
    assert len({launch["pid"] for launch in machine.launches()}) == 2
    assert shared(machine.launches()) == []


def shared(launches):
    """Pairs of processes that used one core during the same time."""
    uses = {}
    for launch in launches:
        first, last = uses.get((launch["cores"], launch["pid"]), (launch["time"], launch["time"]))
        uses[launch["cores"], launch["pid"]] = min(first, launch["time"]), max(last, launch["time"])
    return [
        (one, two)
        for one, (start, end) in uses.items()
        for two, (other_start, other_end) in uses.items()
        if one < two and one[0] == two[0] and start <= other_end and other_start <= end
    ]
