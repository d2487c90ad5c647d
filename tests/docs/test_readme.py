"""Every command in the README is run, and its outputs are real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
KERNEL = re.search(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
INSTALLING = [command for command in COMMANDS if "-m venv" in command]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the README's kernel and nothing else."""
    assert KERNEL
    (tmp_path / "pool.py").write_text(KERNEL[1])
    return tmp_path


def _run(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for name in [name for name in environment if name.startswith(("NKI_POOL_", "PYTEST_"))]:
        del environment[name]
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in INSTALLING])
def test_command(command: str, folder: Path) -> None:
    needs = {"torch": "torch", "jax": "jax", "-n 2": "xdist"}
    absent = [module for word, module in needs.items() if word in command and find_spec(module) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed")
    expected = re.search(r"# exits (\d)", command)

    result = _run(command, folder if "pool.py" in command else ROOT)

    assert result.returncode == int(expected[1] if expected else 0), result.stdout + result.stderr


def test_the_installing_commands_are_what_ci_runs() -> None:
    assert len(INSTALLING) == 2
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_failure_is_real_output(folder: Path) -> None:
    kernel = folder / "pool.py"
    kernel.write_text(kernel.read_text().replace("1.0 / (pool_size * pool_size)", "1.0 / pool_size"))
    shown = re.search(r"^```text\n(FAIL: .*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown

    suite = "pytest --pyargs pytest_nki_pool.conformance --nki-kernel=pool.py:avgpool"
    result = _run(f"{suite} --nki-check=values --maxfail=1", folder)

    assert result.returncode == 1
    assert shown[1] in result.stdout
