"""What the kernels refuse, and that they are what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_nki_pool import emulator, kernels


@pytest.mark.parametrize(
    ("shape", "k", "text"),
    [
        pytest.param((2, 6, 6), 0, "pool_size must be at least 1, got 0", id="zero"),
        pytest.param((2, 6, 6), -2, "pool_size must be at least 1, got -2", id="negative"),
        pytest.param((2, 6, 6), 7, "pool_size 7 exceeds the 6 x 6 image", id="larger than both"),
        pytest.param((2, 3, 9), 4, "pool_size 4 exceeds the 3 x 9 image", id="larger than the height"),
        pytest.param((2, 9, 3), 4, "pool_size 4 exceeds the 9 x 3 image", id="larger than the width"),
        pytest.param((1, 2, 6, 6), 2, "the input must be C x H x W, got 4 dimensions", id="rank 4"),
    ],
)
def test_a_kernel_refuses(pool, shape, k, text):
    with pytest.raises(AssertionError, match=text):
        pool(np.zeros(shape, np.float32), k)


def test_a_kernel_takes_the_largest_pool(pool):
    assert pool(np.ones((2, 3, 9), np.float32), 3).shape == (2, 1, 3)


def test_an_output_of_the_wrong_shape_is_refused(out_parameter_kernel):
    x, out = np.zeros((2, 6, 6), np.float32), np.zeros((2, 3, 4), np.float32)
    with pytest.raises(AssertionError, match=r"the output must be \(2, 3, 3\), got \(2, 3, 4\)"):
        emulator.launch(out_parameter_kernel, x, out, 2, outputs=("out_tensor",))


def test_the_specs_describe_all_files():
    files = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {spec.target.rpartition(":")[0].rpartition(".")[2] for spec in kernels.SPECS}
    assert len({spec.label for spec in kernels.SPECS}) == len(files)


def test_a_kernel_imports_nki_and_nothing_else(pool, spec):
    tree = ast.parse(pool.path.read_text())
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(node.module.partition(".")[0])
    assert roots == {{"legacy": "neuronxcc", "current": "nki"}[spec.dialect]}


def test_importing_the_kernels_package_runs_no_kernel_file():
    code = (
        "import sys, pytest_nki_pool.kernels as k; assert len(k.SPECS) == 5;"
        "print([m for m in sys.modules if m.startswith(('pytest_nki_pool.kernels.', 'nki', 'neuronxcc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
