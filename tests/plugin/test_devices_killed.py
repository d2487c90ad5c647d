"""Workers and children that are killed at random: no core has two users, and every case one verdict."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.lease import free_cores
from pytest_nki_pool.neuron.quarantine import quarantined

pytest.importorskip("xdist")

#: Seconds of random kills; the full run has a minute of them.
STRESS_SECONDS = float(os.environ.get("STRESS_SECONDS", "4"))

#: Writes down, while it uses a core, that it does; now and then it hangs.
KERNEL = """
import ctypes, json, os, random, time
import nki
import nki.isa as nisa
import nki.language as nl

RECORDS = {records!r}


def use_core():
    path = os.path.join(RECORDS, os.environ["NEURON_RT_VISIBLE_CORES"] + "-" + str(os.getpid()))
    end = time.monotonic() + random.uniform(0.0, 0.4)
    hangs = random.random() < 0.05
    with open(path, "a", buffering=1) as record:
        while time.monotonic() < end:
            record.write(str(time.monotonic()) + "\\n")
            time.sleep(0.005)
        if hangs:
            ctypes.PyDLL(None).sleep(3600)


@nki.jit
def avgpool(x, pool_size):
    use_core()
    channels, height, width = x.shape
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=x)
    steps = [[height * width, channels], [pool_size * width, rows], [pool_size, columns]]
    sums = nl.sum(image.ap([*steps, [width, pool_size], [1, pool_size]]), axis=[3, 4])
    means = nl.ndarray(sums.shape, dtype=sums.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out = nl.ndarray((channels, rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=means)
    return out
"""


def processes(parent):
    """The living children of a process: those whose arguments are given, with their numbers."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                state, ppid = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(ppid) == parent and state != "Z":
                found.append(int(path.name))
    return found


def uses(records):
    """Core, process, first and last moment of every use."""
    for path in records.iterdir():
        moments = [float(line) for line in path.read_text().splitlines() if line.count(".") == 1]
        if moments:
            core, _, pid = path.name.partition("-")
            yield int(core), int(pid), moments[0], moments[-1]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the processes are found in /proc")
def test_no_core_is_shared_and_nothing_is_lost_while_workers_are_killed(neuron, tmp_path):
    chance = random.Random(5)  # noqa: S311 - no secret
    records = tmp_path / "records"
    records.mkdir()
    (tmp_path / "pool.py").write_text(KERNEL.format(records=str(records)))
    machine = neuron("trn1.32xlarge")
    cases = ",".join(f"c{channels}h4w4k2:fp32:normal:s0" for channels in range(1, 1 + int(60 + 20 * STRESS_SECONDS)))
    run = machine.start(
        *("--pyargs", "pytest_nki_pool.conformance", "--nki-kernel=pool.py:avgpool", "--nki-check=values"),
        *("--nki-backend=baremetal", f"--nki-case={cases}", "--nki-timeout=3", "--nki-report=report.jsonl"),
        *("-n", "8", "--max-worker-restart=1000", "-q"),
    )
    deadline = time.monotonic() + 60
    while len(list(uses(records))) < 2:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    killed = 0
    end = time.monotonic() + STRESS_SECONDS
    while time.monotonic() < end and run.poll() is None:
        time.sleep(chance.uniform(0.2, 0.6))
        # xdist itself ends when a worker dies that has no tests yet: one that has some has a child for them.
        workers = [worker for worker in processes(run.pid) if processes(worker)]
        if workers:
            worker = chance.choice(workers)
            victims = processes(worker) if chance.random() < 0.3 else [worker]
            for victim in victims[:1]:
                os.kill(victim, signal.SIGKILL)
                killed += 1
    output, _ = run.communicate(timeout=300)

    lines = [json.loads(line) for line in machine.report.read_text().splitlines()]
    verdicts = [line["case"] for line in lines if line["line"] == "verdict"]
    assert killed >= 2
    assert sorted(verdicts) == sorted(cases.split(",")), output
    assert run.returncode in {1, 75}, output
    by_core = {}
    for core, pid, first, last in uses(records):
        by_core.setdefault(core, []).append((first, last, pid))
    overlaps = [(one, two) for used in by_core.values() for one, two in pairwise(sorted(used)) if two[0] <= one[1]]
    assert overlaps == []
    assert not [pid for used in by_core.values() for _, _, pid in used if Path(f"/proc/{pid}").exists()]
    cores = tuple(Core(index, index // 2, (index % 2,)) for index in range(32))
    assert free_cores(cores, machine.locks) == tuple(core for core in cores if not quarantined(core, machine.locks))
