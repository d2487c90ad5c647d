"""Sweeps in processes of their own, on kernels that die when they are told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import neuron_host
import pytest
import sdk

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.options import OPTION_GROUPS

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = """\
import os
import signal
import time
from pathlib import Path

import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def avgpool(x, pool_size):
    c, h, w = x.shape
    assert 1 <= pool_size <= min(h, w), f"pool_size {pool_size} does not fit {h} x {w}"
    CONDUCT
    out = nl.ndarray((c, h // pool_size, w // pool_size), dtype=x.dtype, buffer=nl.shared_hbm)
    i_p, i_r, i_y, i_c, i_x = nl.mgrid[0:c, 0 : h // pool_size, 0:pool_size, 0 : w // pool_size, 0:pool_size]
    total = nl.sum(nl.load(x)[i_p, pool_size * i_r + i_y, pool_size * i_c + i_x], axis=[2, 4], dtype=nl.float32)
    nl.store(out, value=nl.multiply(total, 1.0 / pool_size**2, dtype=x.dtype))
    return out
"""

#: What a kernel does besides; FOLDER is the test's.
CONDUCT = {
    "good": "pass",
    "slow": "Path({folder!r}, f'worker-{{os.getpid()}}').touch()\n    time.sleep(0.02)",
    "tells": (
        "Path({folder!r}, f\"core-{{os.environ['NEURON_RT_VISIBLE_CORES']}}-{{os.getpid()}}\").touch()\n"
        "    time.sleep(0.05)"
    ),
    "prints": "print('noise')",
    "hangs": "if h == 5: time.sleep(3600)\n    if h == 6: os.abort()",
    "regrets": "import atexit\n    atexit.register(os.abort)",
    "dies": "if h == 5: os.kill(os.getpid(), signal.SIGKILL)",
    "dies once": (
        "marker = Path({folder!r}, 'died')\n"
        "    if h == 5 and not marker.exists():\n"
        "        marker.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)"
    ),
}

_MAIN = "import sys; from pytest_nki_pool.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Sweeper:
    """Runs ``nki-pool sweep`` in a folder with kernels.

    Attributes:
        folder: where.
        common: arguments of every sweep.
    """

    folder: Path
    common: tuple[str, ...] = ("--workers=2",)

    def command(self, conduct: str, *args: str, report: str = "r.jsonl") -> list[str]:
        """The command line, and the kernel beside it."""
        text = KERNEL.replace("CONDUCT", CONDUCT[conduct].format(folder=str(self.folder)))
        (self.folder / "pool.py").write_text(text)
        common = ["--kernel=pool.py:avgpool", "--backend=baremetal", f"--report={report}"]
        return [sys.executable, "-c", _MAIN, "sweep", *common, *self.common, *args]

    def start(self, conduct: str, *args: str, report: str = "r.jsonl") -> subprocess.Popen[str]:
        """Start a sweep."""
        return subprocess.Popen(
            self.command(conduct, *args, report=report),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, conduct: str, *args: str, report: str = "r.jsonl") -> subprocess.CompletedProcess[str]:
        """Run a sweep to its end."""
        return subprocess.run(
            self.command(conduct, *args, report=report),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def sweeper(tmp_path, monkeypatch) -> Sweeper:
    """Runs sweeps in the test's folder."""
    for option in (option for group in OPTION_GROUPS.values() for option in group):
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return Sweeper(tmp_path)


@dataclass(frozen=True)
class Machine(Sweeper):
    """A machine of two NeuronCores, on which sweeps run as a user's do."""

    @property
    def cores(self) -> tuple[Core, ...]:
        """Its cores."""
        return Core(0, 0, (0,)), Core(1, 0, (1,))

    @property
    def locks(self) -> Path:
        """The folder of locks."""
        return self.folder / "machine/nki-pool-cores"

    def launches(self) -> list[dict[str, Any]]:
        """What each launch wrote down: process, cores and time."""
        log = self.folder / "launches"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def machine(sweeper, monkeypatch) -> Machine:
    """A machine that stand-ins imitate: device nodes, sysfs, ``neuron-ls`` and the SDK 2.26."""
    folder = sweeper.folder
    host = neuron_host.build(folder / "machine", "trn1.2xlarge")
    tool = neuron_host.install(folder / "bin", "trn1.2xlarge")
    environ = sdk.environment(sdk.site(folder / "site", "2.26"), FAKE_NEURON_LOG=str(folder / "launches"))
    environ |= {"NKI_POOL_SYSFS_ROOT": str(host.sysfs), "NKI_POOL_DEV_ROOT": str(host.dev)}
    environ |= {"NKI_POOL_NEURON_LS": str(tool), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir()
    for name in set(os.environ) - set(environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return Machine(folder, ())
