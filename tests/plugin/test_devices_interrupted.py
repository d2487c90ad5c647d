"""Ctrl-C while native code hangs in a child: the run ends at once, and leaves neither a process nor a lease behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.lease import free_cores
from pytest_nki_pool.report.read import read

CORES = (Core(0, 0, (0,)), Core(1, 0, (1,)))
#: Hangs, with the interpreter's lock held, in its second case.
KERNEL = """
import ctypes, os
import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def avgpool(x, pool_size):
    channels, height, width = x.shape
    if channels == 2:
        with open({pid!r} + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename({pid!r} + ".new", {pid!r})
        ctypes.PyDLL(None).sleep(3600)
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
#: Seconds within which everything has to be over, on a machine that is busy; xdist gives a worker ten of them to end.
PROMPT = {(): 6.0, ("-n", "1"): 14.0}


@pytest.mark.skipif(sys.platform != "linux", reason="the processes are found in /proc")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
@pytest.mark.parametrize("target", ["emulator", "device"])
def test_an_interrupted_run_ends_at_once_and_leaves_nothing_behind(neuron, tmp_path, target, workers):
    machine = neuron("trn1.2xlarge")
    pid = tmp_path / "pid"
    (tmp_path / "pool.py").write_text(KERNEL.format(pid=str(pid)))
    run = machine.start(
        *("--pyargs", "pytest_nki_pool.conformance", "--nki-kernel=pool.py:avgpool", "--nki-check=values"),
        *("--nki-backend=baremetal", "--nki-case=c1h4w4k2:fp32:normal:s0,c2h4w4k2:fp32:normal:s0"),
        *("--nki-timeout=600", "--nki-report=report.jsonl", f"--nki-target={target}", *workers),
        alone=True,
    )
    until(pid.exists)
    child = int(pid.read_text())

    started = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)  # what a terminal sends
    output, _ = run.communicate(timeout=60)
    took = time.monotonic() - started

    assert run.returncode == 2, output
    assert took < PROMPT[workers]
    until(lambda: not Path(f"/proc/{child}").exists(), seconds=3.0)
    assert free_cores(CORES, machine.locks) == CORES
    assert [identity.case for identity in read(machine.report).verdicts] == ["c1h4w4k2:fp32:normal:s0"]


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)
