"""The workflow files for CI are parsed, and the commands in them run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pytest_nki_pool.options import OPTION_GROUPS

yaml = pytest.importorskip("yaml")

CI = Path(__file__).parents[2] / "docs/ci"
#: What the commands are about on a machine of ours: the emulator, in two workers, on the smallest part of the corpus.
HERE = ("--nki-target=emulator", "-n", "2", "--nki-tier=smoke", "--nki-backend=baremetal", "-p", "no:cacheprovider")
KNOWN = {option.flag for options in OPTION_GROUPS.values() for option in options}

POOL = """
import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def avgpool(x, pool_size):
    channels, height, width = x.shape
    assert 1 <= pool_size <= min(height, width), f"pool size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=x)
    steps = [[height * width, channels], [pool_size * width, rows], [pool_size, columns]]
    sums = nl.sum(image.ap([*steps, [width, pool_size], [1, pool_size]]), axis=[3, 4], dtype=nl.float32)
    means = nl.ndarray(sums.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out = nl.ndarray((channels, rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=means)
    return out
"""


def github():
    jobs = yaml.safe_load((CI / "github.yml").read_text())["jobs"]
    return {f"github {name}": step["run"] for name, job in jobs.items() for step in job["steps"] if "run" in step}


def kubernetes():
    job = yaml.safe_load((CI / "kubernetes.yaml").read_text())
    [container] = job["spec"]["template"]["spec"]["containers"]
    return {"kubernetes": " ".join(container["args"])}


def commands():
    """What follows ``python -m pytest`` in each file, word by word."""
    scripts = {**github(), **kubernetes(), "slurm": (CI / "slurm.sh").read_text()}
    for name, script in scripts.items():
        for command in re.findall(r"python -m pytest (.+)", script.replace("\\\n", " ")):
            yield name, shlex.split(command)


COMMANDS = dict(commands())


def test_every_file_has_its_command():
    assert sorted(COMMANDS) == ["github device", "github emulator", "kubernetes", "slurm"]


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_flag_is_known(words):
    flags = {word.partition("=")[0] for word in words if word.startswith("--nki-")}

    assert flags - KNOWN == set()
    assert "--nki-kernel" in flags


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "github emulator"])
def test_a_runner_without_its_device_is_not_green(name):
    flags = {word.partition("=")[0] for word in COMMANDS[name]}

    assert {"--nki-target", "--nki-require-device", "--nki-expect-instance", "--nki-timeout", "--nki-report"} <= flags


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_the_command_runs_on_the_emulator(pytester, words):
    pytest.importorskip("xdist")
    pytester.makepyfile(pool=POOL)
    of_the_device = ("--nki-target", "--nki-require-device", "--nki-expect-instance")
    kept = [word for word in words if word.partition("=")[0] not in of_the_device]
    kept = [word.replace("/reports/", "").replace("${SLURM_JOB_ID:-0}", "0") for word in kept]
    result = pytester.runpytest_subprocess(*kept, *HERE)

    assert result.ret == 0
    assert result.parseoutcomes()["passed"] > 50
    assert list(pytester.path.glob("report*.jsonl"))


def test_a_job_of_kubernetes_is_tried_again_for_the_machine_alone():
    spec = yaml.safe_load((CI / "kubernetes.yaml").read_text())["spec"]
    rules = {rule["action"]: rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"]}

    assert rules["Count"]["values"] == [75]
    assert rules["FailJob"]["operator"] == "NotIn"
    assert 75 in rules["FailJob"]["values"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_device_of_kubernetes_has_a_configurable_name():
    text = (CI / "kubernetes.yaml").read_text()
    [container] = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    [resource] = container["resources"]["limits"]

    assert resource == "aws.amazon.com/neuron"
    for other in ("aws.amazon.com/neuroncore", "aws.amazon.com/neurondevice"):
        assert other in text
