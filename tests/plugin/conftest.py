"""Running pytest as a user does: in a fresh process, in an empty folder."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import ml_dtypes  # noqa: F401  # pytester forgets what a run in this process imported, and NumPy bears only one import
import neuron_host
import pytest
import sdk

from pytest_nki_pool.options import OPTION_GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RIGHT = """
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def avgpool(in_tensor, pool_size):
    c, h, w = in_tensor.shape
    assert 1 <= pool_size <= min(h, w), f"pool_size {pool_size} does not fit {h} x {w}"
    rows, columns = h // pool_size, w // pool_size
    out = nl.ndarray((c, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    i_p, i_r, i_y, i_c, i_x = nl.mgrid[0:c, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    tile = nl.load(in_tensor)
    total = nl.sum(tile[i_p, pool_size * i_r + i_y, pool_size * i_c + i_x], axis=[2, 4], dtype=nl.float32)
    nl.store(out, value=nl.multiply(total, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype))
    return out
"""


@pytest.fixture
def suite() -> tuple[str, ...]:
    """The arguments that run the suite, wherever it is installed."""
    return ("--pyargs", "pytest_nki_pool.conformance")


@pytest.fixture
def right_kernel(pytester: pytest.Pytester) -> str:
    """A kernel file that conforms, as a value of --nki-kernel."""
    return f"{pytester.makepyfile(pool=_RIGHT).name}:avgpool"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in (option for group in OPTION_GROUPS.values() for option in group):
        monkeypatch.delenv(option.variable, raising=False)
    # Where CI is set, pytest prints each failure a second time, whole, in its closing summary.
    for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def _skip_without(args: tuple[str, ...]) -> None:
    """Skip a test whose command names a backend, or workers, that are not installed."""
    backends = ",".join(arg.partition("=")[2] for arg in args if arg.startswith("--nki-backend="))
    wanted = {"torch", "jax"} & set(backends.replace("all", "torch,jax").split(","))
    wanted |= {"xdist"} & {"xdist" if arg == "-n" else "" for arg in args}
    absent = sorted(module for module in wanted if find_spec(module) is None)
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs pytest in a fresh process in the test's folder."""

    def runner(*args: str) -> pytest.RunResult:
        _skip_without(args)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)

    return runner


@pytest.fixture
def run_here(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs pytest in this process in the test's folder: several times as fast, for runs that launch nothing."""

    def runner(*args: str) -> pytest.RunResult:
        _skip_without(args)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)

    return runner


class Runner:
    """A Neuron machine with an SDK, on which pytest runs as a user does.

    Attributes:
        host: the machine.
        flags: those by which the plugin finds it.
        environ: of a process that sees the SDK.
    """

    def __init__(self, base: Path, instance_type: str, sdk_version: str, **tree: object) -> None:
        self.host = neuron_host.build(base / "machine", instance_type, **tree)
        tool = neuron_host.install(base / "bin", instance_type, devices=tree.get("nodes"))
        self.flags = (
            f"--nki-sysfs-root={self.host.sysfs}",
            f"--nki-dev-root={self.host.dev}",
            f"--nki-neuron-ls={tool}",
        )
        self.log = base / "launches"
        self.environ = sdk.environment(sdk.site(base / "site", sdk_version), FAKE_NEURON_LOG=str(self.log))
        self._folder = base

    @property
    def report(self) -> Path:
        """What ``--nki-report=report.jsonl`` writes."""
        return self._folder / "report.jsonl"

    @property
    def locks(self) -> Path:
        """The folder of locks."""
        return self.host.dev.parent / "nki-pool-cores"

    def start(self, *args: str, alone: bool = False, **environ: str) -> subprocess.Popen[str]:
        """Start pytest in the folder of the machine, in a process group of its own if it is to be alone."""
        _skip_without(args)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *self.flags, *args]
        kept = {name: text for name, text in self.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=kept | {"OMP_NUM_THREADS": "1"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=alone,
        )

    def run(self, *args: str, **environ: str) -> tuple[int, str]:
        """Run pytest; its exit code and what it printed."""
        process = self.start(*args, **environ)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def launches(self) -> list[dict[str, Any]]:
        """What each launch wrote down: process, cores and time."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def neuron(tmp_path: Path) -> Callable[..., Runner]:
    """Makes a machine of an instance type, with the SDK 2.29 unless another is named."""

    def neuron(instance_type: str, sdk_version: str = "2.29", **tree: object) -> Runner:
        return Runner(tmp_path, instance_type, sdk_version, **tree)

    return neuron
