"""Each path runs the fp8 formats that its framework has, and says which it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Verdicts = Callable[..., dict[tuple[str, str], str]]

_CLAIMS = """
from pytest_nki_pool import Capabilities, KernelSpec


def pytest_nki_pool_kernels(config):
    return [KernelSpec("pool.py:avgpool", capabilities=Capabilities(dtypes=["fp8_e4m3", "fp8_e5m2"]))]
"""


@pytest.fixture
def fp8_run(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> Callable[..., pytest.RunResult]:
    """Runs the suite on a kernel that claims fp8 and nothing else."""
    pytester.makeconftest(_CLAIMS)
    return lambda *args: run(*suite, "--nki-check=values,agreement", "-rs", *args)


def _row(result: pytest.RunResult, backend: str) -> dict[str, str]:
    table = [line.split() for line in result.outlines if line.startswith(("kernel ", "avgpool "))]
    return next(dict(zip(table[0], row, strict=False)) for row in table[1:] if row[1] == backend)


@pytest.mark.needs("torch", "jax")
def test_e5m2_runs_on_every_path(fp8_run: Callable[..., pytest.RunResult]) -> None:
    result = fp8_run("--nki-case=c2h6w6k2:fp8_e5m2:uniform:s0")
    assert result.ret == 0
    passed = {
        backend: _row(result, backend)["PASS"] for backend in ("baremetal", "torch", "jax", "baremetal+torch+jax")
    }
    assert set(passed.values()) == {"1"}


@pytest.mark.needs("torch", "jax")
def test_e4m3_is_unsupported_on_torch_and_compared_between_the_others(
    fp8_run: Callable[..., pytest.RunResult],
) -> None:
    result = fp8_run("--nki-case=c2h6w6k2:fp8_e4m3:uniform:s0")
    assert result.ret == 0
    for backend, status in {
        "baremetal": "PASS",
        "jax": "PASS",
        "torch": "UNSUPPORTED",
        "baremetal+torch+jax": "PASS",
    }.items():
        assert _row(result, backend)[status] == "1"
    assert "UNSUPPORTED: PyTorch has no IEEE float8_e4m3 (largest value 240)" in result.stdout.str()


@pytest.mark.needs("torch", "jax")
def test_agreement_needs_two_paths_that_have_the_dtype(fp8_run: Callable[..., pytest.RunResult]) -> None:
    result = fp8_run("--nki-case=c2h6w6k2:fp8_e4m3:uniform:s0", "--nki-backend=baremetal,torch")
    assert result.ret == 0, "baremetal alone was executed, and passed"
    assert _row(result, "baremetal+torch")["UNSUPPORTED"] == "1"
    assert "UNSUPPORTED: fewer than two backends have fp8_e4m3: torch: PyTorch has no" in result.stdout.str()


@pytest.mark.needs("torch", "jax")
def test_the_full_tier_covers_fp8_and_nothing_that_is_not_claimed(fp8_run: Callable[..., pytest.RunResult]) -> None:
    result = fp8_run("--nki-tier=full", "--collect-only", "-q")
    dtypes = {line.rpartition("]")[0].split(":")[-2 - (":s" in line)] for line in result.outlines if "]" in line}
    assert dtypes == {"fp8_e4m3", "fp8_e5m2"}
