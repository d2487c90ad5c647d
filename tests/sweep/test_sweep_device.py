"""`nki-pool sweep` with deadlines, and on the NeuronCores of a machine that stand-ins imitate."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.neuron.lease import free_cores, lease
from pytest_nki_pool.report.read import read
from pytest_nki_pool.sweep.setup import orders, session_of
from pytest_nki_pool.sweep.work import Worker
from pytest_nki_pool.verdict import Status

RIGHT = ("--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=30")
HANGS = ("--case=c2h5w4k2:fp32:ones",)
CRASHES = ("--case=c2h6w4k2:fp32:ones",)

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the processes are found in /proc")


def statuses(path):
    """Case -> status, but for those that pass."""
    found = {record.verdict.identity.case: record.verdict.finding.status for record in read(path).records}
    return {case: status for case, status in found.items() if status is not Status.PASS}


def living():
    """Process -> its parent, of every process that is no zombie."""
    above = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                above[int(path.name)] = int(parent)
    return above


def descendants(parent):
    """The living processes below one."""
    above = living()
    found = {parent}
    for _ in above:
        found |= {pid for pid, ppid in above.items() if ppid in found}
    return found - {parent}


def until(condition, seconds=60):
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def inside(machine, monkeypatch):
    """The machine, for this process: in its folder, with its SDK, and no framework that an earlier test imported."""
    monkeypatch.chdir(machine.folder)
    monkeypatch.syspath_prepend(machine.folder / "site")
    for framework in ("jax", "torch_xla", "libneuronxla"):
        monkeypatch.delitem(sys.modules, framework, raising=False)
    return machine


def test_on_the_emulator_a_deadline_costs_the_case_that_hangs_alone(sweeper):
    swept = sweeper.run("hangs", *HANGS, *CRASHES, *RIGHT, "--timeout=3", "--target=emulator")
    report = read(sweeper.folder / "r.jsonl")

    assert (swept.returncode, report.damage, len(report.records)) == (1, "", 32), swept.stderr
    assert statuses(sweeper.folder / "r.jsonl") == {
        "c2h5w4k2:fp32:ones": Status.TIMEOUT,
        "c2h6w4k2:fp32:ones": Status.CRASH,
    }
    [hung] = [record for record in report.records if record.verdict.finding.status is Status.TIMEOUT]
    assert "no verdict within 3 s" in hung.verdict.finding.message
    assert "--nki-timeout=3" in hung.rerun


def test_each_worker_has_a_core_of_its_own_and_supervises_its_cases(machine):
    swept = machine.run("hangs", *RIGHT, *CRASHES, *HANGS, "--timeout=3")
    report = read(machine.folder / "r.jsonl")

    assert (swept.returncode, report.damage, len(report.records)) == (1, "", 32), swept.stderr
    assert (report.run.target, report.run.device, report.run.platforms) == ("device", "trn1", {"trn1": "gen2"})
    assert statuses(machine.folder / "r.jsonl") == {
        "c2h5w4k2:fp32:ones": Status.TIMEOUT,
        "c2h6w4k2:fp32:ones": Status.CRASH,
    }
    cores = {}
    for launch in machine.launches():
        cores.setdefault(launch["pid"], set()).add(launch["cores"])
    assert set().union(*cores.values()) == {"0", "1"}
    assert all(len(used) == 1 for used in cores.values())
    assert len((machine.folder / "bin/neuron-ls.calls").read_text().splitlines()) == 1
    with lease(free_cores(machine.cores, machine.locks), machine.locks):
        assert len(list(machine.locks.glob("*.quarantine"))) == 1  # of the core that the hang was on
    assert list((machine.folder / "tmp").iterdir()) == []


def test_a_worker_whose_core_rests_takes_no_cases_from_the_others(machine):
    """After each hang a core rests for half an hour: of two, one is left, and then none."""
    last = ("--case=c2h5w5k2:fp32:ones", "--case=c2h4w4k2:fp32:ones")
    swept = machine.run("hangs", *HANGS, *RIGHT, *last, "--timeout=2", "--device-wait=1")
    report = read(machine.folder / "r.jsonl")

    assert swept.returncode == 2
    assert "the sweep ended early: no NeuronCore is left" in swept.stderr
    assert statuses(machine.folder / "r.jsonl") == {
        "c2h5w4k2:fp32:ones": Status.TIMEOUT,
        "c2h5w5k2:fp32:ones": Status.TIMEOUT,
    }
    assert (len(report.records), report.run.cases) == (32, 33)


@linux
@pytest.mark.parametrize("victim", ["worker", "sweep"])
def test_a_process_that_is_killed_leaves_no_child_and_no_lease(machine, victim):
    args = ("--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=60")
    sweep = machine.start("slow", *args)
    until(lambda: len({launch["pid"] for launch in machine.launches()}) == 2)
    children = {launch["pid"] for launch in machine.launches()}
    below = descendants(sweep.pid)
    assert children < below

    os.kill(living()[min(children)] if victim == "worker" else sweep.pid, signal.SIGKILL)
    _, error = sweep.communicate(timeout=60)

    if victim == "worker":
        assert sweep.returncode == 0, error
        assert list(read(machine.folder / "r.jsonl").whole().statuses.values()) == ["PASS"] * 60
    until(lambda: not below & living().keys())
    assert free_cores(machine.cores, machine.locks) == machine.cores


@linux
def test_an_interrupted_sweep_leaves_no_child_and_no_lease(machine):
    sweep = machine.start("hangs", *HANGS, "--check=values")
    until(machine.launches)
    below = descendants(sweep.pid)
    sweep.send_signal(signal.SIGINT)
    _, error = sweep.communicate(timeout=60)

    assert (sweep.returncode, "it was interrupted" in error) == (2, True), error
    until(lambda: not below & living().keys())
    assert free_cores(machine.cores, machine.locks) == machine.cores


def test_a_fault_that_ends_a_run_ends_the_launches_of_a_sweep(machine, monkeypatch):
    monkeypatch.setenv("FAKE_NEURON_FAULT", "no_device")
    swept = machine.run("good", "--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=400")

    found = list(statuses(machine.folder / "r.jsonl").values())
    assert swept.returncode == 75, swept.stderr
    assert set(found) == {Status.DEVICE_LOST, Status.NOT_RUN}
    assert (len(found), len(machine.launches())) == (400, found.count(Status.DEVICE_LOST))
    assert len(machine.launches()) <= 2


def test_what_a_child_did_at_its_end_is_told_and_changes_nothing(sweeper):
    swept = sweeper.run("regrets", *RIGHT, "--timeout=60", "--target=emulator")

    assert swept.returncode == 0, swept.stderr
    assert "nki-pool: a child process ended badly after its last verdict, which stands:" in swept.stderr


@pytest.mark.parametrize(
    ("args", "reasons"),
    [
        (["--workers=3"], ["--workers=3: each process needs a NeuronCore of its own and 2 may be used"]),
        (["--device=1", "--workers=2"], ["--workers=2: each process needs a NeuronCore of its own and 1 may be used"]),
        (["--device=7"], ["--nki-device: this machine has no core 7; it has 0, 1"]),
        (["--platform=trn2"], ["--nki-platform: trn2 asked for, the device here is trn1"]),
        (["--expect-instance=trn1.32xlarge"], ["--nki-expect-instance", "found 1, expected 16"]),
        (["--require-device", "--target=emulator"], ["--nki-require-device: target emulator is no device"]),
        (["--timeout=soon"], ["--nki-timeout: 'soon' is no time"]),
        (["--engine=ray", "--sysfs-root=/nowhere"], ["--nki-sysfs-root", "/nowhere does not exist"]),
    ],
    ids=["workers", "cores", "core", "chip", "instance", "target", "time", "place"],
)
def test_what_the_machine_does_not_have_is_refused(inside, capsys, args, reasons):
    assert main(["sweep", *inside.command("good")[4:], "--check=values", *args]) == 2

    error = capsys.readouterr().err
    assert all(reason in error for reason in reasons), error
    assert error.count("\n") == 1


def test_a_machine_of_another_chip_is_refused(inside):
    inside.command("good")
    session = session_of({"--nki-kernel": ["pool.py:avgpool"], "--nki-backend": ["baremetal"]}, Path("r.jsonl"))
    worker = Worker(orders(session, here=False))
    assert worker.ready()

    with pytest.raises(pytest.UsageError, match="the cases are for trn2, and the device here is trn1"):
        worker.run(["values/avgpool/baremetal/device/trn2/c2h4w4k2:fp32:normal:s0"])
