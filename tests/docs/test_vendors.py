"""What docs/vendors.md shows is run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nki_pool.options import CLAIMS, DTYPES
from pytest_nki_pool.spec import dtypes

TEXT = (Path(__file__).parents[2] / "docs" / "vendors.md").read_text()
BLOCKS = dict(re.findall(r"^```python (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
SUITE = ("-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "--pyargs", "pytest_nki_pool.conformance", ".")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file of the page."""
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.needs("torch", "jax")
def test_the_kernels_conform_on_every_path(folder: Path) -> None:
    done = run(folder, *SUITE, "--nki-tier=smoke", "-v")
    assert done.returncode == 0, done.stdout
    kernels = ("avg_pool2d", "channels_last", "grid", "cores")
    for check in ("values", "exactness", "refuses_rank", "honesty", "agreement"):
        for kernel in kernels:
            for backend in ("baremetal+torch+jax",) if check == "agreement" else ("baremetal", "torch", "jax"):
                assert re.search(rf"\[{check}/{kernel}/{re.escape(backend)}/\S+ PASSED", done.stdout), (check, kernel)
    batched = set(re.findall(r"\[batches/(\w+)/", done.stdout))
    assert batched == {"avg_pool2d", "channels_last"}


#: Kernel -> a mistake in it, and words of the check that must see it.
MISTAKES = {
    "strided.py": ("tile = nl.load(src[image])", "tile = nl.load(src[0])", "check batches"),
    "channels_last.py": ("nl.store(out[image, to_row", "nl.store(out[0, to_row", "check batches"),
    "grid.py": ("k * row + down, k * column", "k * row + across, k * column", "first bad element"),
    "cores.py": ("1.0 / (k * k)", "1.0 / k", "first bad element"),
}


@pytest.mark.parametrize("file", MISTAKES)
def test_a_mistake_in_one_of_them_is_found(file: str, folder: Path) -> None:
    right, wrong, says = MISTAKES[file]
    path = folder / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    flags = ("--nki-tier=smoke", "--nki-backend=baremetal", "--nki-check=values,exactness,batches")
    function = re.findall(r"^def (\w+)", BLOCKS[file], re.MULTILINE)[0]
    done = run(folder, *SUITE, *flags, f"--nki-kernel={file}:{function}")
    assert done.returncode == 1
    assert says in done.stdout


def test_check_kernel(folder: Path) -> None:
    done = run(folder, "check.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("average-pool conformance on emulator trn2 (gen3): ")


def test_every_claim_is_in_the_table() -> None:
    assert re.findall(r"^\| `(--nki-[\w-]+)` \|", TEXT, re.MULTILINE) == [option.flag for option in CLAIMS]
    assert tuple(dtypes.DTYPES) == DTYPES
    assert all(f"`{name}`" in TEXT for name in DTYPES)
