"""Reports made by hand, and runs of pytest that write some."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import ml_dtypes  # noqa: F401  # pytester forgets what a run in this process imported, and NumPy bears only one import
import pytest

from pytest_nki_pool.options import OPTION_GROUPS
from pytest_nki_pool.report.model import Record, Report, Run
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The smallest part of the suite, but for the check.
COMMON = (
    *("-p", "no:cacheprovider", "--pyargs", "pytest_nki_pool.conformance"),
    *("--nki-kernel=pool.py:avgpool", "--nki-backend=baremetal", "--nki-tier=smoke"),
)

RUN = Run(
    started="2026-11-22T12:00:00+00:00",
    target="emulator",
    platforms={"trn2": "gen3"},
    device=None,
    versions={"python": "3.11.7", "numpy": "2.4.6"},
    settings={
        "backend": {"values": ["torch"], "source": "--nki-backend"},
        "seed": {"values": ["0"], "source": "default"},
        "report": {"values": ["r.jsonl"], "source": "--nki-report"},
    },
    kernels={
        "avgpool": {
            "target": "pool.py:avgpool",
            "sha256": "ab" * 32,
            "dialect": "legacy",
            "claims": {"dtypes": ["fp32"], "accuracy": "fp32"},
        }
    },
    not_run={},
    cases=0,
)

KERNEL = """\
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def avgpool(x, pool_size):
    c, h, w = x.shape
    assert 1 <= pool_size <= min(h, w), f"pool_size {pool_size} does not fit {h} x {w}"
    out = nl.ndarray((c, h // pool_size, w // pool_size), dtype=x.dtype, buffer=nl.shared_hbm)
    i_p, i_r, i_y, i_c, i_x = nl.mgrid[0:c, 0 : h // pool_size, 0:pool_size, 0 : w // pool_size, 0:pool_size]
    total = nl.sum(nl.load(x)[i_p, pool_size * i_r + i_y, pool_size * i_c + i_x], axis=[2, 4], dtype=nl.float32)
    nl.store(out, value=nl.multiply(total, 1.0 / DIVISOR, dtype=x.dtype))
    return out
"""


def record(case: int, status: Status = Status.PASS, message: str = "", **facts: object) -> Record:
    """The record of one case of `RUN`."""
    identity = Identity("values", "avgpool", "torch", "emulator", "trn2", f"c{case}h6w6k2:fp32:ones")
    return Record(Verdict(identity, Finding(status, message, **facts), 0.25, "numerics"), f"pytest --nki-case={case}")


@pytest.fixture
def report() -> Callable[..., Report]:
    """Makes a report of one case per status, or of (case number, status) pairs; keywords replace facts of the run."""

    def make(*statuses: Status | tuple[int, Status], damage: str = "", name: str = "report", **facts: object) -> Report:
        pairs = [item if isinstance(item, tuple) else (i, item) for i, item in enumerate(statuses, start=1)]
        records = tuple(record(*pair) for pair in pairs)
        return Report(replace(RUN, **{"cases": len(records), **facts}), records, damage, name)

    return make


@pytest.fixture(scope="session")
def wrong_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on a kernel with a wrong divisor, with a report in every format."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "pool.py").write_text(KERNEL.replace("DIVISOR", "(pool_size)").strip())
    reports = [f"--nki-report=r{suffix}" for suffix in (".json", ".md", ".badge.json", ".jsonl")]
    others = ("--nki-artifacts=arrays", "--junitxml=j.xml", "--nki-check=values")
    command = [sys.executable, "-m", "pytest", *COMMON, *reports, *others]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("NKI_POOL_", "GITHUB_"))}
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True, env=outside).returncode == 1
    return folder


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in (option for group in OPTION_GROUPS.values() for option in group):
        monkeypatch.delenv(option.variable, raising=False)
    for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs a small part of the suite on a right kernel or on one with another divisor.

    A run that launches needs a fresh process; `here` is for those that are refused, and several times as fast.
    """

    def run(*args: str, divisor: str = "pool_size**2", check: str = "values", here: bool = False) -> pytest.RunResult:
        if "-n" in args and not find_spec("xdist"):
            pytest.skip("not installed: xdist")
        pytester.makepyfile(pool=KERNEL.replace("DIVISOR", f"({divisor})"))
        runner = pytester.runpytest_inprocess if here else pytester.runpytest_subprocess
        return runner(*COMMON, f"--nki-check={check}", *args)

    return run
