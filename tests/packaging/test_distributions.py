from __future__ import annotations

import subprocess
import tarfile
import zipfile

#: Folder in the repository -> folder in a wheel.
FOLDERS = {
    "pytest_nki_pool": "pytest_nki_pool",
    "conformance": "pytest_nki_pool/conformance",
    "kernels": "pytest_nki_pool/kernels",
}


#: Files of the package that are no modules.
DATA = {
    "pytest_nki_pool/py.typed",
    "pytest_nki_pool/report/schema.json",
    *(f"pytest_nki_pool/report/page/page.{suffix}" for suffix in ("css", "html", "js")),
}


def python_files(root):
    return {path.relative_to(root).as_posix() for folder in FOLDERS for path in (root / folder).rglob("*.py")}


def test_the_wheel_holds_every_module_and_nothing_else(build, source):
    names = set(zipfile.ZipFile(build("wheel")).namelist())

    modules = {FOLDERS[file.split("/")[0]] + file[file.index("/") :] for file in python_files(source)}
    assert {name for name in names if ".dist-info/" not in name} == modules | DATA
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_the_wheel_is_built_from(build, source):
    with tarfile.open(build("sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert python_files(source) | DATA | {"pyproject.toml", "README.md", "LICENSE"} <= names


RUN = """
import types
from importlib.util import find_spec

import pytest

from pytest_nki_pool.launch.load import load

KERNEL = "pytest_nki_pool.kernels.tutorial_returning"


class NKI(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return NKI(name)

    def __call__(self, function):
        return function


def kernel(x):
    assert x > 0, "only positive"
    return x


def plain(loaded):
    module = compile(loaded.path.read_bytes(), str(loaded.path), "exec", dont_inherit=True)
    codes = [code for code in module.co_consts if isinstance(code, types.CodeType)]
    return next(code for code in codes if code.co_name == loaded.function.__name__)


@pytest.mark.parametrize("target", [f"{__file__}:kernel", f"{KERNEL}:tensor_avgpool_kernel"])
def test_code_is_that_of_plain_compilation(target):
    loaded = load(target, resolve=lambda name: NKI(name) if name.startswith(("nki", "neuronxcc")) else None)
    assert b"    assert " in loaded.path.read_bytes()
    assert loaded.function.__code__ == plain(loaded)


def test_pytest_rewrites_this_file():
    assert kernel.__code__ != plain(load(f"{__file__}:kernel"))


def test_where():
    spec = find_spec(KERNEL)
    print("kernels at", spec.origin, "through", type(spec.loader).__name__)
"""


def test_a_kernel_with_assert_loaded_from_a_wheel_is_not_rewritten(installed, tmp_path):
    output = run_pytest(installed, tmp_path)

    assert "4 passed" in output
    assert f"kernels at {installed.parents[1]}" in output
    assert "through AssertionRewritingHook" in output  # so it would be, had it been imported


def test_a_kernel_with_assert_loaded_from_an_editable_install_is_not_rewritten(editable, source, tmp_path):
    output = run_pytest(editable, tmp_path)

    assert "4 passed" in output
    assert f"kernels at {source / 'kernels'}" in output


def run_pytest(python, folder):
    (folder / "test_kernel.py").write_text(RUN)
    command = [python, "-m", "pytest", "-s", "-p", "no:cacheprovider", "test_kernel.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
