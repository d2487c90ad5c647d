import importlib
import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

from pytest_nki_pool.emulator import UnsupportedByEmulator
from pytest_nki_pool.emulator.scripts import emulated_imports, is_installed

STANDS_IN = "pytest_nki_pool: the NKI emulator stands in for "


@pytest.fixture
def run(tmp_path):
    """Runs a script under the emulator in a process of its own, with the folder `site` on the import path."""

    def run(script, *arguments, name="script.py"):
        (tmp_path / name).write_text(textwrap.dedent(script))
        return launch(tmp_path / name, *arguments)

    def launch(*arguments):
        command = [sys.executable, "-m", "pytest_nki_pool.emulator", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)

    run.launch = launch
    return run


@pytest.fixture
def install(tmp_path):
    """Puts a package, with metadata if a version is given, where the script's process finds it."""

    def install(package, source, distribution=None, version=None):
        folder = tmp_path / "site" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source)
        if version:
            metadata = tmp_path / "site" / f"{distribution.replace('-', '_')}-{version}.dist-info" / "METADATA"
            metadata.parent.mkdir()
            metadata.write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")

    return install


def test_a_script_runs_as_main_with_its_arguments(run, tmp_path):
    (tmp_path / "sibling.py").write_text("NAME = 'sibling'")
    done = run(
        """
        import sys, sibling
        print(__name__, sys.argv, sibling.NAME, sys.path[0])
        """,
        "--flag",
        "-h",
        "value",
    )
    expected = f"__main__ {[str(tmp_path / 'script.py'), '--flag', '-h', 'value']} sibling {tmp_path}\n"
    assert (done.stdout, done.returncode) == (expected, 0)
    assert done.stderr == f"{STANDS_IN}neuronxcc, nki, torch_neuronx, jax_neuronx, torch_xla\n"


@pytest.mark.parametrize(
    "statement",
    [
        "import neuronxcc.nki.language as m",
        "from neuronxcc import nki as m",
        "from neuronxcc.nki import language as m",
        "from neuronxcc.nki.typing import tensor as m",
        "import nki.language as m",
        "from nki import jit as m",
        "import nki.isa as m",
        "import neuronxcc.nki as m",
        "from torch_neuronx import nki_jit as m",
        "from jax_neuronx import nki_call as m",
        "import torch_xla.core.xla_model as m",
        "from torch_xla import device as m",
        "import importlib.util; m = importlib.util.find_spec('torch_xla')",
        "import torch_xla, importlib.util; m = importlib.util.find_spec('torch_xla')",
    ],
)
def test_every_way_to_import_works(statement):
    scope = {}
    with emulated_imports(integrations=True) as names:
        assert names == ("neuronxcc", "nki", "torch_neuronx", "jax_neuronx", "torch_xla")
        exec(statement, scope)  # noqa: S102
    assert scope["m"]


def test_the_modules_are_the_emulators_own_and_keep_their_identity():
    from pytest_nki_pool.emulator.legacy import language

    with emulated_imports():
        import neuronxcc.nki.language as nl

        assert nl is language
    assert language.__spec__.name == language.__name__ == "pytest_nki_pool.emulator.legacy.language"


@pytest.mark.parametrize("name", ["neuronxcc", "nki", "torch_neuronx", "jax_neuronx", "torch_xla"])
def test_nothing_of_it_is_left_afterwards(name):
    before = sys.meta_path[:]
    with emulated_imports(integrations=True):
        importlib.import_module(name)
    assert sys.meta_path == before
    assert name not in sys.modules
    assert importlib.util.find_spec(name) is None


def test_the_integrations_are_emulated_only_on_request():
    with emulated_imports() as names, pytest.raises(ModuleNotFoundError):
        import torch_neuronx  # noqa: F401
    assert names == ("neuronxcc", "nki")


def test_a_part_of_nki_that_is_not_emulated_says_so():
    with emulated_imports(), pytest.raises(UnsupportedByEmulator, match=r"neuronxcc\.nki\.kernels"):
        import neuronxcc.nki.kernels  # noqa: F401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("raise SystemExit(7)", 7, id="SystemExit"),
        pytest.param("import sys; sys.exit()", 0, id="sys.exit"),
        pytest.param("assert False, 'loud'", 1, id="exception"),
    ],
)
def test_the_exit_code_is_the_scripts_own(run, body, code):
    assert run(body).returncode == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["absent.py"], "no such script: absent.py", id="missing"),
        pytest.param(["."], "no such script: .", id="folder"),
        pytest.param([], "the following arguments are required: script", id="nothing"),
    ],
)
def test_a_usage_error_exits_with_2_and_no_traceback(run, arguments, message):
    done = run.launch(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert STANDS_IN not in done.stderr


WRONG_PACKAGE = "raise ImportError('WRONG PACKAGE')"


@pytest.mark.parametrize(
    ("package", "distribution", "version"),
    [
        pytest.param("nki", "nki", "0.0.1", id="nki"),
        pytest.param("torch_neuronx", "torch-neuronx", "1.0", id="torch_neuronx"),
        pytest.param("neuronxcc", None, None, id="folder without metadata"),
    ],
)
def test_a_placeholder_package_counts_as_absent(run, install, package, distribution, version):
    install(package, WRONG_PACKAGE, distribution, version)
    done = run(f"import {package}; print({package}.__name__)")
    assert done.returncode == 0, done.stderr
    assert package in done.stderr.removeprefix(STANDS_IN).strip().split(", ")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        pytest.param("REAL = True", "True\n", id="whole"),
        pytest.param("raise ImportError('libnrt.so')", "", id="broken"),
    ],
)
def test_an_installed_sdk_is_never_shadowed(run, install, source, output):
    install("nki", source, "nki", "0.6.0")
    done = run("import nki; print(nki.REAL)")
    assert done.stdout == output
    assert "nki" not in done.stderr.splitlines()[0].removeprefix(STANDS_IN).split(", ")
    assert ("libnrt.so" in done.stderr) == (not output)


def test_with_a_whole_sdk_nothing_is_emulated(run, install):
    for package in ("neuronxcc", "nki", "torch_neuronx", "jax_neuronx", "torch_xla"):
        install(package, "REAL = True")
    done = run("import neuronxcc, nki, torch_neuronx, jax_neuronx, torch_xla; print(torch_xla.REAL)")
    assert done.stdout == "True\n"
    assert done.stderr == "pytest_nki_pool: the Neuron SDK is installed, nothing is emulated\n"


def test_the_machine_of_the_tests_has_no_sdk():
    assert not any(map(is_installed, ("neuronxcc", "nki", "torch_neuronx", "jax_neuronx", "torch_xla")))
