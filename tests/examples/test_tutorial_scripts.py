"""The three scripts of the tutorial, each as the command that a reader would type."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["numpy", "torch", "jax"])
def script(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return ROOT / "examples" / f"average_pool2d_{request.param}.py"


def run(script, cwd):
    command = [sys.executable, "-m", "pytest_nki_pool.emulator", str(script)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=cwd)


def sections(output):
    """The numbers below each heading of a script's output, and its last line."""
    parts, heading = {}, None
    *lines, last = output.splitlines()
    for line in lines:
        if line in {"input", "NKI result", "reference"}:
            heading = parts.setdefault(line, [])
        else:
            text = line.partition("dtype=")[0]
            heading.extend(float(word) for word in text.replace("tensor(", "").translate(_NO_BRACKETS).split())
    return parts, last


_NO_BRACKETS = str.maketrans("[](),", "     ")


def test_the_kernel_agrees_with_the_reference(script):
    done = run(script.relative_to(ROOT), ROOT)
    assert done.returncode == 0, done.stderr
    parts, last = sections(done.stdout)
    pooled = [3.5 + 36 * c + 12 * y + 2 * x for c in range(2) for y in range(3) for x in range(3)]
    assert parts == {"input": list(range(72)), "NKI result": pooled, "reference": pooled}
    assert last == "match"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("/ (pool_size * pool_size)", "/ pool_size", id="divisor"),
        pytest.param("pool_size * row + down", "pool_size * row", id="window"),
    ],
)
def test_a_wrong_kernel_is_told(script, right, wrong, tmp_path):
    kernel = (ROOT / "kernels" / "tutorial_out_parameter.py").read_text(encoding="utf-8")
    assert kernel.count(right) == 1
    (tmp_path / "broken.py").write_text(kernel.replace(right, wrong), encoding="utf-8")
    text = script.read_text(encoding="utf-8")
    module = "pytest_nki_pool.kernels.tutorial_out_parameter"
    assert text.count(module) == 1
    copy = tmp_path / script.name
    copy.write_text(text.replace(module, "broken"), encoding="utf-8")
    done = run(copy, tmp_path)
    assert done.returncode == 1, done.stderr
    parts, last = sections(done.stdout)
    assert last == "differ"
    assert parts["NKI result"] != parts["reference"]


def test_a_kernel_that_writes_nothing_is_told(script, tmp_path):
    shutil.copy(script, tmp_path)
    (tmp_path / "idle.py").write_text("def tensor_avgpool_kernel_(in_tensor, out_tensor, pool_size):\n    pass\n")
    copy = tmp_path / script.name
    copy.write_text(copy.read_text().replace("pytest_nki_pool.kernels.tutorial_out_parameter", "idle"))
    done = run(copy, tmp_path)
    assert done.returncode == 1
    assert "err_tensor_output_not_written_to" in done.stderr
