"""Kernels that installed packages bring: when they are under test, and what becomes of those that cannot be loaded."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

_SPECS = """
from pytest_nki_pool import Capabilities, KernelSpec

ONE = KernelSpec("acme.pool:avgpool", name="one", capabilities=Capabilities(dtypes=("fp32",)))
SEVERAL = [ONE, KernelSpec("acme.pool:avgpool", name="two", capabilities=Capabilities(dtypes=("bf16",)))]


def made():
    return SEVERAL
"""
CASE = ("--nki-check=values", "--nki-backend=baremetal", "--nki-tier=smoke")


@pytest.fixture
def install(pytester: pytest.Pytester, right_kernel: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs the distribution acme-kernels with these entry points; its package has a right kernel."""
    del right_kernel
    package = pytester.path / "acme"
    package.mkdir()
    (pytester.path / "pool.py").rename(package / "pool.py")
    (package / "__init__.py").touch()
    (package / "specs.py").write_text(_SPECS)
    (package / "broken.py").write_text("import a_module_that_is_nowhere\n")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))

    def installer(points: str) -> None:
        info = pytester.path / "acme_kernels-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kernels\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[nki_pool.kernels]\n{points}\n")

    return installer


def kernels(result: pytest.RunResult) -> dict[str, set[str]]:
    """Kernel -> the dtypes of its cases."""
    found: dict[str, set[str]] = {}
    for line in result.outlines:
        match = re.search(r"\[values/([^/]+)/.*/\w+:(\w+):", line)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    return found


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("a = acme.specs:ONE", {"one": {"fp32"}}),
        ("a = acme.specs:SEVERAL", {"one": {"fp32"}, "two": {"bf16"}}),
        ("a = acme.specs:made", {"one": {"fp32"}, "two": {"bf16"}}),
        ("b = acme.specs:ONE\na = acme.specs:SEVERAL", {"one": {"fp32"}, "two": {"bf16"}}),
    ],
    ids=["a spec", "a list", "a function", "two that overlap"],
)
def test_they_are_under_test_when_nothing_else_is_named(
    points: str, expected: dict[str, set[str]], install: Callable[[str], None], suite: tuple[str, ...], run: Run
) -> None:
    install(points)
    result = run(*suite, *CASE, "-v")
    assert result.ret == 0
    assert kernels(result) == expected
    result.stdout.fnmatch_lines(["nki kernel * [[]entry point a of acme-kernels 1.2*"])


def test_what_the_command_line_or_a_hook_names_comes_first(
    install: Callable[[str], None], suite: tuple[str, ...], run: Run, pytester: pytest.Pytester
) -> None:
    install("a = acme.specs:ONE\nb = acme.specs:made")
    text = (pytester.path / "acme" / "pool.py").read_text()
    (pytester.path / "mine.py").write_text(text)
    listed = ("--collect-only", "-q")

    assert kernels(run(*suite, *CASE, *listed, "--nki-kernel=mine.py:avgpool")).keys() == {"avgpool"}
    assert kernels(run(*suite, *CASE, *listed, "--nki-kernel=a")) == {"one": {"fp32"}}
    by_target = kernels(run(*suite, *CASE, *listed, "--nki-kernel=acme.pool:avgpool"))
    assert by_target == {"one": {"fp32"}, "two": {"bf16"}}
    claimed = kernels(run(*suite, *CASE, *listed, "--nki-kernel=a", "--nki-dtype=fp16"))
    assert claimed == {"one": {"fp16"}}
    pytester.makeconftest(
        "from pytest_nki_pool import KernelSpec\n\n\n"
        "def pytest_nki_pool_kernels(config):\n    return [KernelSpec('mine.py:avgpool', name='hooked')]\n"
    )
    assert kernels(run(*suite, ".", "--rootdir=.", *CASE, *listed)).keys() == {"hooked"}


def test_the_rerun_line_keeps_what_the_entry_point_says(
    install: Callable[[str], None], suite: tuple[str, ...], run: Run, pytester: pytest.Pytester
) -> None:
    install("a = acme.specs:ONE")
    file = pytester.path / "acme" / "pool.py"
    file.write_text(file.read_text().replace("(pool_size * pool_size)", "pool_size"))
    first = run(*suite, *CASE, "--maxfail=1")
    rerun = first.stdout.str().partition("  rerun ")[2].splitlines()[0].strip()
    assert "FAIL: one, " in run(*shlex.split(rerun)[1:]).stdout.str()


FAULTS = {
    "raises": ("a = acme.broken:SPECS", "entry point a of acme-kernels 1.2: acme.broken:SPECS raised ModuleNotFoundE"),
    "no such name": ("a = acme.specs:NONE", "entry point a of acme-kernels 1.2: acme.specs:NONE raised AttributeE"),
    "no spec": ("a = acme.specs:_SPECS\n", "raised AttributeError"),
    "a class": ("a = acme.specs:Capabilities", "acme.specs:Capabilities gives Capabilities("),
    "a kernel": ("a = acme.pool:avgpool", "entry point a of acme-kernels 1.2: acme.pool:avgpool raised ModuleNotFound"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_that_cannot_be_loaded_ends_the_run_it_decides(
    name: str, install: Callable[[str], None], suite: tuple[str, ...], run: Run
) -> None:
    points, says = FAULTS[name]
    install(points)
    for args in ((), ("--nki-kernel=a",)):
        result = run(*suite, *CASE, *args)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert says in result.stderr.str()
        assert "Traceback" not in result.stderr.str()


def test_one_that_cannot_be_loaded_is_named_in_the_run_of_another_kernel(
    install: Callable[[str], None], suite: tuple[str, ...], run: Run
) -> None:
    install("a = acme.broken:SPECS")
    result = run(*suite, *CASE, "--nki-kernel=acme.pool:avgpool")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["nki not run: entry point a of acme-kernels 1.2: *ModuleNotFoundError*"])


def test_a_run_without_nki_tests_loads_none(
    install: Callable[[str], None], run: Run, pytester: pytest.Pytester
) -> None:
    install("a = acme.broken:SPECS")
    pytester.makepyfile("import sys\n\n\ndef test_plain():\n    assert 'acme' not in sys.modules\n")
    assert run().ret == 0


def test_workers_see_the_same_kernels(install: Callable[[str], None], suite: tuple[str, ...], run: Run) -> None:
    install("a = acme.specs:SEVERAL")
    result = run(*suite, "--nki-case=c2h6w6k2:fp32:ints:s0", "--nki-backend=baremetal", "-n", "2")
    assert result.ret == 0
    assert {line.split()[0] for line in result.outlines if " baremetal  gen3 " in line} == {"one", "two"}
