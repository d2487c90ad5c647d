"""Every kernel of our own on every generation of the SDK, as far as the generation launches it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from pytest_nki_pool.kernels import SPECS
from sdk import environment, site

from pytest_nki_pool.launch.kernel import convention_of
from pytest_nki_pool.launch.sdk import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Drive = Callable[..., dict[str, Any]]

#: One SDK of each generation.
ROWS = {"2.20": "2.20", "2.21": "2.26", "2.27": "2.28", "2.29": "2.31", "2.33": "2.33"}
BACKENDS = ("baremetal", "torch", "jax")
#: What a framework does with a function makes no sense of these on a device.
NO_SENSE = {
    "xla": {"torch_opcheck", "torch_compile", "torch_autograd", "torch_vmap"},
    "neuron": {"torch_opcheck", "torch_autograd", "torch_vmap"},
    "jax": {"jax_vmap", "jax_grad", "jax_eval_shape"},
}
FP8 = "PyTorch has no IEEE float8_e4m3 (largest value 240); its float8_e4m3fn (448) is another format"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """Run trials on a row's stand-ins in a fresh process; the same question is asked once."""

    @cache
    def install(row: str) -> Path:
        return site(tmp_path_factory.mktemp("sdk"), ROWS[row])

    @cache
    def ask(row: str, question: str, variables: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        run = subprocess.run(
            [sys.executable, "-m", "sdk.drive", question],
            env=environment(install(row), **dict(variables)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=install(row),
        )
        assert run.returncode == 0, run.stderr
        answer: dict[str, Any] = json.loads(run.stdout)
        return answer

    def drive(row: str, variables: dict[str, str] | None = None, **question: Any) -> dict[str, Any]:
        return ask(row, json.dumps(question), tuple((variables or {}).items()))

    return drive


def applies(row: str, label: str) -> bool:
    adapter, spec = ADAPTERS[row], next(spec for spec in SPECS if spec.label == label)
    return (adapter.dialect, adapter.convention) == (spec.dialect, convention_of(spec))


def of(answer: dict[str, Any], **wanted: str) -> list[dict[str, Any]]:
    return [v for v in answer["verdicts"] if all(v[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", [spec.label for spec in SPECS])
@pytest.mark.parametrize("row", ROWS)
def test_kernel_on_device(drive: Drive, row: str, kernel: str, backend: str) -> None:
    answer = drive(row)
    verdicts = of(answer, kernel=kernel, backend=backend)
    if not applies(row, kernel):
        assert not verdicts
        assert "would run it" in answer["refused"][kernel]
        return
    seen = Counter(verdict["status"] for verdict in verdicts)
    assert seen["PASS"] > 90
    unsupported = [verdict for verdict in verdicts if verdict["status"] == "UNSUPPORTED"]
    assert seen["PASS"] + len(unsupported) == len(verdicts), seen
    assert {verdict["message"] for verdict in unsupported} <= {FP8}


@pytest.mark.parametrize("kernel", [spec.label for spec in SPECS])
@pytest.mark.parametrize("row", ROWS)
def test_kernel_on_simulator(drive: Drive, row: str, kernel: str) -> None:
    answer = drive(row, target="simulator", backends=["baremetal"])
    verdicts = of(answer, kernel=kernel)
    assert bool(verdicts) == applies(row, kernel)
    assert {verdict["status"] for verdict in verdicts} <= {"PASS"}


@pytest.mark.parametrize("row", ["2.20", "2.29", "2.33"])
def test_what_makes_no_sense_on_a_device_is_unsupported_by_name(drive: Drive, row: str) -> None:
    checks = drive(row, checks=["frameworks"], tier="standard")["verdicts"]
    unsupported = {verdict["check"] for verdict in checks if verdict["status"] == "UNSUPPORTED"}
    assert unsupported == NO_SENSE[ADAPTERS[row].tensors] | NO_SENSE["jax"]
    passed = {verdict["check"] for verdict in checks if verdict["status"] == "PASS"}
    assert passed == {"jax_jit", *({"torch_compile"} if row == "2.33" else ())}
    assert len(passed) + len(unsupported) == 8
    assert all(verdict["message"] for verdict in checks if verdict["status"] == "UNSUPPORTED")


@pytest.mark.parametrize(
    ("row", "target", "fault"),
    [
        *(("2.29", "device", fault) for fault in ("zeros", "constant", "nan", "dtype")),
        *((row, target, "zeros") for row in ("2.20", "2.33") for target in ("device", "simulator")),
        ("2.29", "simulator", "dtype"),
    ],
)
def test_a_target_with_a_wrong_answer_is_mistrusted_on_every_path(
    drive: Drive, row: str, target: str, fault: str
) -> None:
    verdicts = drive(row, {"FAKE_NEURON_FAULT": fault}, target=target, checks=["values"])["verdicts"]
    assert {verdict["backend"] for verdict in verdicts} == set(BACKENDS)
    assert {verdict["status"] for verdict in verdicts} == {"MISTRUSTED"}
    assert all(verdict["message"].startswith(f"the {target} cannot be trusted: ") for verdict in verdicts)
    assert sum(verdict["launches"]["count"] for verdict in verdicts) == 0  # nothing is launched after that


def test_a_wrong_answer_after_trust_is_the_kernels(drive: Drive) -> None:
    answer = drive("2.29", {"FAKE_NEURON_FAULT": "zeros@2"}, backends=["baremetal"], checks=["values"])
    assert {verdict["status"] for verdict in answer["verdicts"]} == {"FAIL"}


@pytest.mark.parametrize(
    ("backend", "variable", "says"),
    [
        ("baremetal", {"NKI_SIMULATOR": "1"}, "NKI_SIMULATOR is set"),
        ("torch", {"PJRT_DEVICE": "CPU"}, "xla:0 is CPU:0, the PJRT platform must be NEURON"),
        ("jax", {"JAX_PLATFORMS": "cpu"}, "its default device is on cpu, the array on cpu"),
    ],
)
def test_a_launch_that_did_not_use_the_device_is_mistrusted(
    drive: Drive, backend: str, variable: dict[str, str], says: str
) -> None:
    verdicts = drive("2.29", variable, backends=[backend], checks=["values"])["verdicts"]
    assert {verdict["status"] for verdict in verdicts} == {"MISTRUSTED"}
    assert all(says in verdict["message"] for verdict in verdicts)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [("busy", "INFRA"), ("nrt:EXEC_HW_ERR_HBM_UE", "DEVICE_LOST"), ("compiler", "FAIL"), ("timeout", "TIMEOUT")],
)
def test_a_fault_of_the_machine_while_trust_is_sought_keeps_its_name(
    drive: Drive, fault: str, status: str, backend: str
) -> None:
    answer = drive("2.29", {"FAKE_NEURON_FAULT": fault}, backends=[backend], checks=["values"])
    assert {verdict["status"] for verdict in answer["verdicts"]} == {status}


def test_a_package_of_the_sdk_that_cannot_be_imported_is_no_fault_of_the_kernel(tmp_path: Path) -> None:
    folder = site(tmp_path, "2.33")
    (folder / "torch_neuronx" / "__init__.py").write_text("import libnrt_that_is_not_there\n")
    run = subprocess.run(
        [sys.executable, "-m", "sdk.drive", json.dumps({"backends": ["torch"], "checks": ["values"]})],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=tmp_path,
    )
    verdicts = json.loads(run.stdout)["verdicts"]
    assert {verdict["status"] for verdict in verdicts} == {"MISTRUSTED"}
    assert all("torch does not reach the device: ModuleNotFoundError" in verdict["message"] for verdict in verdicts)
