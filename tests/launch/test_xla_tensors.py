"""The torch path on PyTorch/XLA's own lazy tensors, with the CPU where a Neuron device would be."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from sdk import environment, site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Drive = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch_xla not installed; run tox -e xla")


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    """Run trials in a fresh process: everything of the SDK is a stand-in but torch_xla."""

    def drive(sdk: str, **question: Any) -> list[dict[str, Any]]:
        run = subprocess.run(
            [sys.executable, "-m", "sdk.drive", json.dumps({"backends": ["torch"], **question})],
            env=environment(site(tmp_path / sdk, sdk, without=("torch-xla",)), PJRT_DEVICE="CPU"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        verdicts: list[dict[str, Any]] = json.loads(run.stdout)["verdicts"]
        return verdicts

    return drive


def test_the_client_is_asked_which_device_it_has(drive: Drive) -> None:
    verdicts = drive("2.31", checks=["values"])
    assert {verdict["status"] for verdict in verdicts} == {"MISTRUSTED"}
    assert all("xla:0 is CPU:0, the PJRT platform must be NEURON" in verdict["message"] for verdict in verdicts)


@pytest.mark.parametrize("sdk", ["2.20", "2.26", "2.31"])
def test_kernels_take_and_return_lazy_tensors(drive: Drive, sdk: str) -> None:
    verdicts = drive(sdk, client="NEURON")
    assert len(verdicts) > 90
    assert {verdict["status"] for verdict in verdicts if verdict["check"] != "honesty"} == {"PASS"}
    # PyTorch has no float8_e4m3, which kernels are asked about as well.
    assert {verdict["status"] for verdict in verdicts if verdict["check"] == "honesty"} == {"PASS", "UNSUPPORTED"}


def test_layouts_of_lazy_tensors(drive: Drive) -> None:
    verdicts = drive("2.31", client="NEURON", tier="standard", checks=["layouts", "frameworks"])
    statuses = {verdict["check"]: verdict["status"] for verdict in verdicts}
    lacking = {name for name, status in statuses.items() if status == "UNSUPPORTED"}
    assert lacking == {"torch_opcheck", "torch_compile", "torch_autograd", "torch_vmap"}
    assert {status for name, status in statuses.items() if name not in lacking} == {"PASS"}
    assert {"transposed_tensor", "sliced_tensor", "expanded_tensor", "meta_device"} <= statuses.keys()
