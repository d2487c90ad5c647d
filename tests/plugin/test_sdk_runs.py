"""Whole runs with an SDK installed: what does not fit it is named, and what cannot be trusted is not green."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sdk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

QUICK = ("--nki-tier=smoke", "--nki-check=values", "--nki-backend=baremetal")
LEGACY = """
import neuronxcc.nki.language as nl
raise RuntimeError("executed")

def avgpool(in_tensor, pool_size):
    return in_tensor
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the suite in a fresh process that sees a folder of packages."""
    (tmp_path / "empty").mkdir()

    def run(site: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "pytest_nki_pool.conformance"]
        return subprocess.run(
            [*command, *args],
            env=sdk.environment(site, **variables),
            cwd=tmp_path / "empty",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return sdk.site(tmp_path / "site", "2.31")


@pytest.mark.parametrize("target", ["simulator", "auto"])
def test_default_kernels_that_the_sdk_does_not_launch_are_named_as_not_applicable(
    run: Run, site: Path, target: str
) -> None:
    result = run(site, f"--nki-target={target}", *QUICK)
    assert result.returncode == 0, result.stdout
    for label in ("tutorial_out_parameter", "tutorial_returning", "production_legacy"):
        assert f"kernel {label}" in result.stdout
    assert "written for neuronxcc.nki" in result.stdout
    assert "nki sdk: nki 0.5.0" in result.stdout


def test_a_newer_sdk_than_those_known_is_named_as_one(run: Run, tmp_path: Path) -> None:
    result = run(sdk.site(tmp_path / "site", "2.31", nki="0.12.0"), "--nki-target=simulator", "--collect-only", *QUICK)
    assert result.returncode == 0, result.stdout
    assert "launched as SDK 2.29 and newer; newer than nki 0.7, the newest known, and launched like it" in result.stdout


def test_a_kernel_asked_for_that_the_sdk_does_not_launch_is_a_usage_error(run: Run, site: Path) -> None:
    result = run(site, "--nki-target=simulator", "--nki-kernel=pytest_nki_pool.kernels.production_legacy:avgpool")
    assert result.returncode == 4
    said = result.stderr
    for part in (
        "--nki-kernel",
        "neuronxcc.nki",
        "nki 0.5.0",
        "SDK 2.21 to 2.26",
        "--nki-target=emulator would run it",
    ):
        assert part in said


def test_a_file_for_another_api_is_told_by_what_it_imports_and_not_executed(
    run: Run, site: Path, tmp_path: Path
) -> None:
    kernel = tmp_path / "pool.py"
    kernel.write_text(LEGACY)
    result = run(site, "--nki-target=simulator", f"--nki-kernel={kernel}:avgpool")
    assert result.returncode == 4
    assert "written for neuronxcc.nki" in result.stderr
    assert "executed" not in result.stderr


def test_placeholders_of_the_public_index_are_explained(run: Run, tmp_path: Path) -> None:
    result = run(sdk.placeholders(tmp_path / "site"), "--nki-target=simulator", *QUICK)
    assert result.returncode == 4
    assert "placeholders alone: " in result.stderr
    assert "nki 0.0.1" in result.stderr


def test_placeholders_do_not_keep_auto_from_the_emulator(run: Run, tmp_path: Path) -> None:
    kernel = "--nki-kernel=pytest_nki_pool.kernels.tutorial_access_pattern:tensor_avgpool_kernel"
    result = run(sdk.placeholders(tmp_path / "site"), kernel, *QUICK)
    assert result.returncode == 0, result.stdout
    assert "emulator" in result.stdout


def test_a_simulator_that_cannot_be_trusted_is_to_be_run_again_and_every_case_says_so(
    run: Run, site: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.jsonl"
    result = run(site, "--nki-target=simulator", *QUICK, f"--nki-report={report}", FAKE_NEURON_FAULT="zeros")
    assert result.returncode == 75, result.stdout
    assert {line["status"] for line in verdicts(report)} == {"MISTRUSTED"}


@pytest.mark.parametrize(
    ("override", "chips", "wanted"),
    [("gen4", "trn2", "gen3 or trn2"), ("trn2", "trn2,trn3", "gen4 or trn3"), ("gen3", "trn2", "")],
    ids=["another chip", "one of two chips", "the chip"],
)
def test_an_environment_that_makes_the_simulator_another_chip_is_a_usage_error(
    run: Run, site: Path, override: str, chips: str, wanted: str
) -> None:
    flags = ("--nki-target=simulator", f"--nki-platform={chips}", "--collect-only")
    result = run(site, *flags, *QUICK, NEURON_PLATFORM_TARGET_OVERRIDE=override)
    assert result.returncode == (4 if wanted else 0), result.stderr
    if wanted:
        said = f"NEURON_PLATFORM_TARGET_OVERRIDE={override} compiles for another chip than {chips[-4:]}"
        assert said in result.stderr
        assert f"unset it, or set it to {wanted}, or choose another chip by --nki-platform" in result.stderr


@pytest.mark.parametrize("fault", ["", "zeros"])
def test_a_device_is_used_and_believed_only_if_it_answers_right(neuron: Any, fault: str) -> None:
    machine = neuron("trn1.2xlarge", "2.33")
    machine.environ["FAKE_NEURON_FAULT"] = fault
    code, output = machine.run(
        *("--pyargs", "pytest_nki_pool.conformance", "--nki-target=device", "--nki-tier=smoke", "--nki-check=values"),
        *("--nki-report=report.jsonl", "-q"),
    )
    assert code == (75 if fault else 0), output
    lines = verdicts(machine.report)
    assert {line["backend"] for line in lines} == {"baremetal", "torch", "jax"}
    assert {line["target"] for line in lines} == {"device"}
    assert {line["status"] for line in lines} == {"MISTRUSTED" if fault else "PASS"}


def verdicts(report: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, report.read_text().splitlines())
    return [line for line in lines if line["line"] == "verdict"]
