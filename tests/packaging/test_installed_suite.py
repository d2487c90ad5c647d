"""The suite as a user has it: from a wheel in an empty folder, or in a checkout; and the line that reruns a failure."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

KERNEL = (Path(__file__).parents[2] / "kernels" / "production_legacy.py").read_text()
#: The wrong kernel is right for the second of these, where k = 1.
CASES = "--nki-case=c2h6w6k2:fp32:normal:s0,c2h6w6k1:fp32:normal:s0"


@pytest.fixture
def folder(tmp_path):
    """An empty folder but for a kernel that conforms and one that does not, both in a folder with spaces."""
    kernels = tmp_path / "my kernels"
    kernels.mkdir()
    (kernels / "right pool.py").write_text(KERNEL)
    wrong = KERNEL.replace("1.0 / (pool_size * pool_size)", "1.0 / pool_size")
    assert wrong != KERNEL
    (kernels / "wrong pool.py").write_text(wrong)
    return tmp_path


def shell(python, folder, line, **variables):
    """Run a line in a shell in which `pytest` is that of an environment; return exit code and output."""
    # Where CI is set, pytest prints each failure a second time, whole, in its closing summary.
    foreign = ("NKI_POOL_", "PYTEST_", "CI", "BUILD_NUMBER")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    line = f'pytest() {{ {shlex.quote(str(python))} -m pytest -p no:cacheprovider "$@"; }}\n{line}'
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.needs("torch", "jax")
def test_the_wheel_judges_a_kernel_in_an_empty_folder(installed, folder):
    suite = f"pytest --pyargs pytest_nki_pool.conformance --nki-check=values,output_form {CASES}"
    right, said = shell(installed, folder, f"{suite} '--nki-kernel=my kernels/right pool.py:avgpool'")
    assert right == 0, said
    assert "average-pool conformance on emulator trn2 (gen3)" in said
    assert {line.split()[1] for line in said.splitlines() if line.startswith("avgpool ")} == {
        "baremetal",
        "torch",
        "jax",
    }

    wrong, said = shell(
        installed, folder, f"{suite} '--nki-kernel=my kernels/wrong pool.py:avgpool' --nki-backend=baremetal"
    )
    assert wrong == 1
    assert "first bad element" in said


#: How the suite was started, with what is to start it again: where, the command, and environment variables.
STARTS = {
    "wheel": ("installed", "pytest --pyargs pytest_nki_pool.conformance", {}),
    "one module of the wheel": ("installed", "pytest --pyargs pytest_nki_pool.conformance.test_values", {}),
    "plugin named": (
        "installed",
        "pytest -p nki_pool --pyargs pytest_nki_pool.conformance",
        {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    ),
    "workers": ("installed", "pytest -n 2 --pyargs pytest_nki_pool.conformance", {}),
    "path from the environment": (
        "installed",
        "pytest",
        {"PYTEST_ADDOPTS": "--pyargs pytest_nki_pool.conformance"},
    ),
    "path from a file": (
        "installed",
        "echo --pyargs pytest_nki_pool.conformance | tr ' ' '\\n' > args; pytest @args",
        {},
    ),
    "checkout": ("editable", "pytest conformance", {}),
    "checkout, one test": ("editable", "pytest conformance/test_values.py::test_values", {}),
}


@pytest.mark.parametrize(
    "start", [pytest.param(start, marks=pytest.mark.needs("xdist") if start == "workers" else ()) for start in STARTS]
)
def test_the_rerun_line_repeats_the_failure_as_it_stands(start, folder, source, request):
    environment, command, variables = STARTS[start]
    python = request.getfixturevalue(environment)
    where = source if environment == "editable" else folder
    kernel = folder / "my kernels" / "wrong pool.py" if environment == "editable" else "my kernels/wrong pool.py"
    flags = f"'--nki-kernel={kernel}:avgpool' --nki-backend=baremetal --nki-check=values {CASES}"

    first, said = shell(python, where, f"{command} {flags}", **variables)
    assert first == 1, said
    failure = said[said.index("FAIL: ") : said.index("\n", said.index("  rerun "))]
    rerun = failure.rpartition("  rerun ")[2].strip()
    # Nothing of the environment but the choice of plugins, which is the user's own.
    kept = {name: value for name, value in variables.items() if name != "PYTEST_ADDOPTS"}
    second, said = shell(python, where, rerun, **kept)

    assert second == 1, said
    assert failure in said
    assert said.count("FAIL: ") == 1


def test_the_rerun_line_keeps_the_plugin_that_says_what_the_kernel_is(installed, folder):
    (folder / "vendor.py").write_text(
        """
from pytest_nki_pool import Capabilities, KernelSpec


def pytest_nki_pool_kernels(config):
    target = "my kernels/wrong pool.py:avgpool"
    return [KernelSpec(target, name="vendor", capabilities=Capabilities(dtypes=("bf16",)))]
"""
    )
    first, said = shell(
        installed, folder, "pytest -p vendor --pyargs pytest_nki_pool.conformance --maxfail=1 --nki-backend=baremetal"
    )
    assert first == 1, said
    rerun = said.partition("  rerun ")[2].splitlines()[0].strip()
    second, said = shell(installed, folder, rerun)
    assert second == 1, said
    assert "FAIL: vendor, " in said


#: The files of an installed distribution that brings a kernel through an entry point.
VENDOR = {
    "acme_kernels/__init__.py": "",
    "acme_kernels/pool.py": KERNEL,
    "acme_kernels/specs.py": """
from pytest_nki_pool import Capabilities, KernelSpec

KERNELS = [KernelSpec("acme_kernels.pool:avgpool", name="acme", capabilities=Capabilities(dtypes=("bf16",)))]
""",
    "acme_kernels-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-kernels\nVersion: 1.2\n",
    "acme_kernels-1.2.dist-info/entry_points.txt": "[nki_pool.kernels]\nacme = acme_kernels.specs:KERNELS\n",
}


def test_an_installed_package_brings_its_kernel(installed, tmp_path):
    for name, text in VENDOR.items():
        (tmp_path / "packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / name).write_text(text)
    folder = tmp_path / "empty"
    folder.mkdir()
    flags = "--nki-check=values,honesty --nki-backend=baremetal --nki-tier=smoke"
    suite = f"pytest --pyargs pytest_nki_pool.conformance {flags}"

    code, said = shell(installed, folder, suite, PYTHONPATH=str(tmp_path / "packages"))
    assert code == 0, said
    assert "[entry point acme of acme-kernels 1.2]" in said
    assert [line.split()[0] for line in said.splitlines() if " baremetal  gen3 " in line] == ["acme"]

    code, said = shell(installed, folder, f"{suite} --nki-kernel=acme", PYTHONPATH=str(tmp_path / "packages"))
    assert code == 0, said
    assert "nki kernel   acme [--nki-kernel]" in said


def test_check_kernel_needs_no_pytest(installed, folder):
    script = (
        "import sys; from pytest_nki_pool import check_kernel\n"
        "right, wrong = (check_kernel(f'my kernels/{name} pool.py:avgpool', backends=['baremetal'], tier='smoke')"
        " for name in ('right', 'wrong'))\n"
        "print(right.ok, wrong.ok, wrong.exit_code, 'pytest' in sys.modules)"
    )
    done = subprocess.run([installed, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False", "1", "False"], done.stderr
