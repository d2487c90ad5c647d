"""The manifests for fleets are parsed, and their commands run as the scheduler would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.report.read import read

yaml = pytest.importorskip("yaml")

FLEET = Path(__file__).parents[2] / "docs" / "fleet"
SMALL = "--nki-target=emulator --nki-tier=smoke --nki-backend=baremetal --nki-check=values -p no:cacheprovider"
DEVICE = re.compile(r"--nki-target=device --nki-require-device --nki-expect-instance=\S+ \\\n\s+--nki-timeout=300")


def job():
    return yaml.safe_load((FLEET / "kubernetes.yaml").read_text())["spec"]


def container():
    [only] = job()["template"]["spec"]["containers"]
    return only


def here(script: str) -> str:
    """The script for a machine without a device."""
    assert len(DEVICE.findall(script)) == 1
    return DEVICE.sub(SMALL, script)


def kubernetes(index: int) -> tuple[list[str], dict[str, str]]:
    [script] = container()["args"]
    environ = {entry["name"]: entry["value"] for entry in container()["env"]}
    command = [*container()["command"], here(script).replace("/reports/", "")]
    return command, {**environ, "JOB_COMPLETION_INDEX": str(index - 1)}


def slurm(index: int) -> tuple[list[str], dict[str, str]]:
    script = here((FLEET / "slurm.sh").read_text())
    activate = ". /opt/aws_neuronx_venv/bin/activate\n"
    assert activate in script
    script = script.replace(activate, "").replace("-n auto ", "")
    array = {"ID": index, "COUNT": 4, "MIN": 1, "MAX": 4}
    return ["bash", "-c", script], {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in array.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    kernel = Path(__file__).parents[2] / "kernels" / "production_legacy.py"
    (tmp_path / "pool.py").write_bytes(kernel.read_bytes())
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("scheduler", [kubernetes, slurm])
def test_the_jobs_of_an_array_are_the_shards_of_one_run_and_go_on_where_they_ended(folder, scheduler):
    for index in range(1, 5):
        command, environ = scheduler(index)
        done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    reports = sorted(folder.glob("shard-*.jsonl"))
    lines = reports[0].read_text().splitlines(keepends=True)
    reports[0].write_text("".join(lines[:-2]))
    assert main(["merge", *map(str, reports), "--output=whole.jsonl"]) == 2

    command, environ = scheduler(1)
    again = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)

    assert again.returncode == 0, again.stdout + again.stderr
    assert " 1 passed" in again.stdout
    assert len(reports) == 4
    assert main(["merge", *map(str, reports), "--output=whole.jsonl"]) == 0
    assert set(read("whole.jsonl").statuses.values()) == {"PASS"}


def test_the_number_of_shards_is_the_same_wherever_it_stands():
    [shard] = [entry["value"] for entry in container()["env"] if entry["name"] == "NKI_POOL_SHARD"]
    script = (FLEET / "slurm.sh").read_text()

    assert job()["completionMode"] == "Indexed"
    assert shard == f"auto/{job()['completions']}"
    assert (
        re.search(r"^#SBATCH --array=1-(\d+)$", script, re.MULTILINE)[1]
        == re.search(r"^shards=(\d+)$", script, re.MULTILINE)[1]
    )


def test_only_a_fault_of_the_machine_is_tried_again():
    rules = {rule["action"]: rule["onExitCodes"] for rule in job()["podFailurePolicy"]["rules"]}

    assert rules["Count"]["values"] == [75]
    assert (rules["FailIndex"]["operator"], rules["FailIndex"]["values"]) == ("NotIn", [0, 75])
    assert {rule["containerName"] for rule in rules.values()} == {container()["name"]}
