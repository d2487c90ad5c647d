"""Leases between processes: no core is ever used by two, however they die."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.errors import CoresBusyError
from pytest_nki_pool.neuron.lease import free_cores, lease

PROGRAM = Path(__file__).with_name("core_user.py")

#: Seconds of random kills; the full run has a minute of them.
STRESS_SECONDS = float(os.environ.get("STRESS_SECONDS", "4"))


def until(condition, seconds=30.0):
    """Wait for a condition; the machine may be slow, the condition must come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


def alive(pid, argument):
    """Whether a process with this argument runs, and not a later one with its number; a zombie has no arguments."""
    try:
        return os.fsencode(argument) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


class Workers:
    """Processes that lease the cores of a host with two cores per device, and let children use them."""

    def __init__(self, base, cores):
        self.cores = tuple(Core(index, index // 2, (index % 2,)) for index in range(cores))
        self.folder, self.records, self.stop = base / "locks", base / "records", base / "stop"
        self.records.mkdir()
        self.running = []

    def start(self, *, seconds=0.3, hang=0.0, folder=None):
        settings = {
            "folder": str(folder or self.folder),
            "records": str(self.records),
            "stop": str(self.stop),
            "cores": len(self.cores),
            "seconds": seconds,
            "hang": hang,
        }
        self.running.append(subprocess.Popen([sys.executable, PROGRAM, "worker", json.dumps(settings)]))
        return self.running[-1]

    def users(self):
        """Core and process id of every child that ever used a core, with the first and last moment it did."""
        for path in sorted(self.records.iterdir()):
            data = path.read_bytes()
            moments = [moment for (moment,) in struct.iter_unpack("d", data[: len(data) // 8 * 8])]
            if moments:
                core, pid, _ = path.name.split("-")
                yield core, int(pid), moments[0], moments[-1]

    def shared(self):
        """Pairs of uses of one core that overlap in time."""
        by_core = {}
        for core, pid, first, last in self.users():
            by_core.setdefault(core, []).append((first, last, pid))
        ordered = [sorted(uses) for uses in by_core.values()]
        return [(one, two) for uses in ordered for one, two in pairwise(uses) if two[0] <= one[1]]

    def end(self):
        """Stop the workers, end the children that hang, and wait for all of them."""
        self.stop.touch()
        until(lambda: self.kill_children() == 0 and all(process.poll() is not None for process in self.running))
        until(lambda: free_cores(self.cores, self.folder) == self.cores)

    def kill_children(self, most=None):
        """Kill children, at most so many; return how many there were."""
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        living = [pid for pid in pids if alive(pid, self.records)]
        for pid in living[:most]:
            os.kill(pid, signal.SIGKILL)
        return len(living)


@pytest.fixture
def workers(tmp_path):
    made = []

    def workers(cores):
        made.append(Workers(tmp_path, cores))
        return made[-1]

    yield workers
    for one in made:
        for process in one.running:
            process.kill()
            process.wait()
        one.kill_children()


def test_a_child_keeps_the_core_when_its_parent_is_killed(workers):
    one = workers(1)
    parent = one.start(seconds=3600)
    until(lambda: list(one.users()))
    [(_, child, _, _)] = one.users()

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert alive(child, one.records)
    assert free_cores(one.cores, one.folder) == ()
    with pytest.raises(CoresBusyError, match=f"core 0 held by process {child} since"):
        lease(one.cores, one.folder, wait=0.2)

    os.kill(child, signal.SIGKILL)
    with lease(one.cores, one.folder, wait=30) as held:
        assert held.cores == one.cores


def test_a_parent_keeps_the_core_when_its_child_is_killed(two_cores, folder, tmp_path):
    with lease(two_cores, folder) as held:
        command = [sys.executable, PROGRAM, "child", held.handover(), tmp_path, "3600"]
        child = subprocess.Popen(command, pass_fds=held.descriptors)
        until(lambda: list(tmp_path.glob("core0-*")))
        child.kill()
        child.wait()

        assert free_cores(two_cores, folder) == two_cores[1:]


def test_a_release_by_the_parent_does_not_free_what_its_child_uses(two_cores, folder, tmp_path):
    held = lease(two_cores, folder)
    command = [sys.executable, PROGRAM, "child", held.handover(), tmp_path, "3600"]
    child = subprocess.Popen(command, pass_fds=held.descriptors)
    held.release()
    try:
        assert free_cores(two_cores, folder) == two_cores[1:]
    finally:
        child.kill()
        child.wait()
    assert free_cores(two_cores, folder) == two_cores


GRANDPARENT = """
import subprocess, sys
from pytest_nki_pool.neuron.lease import adopt

held = adopt(sys.argv[1])
sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
sleeper = subprocess.Popen(sleep, close_fds=False, stdout=subprocess.DEVNULL)
print(sleeper.pid, flush=True)
"""


def test_what_a_child_starts_does_not_inherit_the_core(two_cores, folder):
    with lease(two_cores, folder) as held:
        command = [sys.executable, "-c", GRANDPARENT, held.handover()]
        done = subprocess.run(command, pass_fds=held.descriptors, stdout=subprocess.PIPE, check=True, text=True)
    sleeper = int(done.stdout)
    try:
        assert alive(sleeper, "import time; time.sleep(3600)")
        assert free_cores(two_cores, folder) == two_cores
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_two_runs_share_the_cores_of_a_host(workers):
    both = workers(2)
    both.start()
    both.start()
    until(lambda: len({core for core, *_ in both.users()}) == 2 and len(list(both.users())) > 5)
    both.end()

    assert both.shared() == []


def test_uses_that_overlap_are_seen(workers, tmp_path):
    careless = workers(1)
    careless.start(folder=tmp_path / "locks of one")
    careless.start(folder=tmp_path / "locks of the other")
    until(careless.shared)


@pytest.mark.parametrize(("number", "cores"), [(4, 3), (8, 32)])
def test_no_core_is_shared_while_workers_and_children_are_killed_at_random(workers, number, cores):
    chance = random.Random(20)  # noqa: S311 - no secret
    many = workers(cores)
    for _ in range(number):
        many.start(hang=0.2)
    killed = 0
    end = time.monotonic() + STRESS_SECONDS
    while time.monotonic() < end or killed < 5:
        time.sleep(chance.uniform(0.05, 0.25))
        if chance.random() < 0.7:
            victim = many.running.pop(chance.randrange(len(many.running)))
            victim.kill()
            victim.wait()
            many.start(hang=0.2)
        else:
            many.kill_children(most=1)
        killed += 1
    until(lambda: len(list(many.users())) > 5)
    many.end()

    assert many.shared() == []
