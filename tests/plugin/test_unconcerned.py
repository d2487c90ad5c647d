"""A project that has the plugin installed and no NKI tests sees no change."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAVY = (
    "numpy",
    "ml_dtypes",
    "torch",
    "jax",
    "onnx",
    "pytest_nki_pool.emulator",
    "pytest_nki_pool.spec.data",
)

_LOADED = f"""
import json, sys

def pytest_unconfigure(config):
    with open("loaded.json", "w") as file:
        json.dump([name for name in {_HEAVY!r} if name in sys.modules], file)
"""


@pytest.mark.parametrize("args", [(), ("-q",), ("-n", "2"), ("-p", "no:xdist")], ids=" ".join)
def test_a_plain_run_loads_nothing_heavy_and_prints_nothing(
    args: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_plain="def test_plain():\n    pass\n", loaded=_LOADED)

    result = run("-p", "loaded", *args)

    assert result.ret == 0
    result.assert_outcomes(passed=1)
    assert "nki" not in result.stdout.str().replace("plugins: nki-pool", "")
    assert json.loads((pytester.path / "loaded.json").read_text()) == []


def test_a_failing_run_without_nki_tests_keeps_its_exit_code(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_wrong():\n    assert False\n")
    assert run().ret == pytest.ExitCode.TESTS_FAILED
    assert run("-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_skipped_run_without_nki_tests_stays_green(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("import pytest\n\n\n@pytest.mark.skip\ndef test_skipped():\n    pass\n")
    assert run().ret == pytest.ExitCode.OK


def test_an_ini_key_alone_never_fails_other_tests(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nnki_target = device\nnki_backend = torch\n")
    pytester.makepyfile("def test_plain():\n    pass\n")
    assert run().ret == pytest.ExitCode.OK


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    """What the import costs in time is measured in benchmarks/import_time.py."""
    script = f"import pytest_nki_pool.plugin, sys; print([name for name in {_HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
