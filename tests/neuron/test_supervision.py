"""Trials in child processes: whatever a kernel does, its case gets a verdict and the next one runs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.kernel import KernelSpec
from pytest_nki_pool.supervised.parent import Keeping, Supervised
from pytest_nki_pool.verdict import Status

POOL = """
import ctypes, os, signal, sys, threading, time
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl

{before}

@nki.jit
def avgpool(in_tensor, pool_size{parameters}):
    c, h, w = in_tensor.shape
    if c == 3:
        {deed}
    rows, columns = h // pool_size, w // pool_size
    out = nl.ndarray((c, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    i_p, i_r, i_y, i_c, i_x = nl.mgrid[0:c, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    tile = nl.load(in_tensor)
    total = nl.sum(tile[i_p, pool_size * i_r + i_y, pool_size * i_c + i_x], axis=[2, 4], dtype=nl.float32)
    nl.store(out, value=nl.multiply(total, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype))
    return out
"""

#: Seconds beyond the deadline after which a case that hangs must have its verdict.
MARGIN = 5.0


def write(folder, deed="pass", before="", parameters=""):
    (folder / "pool.py").write_text(POOL.format(deed=deed, before=before, parameters=parameters))


def trial(channels=3, spec=None, check="values", backends=("baremetal",)):
    case = Case.parse(f"c{channels}h4w4k2:fp32:normal:s1")
    return Trial(CHECKS[check], spec or KernelSpec("pool.py:avgpool"), backends, "emulator", "trn2", case)


@pytest.fixture
def supervise(tmp_path):
    made = []

    def supervise(deadline=30.0, **keeping):
        made.append(Supervised(Workbench("emulator", tmp_path), tmp_path, deadline, keeping=Keeping(**keeping)))
        return made[-1]

    yield supervise
    for one in made:
        one.close()


DEATHS = {
    "segmentation fault": ("ctypes.string_at(0)", Status.CRASH, "SIGSEGV"),
    "abort": ("os.abort()", Status.CRASH, "SIGABRT"),
    "illegal instruction": ("os.kill(os.getpid(), signal.SIGILL)", Status.CRASH, "SIGILL"),
    "exit of native code with code 0": ("ctypes.CDLL(None)._exit(0)", Status.CRASH, "ended without a result"),
    "exit of native code with code 3": ("ctypes.CDLL(None)._exit(3)", Status.CRASH, "exit code 3"),
    "the compiler's exit code without a compiler": ("ctypes.CDLL(None)._exit(70)", Status.CRASH, "exit code 70"),
    "killed from outside, twice": ("os.kill(os.getpid(), signal.SIGKILL)", Status.INFRA, "SIGKILL"),
    "all its files closed": ("os.closerange(0, 100); ctypes.CDLL(None)._exit(0)", Status.CRASH, "without a result"),
}


@pytest.mark.parametrize(("deed", "status", "evidence"), DEATHS.values(), ids=DEATHS)
def test_a_kernel_that_ends_its_process_gets_a_verdict(supervise, tmp_path, deed, status, evidence):
    write(tmp_path, deed)
    bench = supervise()

    verdicts = [bench.verdict(trial(channels)) for channels in (2, 3, 4)]

    assert [verdict.finding.status for verdict in verdicts] == [Status.PASS, status, Status.PASS]
    assert evidence in verdicts[1].finding.message
    assert "neuron" not in verdicts[1].finding.message.lower()


HANGS = {
    "holding the interpreter": "ctypes.PyDLL(None).sleep(3600)",
    "letting go of it": "ctypes.CDLL(None).sleep(3600)",
    "in Python": "time.sleep(3600)",
    "deaf to signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)",
    "without end": "\n        while True: pass",
}


@pytest.mark.parametrize("deed", HANGS.values(), ids=HANGS)
def test_a_kernel_that_hangs_is_killed_at_the_deadline(supervise, tmp_path, deed):
    write(tmp_path, deed)
    bench = supervise(deadline=1.0)
    first = bench.verdict(trial(2))

    started = time.monotonic()
    verdict = bench.verdict(trial())
    took = time.monotonic() - started

    assert first.finding.status is Status.PASS
    assert verdict.finding.status is Status.TIMEOUT
    assert "no verdict within 1 s" in verdict.finding.message
    assert 1.0 <= took < 1.0 + MARGIN
    assert bench.verdict(trial(4)).finding.status is Status.PASS


def test_what_a_hanging_kernel_started_ends_with_it(supervise, tmp_path):
    write(
        tmp_path,
        "start_and_hang()",
        before=(
            "def start_and_hang():\n"
            "    import subprocess\n"
            f"    sleeper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
            f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(sleeper.pid))\n"
            "    time.sleep(3600)\n"
        ),
    )
    verdict = supervise(deadline=2.0).verdict(trial())

    assert verdict.finding.status is Status.TIMEOUT
    assert not runs(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    "deed",
    [
        "print('{\"verdict\": 1}', flush=True)",
        "os.write(1, b'{\"verdict\": 1}\\n')",
        'sys.__stdout__.write("not JSON\\n"); sys.__stdout__.flush()',
        "os.system('echo shell')",
        'sys.stderr.write("x" * 10**6)',
        "sys.stdin.read()",
    ],
    ids=["print", "descriptor 1", "the first stdout", "a shell", "a megabyte of errors", "read of the input"],
)
def test_what_a_kernel_prints_is_no_answer(supervise, tmp_path, deed):
    write(tmp_path, deed)

    assert supervise(deadline=10.0).verdict(trial()).finding.status is Status.PASS


def test_the_end_of_what_a_crashing_kernel_printed_is_shown(supervise, tmp_path):
    write(tmp_path, 'print("\\n".join(map(str, range(100))), flush=True); ctypes.string_at(0)')

    message = supervise().verdict(trial()).finding.message

    assert "  | 99" in message
    assert "  | 80" in message
    assert "  | 79\n" not in message


def test_what_an_earlier_case_printed_is_not_shown(supervise, tmp_path):
    write(tmp_path, "ctypes.string_at(0)", before='print("at import", flush=True)')
    bench = supervise()
    bench.verdict(trial(2))

    assert "at import" not in bench.verdict(trial()).finding.message


def test_a_crash_while_it_waits_does_not_change_the_verdict_and_is_told(supervise, tmp_path):
    write(tmp_path, "threading.Timer(0.3, lambda: ctypes.string_at(0)).start()")
    bench = supervise()
    before = bench.verdict(trial())
    time.sleep(1.0)
    after = bench.verdict(trial(4))

    assert [before.finding.status, after.finding.status] == [Status.PASS, Status.PASS]
    assert len(bench.notes) == 1
    assert "SIGSEGV" in bench.notes[0]
    assert "stands" in bench.notes[0]


def test_a_crash_at_the_end_is_told(supervise, tmp_path):
    write(tmp_path, "import atexit; atexit.register(os.abort)")
    bench = supervise()
    verdict = bench.verdict(trial())
    bench.close()

    assert verdict.finding.status is Status.PASS
    assert ["SIGABRT" in note for note in bench.notes] == [True]


def test_an_end_without_trouble_is_not_told(supervise, tmp_path):
    write(tmp_path)
    bench = supervise()
    bench.verdict(trial())
    bench.close()

    assert bench.notes == []


def test_an_exception_in_a_child_is_that_of_a_launch_in_this_process(supervise, tmp_path):
    write(tmp_path, 'raise ValueError("no threes")')
    here = Workbench("emulator", tmp_path).verdict(trial())
    there = supervise().verdict(trial())

    assert here.finding.status is Status.FAIL
    assert there.finding == here.finding


def test_a_killed_launch_is_tried_once_more(supervise, tmp_path):
    marker = tmp_path / "killed"
    deed = f"os.path.exists({str(marker)!r}) or (open({str(marker)!r}, 'w'), os.kill(os.getpid(), signal.SIGKILL))"
    write(tmp_path, deed)

    finding = supervise().verdict(trial()).finding

    assert finding.status is Status.PASS
    assert "this is launch 2; launch 1 ended with" in finding.message
    assert "SIGKILL" in finding.message


def test_functions_of_a_spec_are_called_where_they_are(supervise, tmp_path):
    write(tmp_path, parameters=", scale, width")
    called = []

    def width(shape, k):
        called.append((os.getpid(), shape, k))
        return shape[-1]

    spec = KernelSpec("pool.py:avgpool", call=("x", "k", 1.0, width))

    assert supervise().verdict(trial(2, spec)).finding.status is Status.PASS
    assert set(called) == {(os.getpid(), (2, 4, 4), 2)}


def test_an_exception_of_a_specs_function_reaches_the_verdict(supervise, tmp_path):
    write(tmp_path, parameters=", width")
    spec = KernelSpec("pool.py:avgpool", call=("x", "k", lambda shape, k: shape[7]))

    finding = supervise().verdict(trial(2, spec)).finding

    assert finding.status is Status.INTERNAL  # the kernel was not asked
    assert "IndexError" in finding.message


def test_a_spec_that_cannot_be_sent_is_said_to_be_so(supervise, tmp_path):
    write(tmp_path, parameters=", lock")
    spec = KernelSpec("pool.py:avgpool", call=("x", "k", threading.Lock()))

    finding = supervise().verdict(trial(2, spec)).finding

    assert finding.status is Status.INTERNAL
    assert "cannot be given to a child process" in finding.message


def test_arrays_of_a_case_come_back(supervise, tmp_path):
    write(tmp_path)
    bench, here = supervise(arrays=True), Workbench("emulator", tmp_path)
    spec = KernelSpec("pool.py:avgpool")
    one = Trial(CHECKS["values"], spec, ("baremetal",), "emulator", "trn2", Case.parse("c2h4w4k2:bf16:normal:s1"))
    bench.verdict(one)
    here.verdict(one)

    arrays = bench.arrays(one)

    assert "launch0_output0" in arrays
    for name, array in here.arrays(one).items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


def test_a_case_that_ended_its_process_keeps_its_input(supervise, tmp_path):
    write(tmp_path, "ctypes.string_at(0)")
    bench = supervise(arrays=True)
    one = trial()
    bench.verdict(one)

    assert set(bench.arrays(one)) == {"input", "exact", "low", "high"}


@pytest.mark.parametrize("backends", [("torch",), ("jax",), ("baremetal", "torch", "jax")], ids="+".join)
def test_framework_paths_are_supervised_alike(supervise, tmp_path, backends):
    for module in {"torch", "jax"}.intersection(backends):
        pytest.importorskip(module)
    write(tmp_path, "ctypes.string_at(0)")
    bench = supervise(deadline=60.0)
    check = "agreement" if len(backends) > 1 else "values"

    verdicts = [bench.verdict(trial(channels, check=check, backends=backends)) for channels in (2, 3, 4)]

    assert [verdict.finding.status for verdict in verdicts] == [Status.PASS, Status.CRASH, Status.PASS]


PARENT = """
import json, sys
from pathlib import Path
from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.kernel import KernelSpec
from pytest_nki_pool.supervised.parent import Supervised

root = Path(sys.argv[1])
bench = Supervised(Workbench("emulator", root), root, 3600.0)
case = Case.parse("c3h4w4k2:fp32:normal:s1")
bench.verdict(Trial(CHECKS["values"], KernelSpec("pool.py:avgpool"), ("baremetal",), "emulator", "trn2", case))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child whose native code holds the interpreter")
def test_a_child_that_hangs_dies_with_its_parent(tmp_path):
    pid = tmp_path / "pid"
    write(tmp_path, f"open({str(pid)!r}, 'w').write(str(os.getpid())); ctypes.PyDLL(None).sleep(3600)")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    until(lambda: pid.exists() and pid.read_text())
    child = int(pid.read_text())
    assert runs(child)

    parent.kill()
    parent.wait()

    until(lambda: not runs(child))


def runs(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)
