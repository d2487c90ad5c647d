"""The most memory that a process holds at a time in one launch, as the operating system reports it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_nki_pool.kernels import SPECS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from Linux's /proc")

#: Runs in a process of its own: its peak is that of the launch, and no memory that was freed before is used again.
_PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from pytest_nki_pool import emulator
from pytest_nki_pool.launch.load import load
from pytest_nki_pool.spec.dtypes import DTYPES

def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])

target, name, convention = sys.argv[1:]
function = load(target, resolve=emulator.resolve).function
dtype = DTYPES[name].numpy

def launch(channels, size):
    x = np.full((channels, size, size), 1, dtype)
    out = np.zeros((channels, size // 2, size // 2), dtype)
    before = status("VmRSS")
    if convention == "out_parameter":
        emulator.launch(function, x, out, 2, outputs=["out_tensor"])
        result = out
    else:
        result = emulator.launch(function, x, 2)
    assert (result == 1).all()
    return (status("VmHWM") - before) / (x.nbytes + result.nbytes)

launch(2, 4)  # what is imported and compiled once
print(launch(128, 160))
"""


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.label)
def test_a_launch_holds_at_most_three_times_its_arrays(spec, dtype):
    arguments = [spec.target, dtype, "out_parameter" if "out" in spec.call else "returns"]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) <= 3
