"""Kernels that return, raise or are something unusual get a verdict in words, never a traceback of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = ("--nki-case=c2h6w6k2:fp32:normal:s0", "--nki-check=values", "--nki-backend=baremetal,jax")

#: What stands in place of the kernel's `return out`, and what the verdict says.
ENDINGS = {
    "a tuple": ("return (out,)", "avgpool_trn2 returned tuple where an array is declared"),
    "a list": ("return [out]", "avgpool_trn2 returned tuple where an array is declared"),
    "nothing": ("return None", "the kernel returned nothing and wrote to none of its parameters"),
    "a NumPy array": ("import numpy; return numpy.ones((c, rows, columns), 'f4')", "got ndarray"),
    "a number": ("return 1.0", "got float"),
    "a generator": ("yield out", "got generator"),
    "sys.exit": ("import sys; sys.exit(0)", "the kernel is broken: KernelExitError: SystemExit: 0 (at k"),
    "pytest.skip": ("import pytest; pytest.skip('no')", "the kernel is broken: KernelExitError: Skipped: no (at k"),
    "pytest.xfail": ("import pytest; pytest.xfail('no')", "KernelExitError: XFailed: no (at k"),
    "os._exit": ("import os; os._exit(0)", "the kernel is broken: KernelExitError: os._exit(0) (at k"),
    "a base exception": ("raise BaseException('odd')", "KernelExitError: BaseException: odd (at k"),
    "endless recursion": ("return avgpool(in_tensor, pool_size)", "the kernel is broken: RecursionError"),
}


def test_endings(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """All in one run: whatever a kernel does, those after it have their turn."""
    text = (pytester.path / "pool.py").read_text()
    kernels = {}
    for number, (name, (ending, _)) in enumerate(ENDINGS.items()):
        (pytester.path / f"k{number}.py").write_text(text.replace("return out", ending), encoding="utf-8")
        kernels[name] = f"--nki-kernel=k{number}.py:avgpool"

    result = run(*suite, *_FLAGS, *kernels.values(), f"--nki-kernel={right_kernel}")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["failed"] == 2 * len(ENDINGS)
    assert result.parseoutcomes()["passed"] == 2
    said = result.stdout.str()
    for number, (name, (_, says)) in enumerate(ENDINGS.items()):
        for backend in ("baremetal", "jax"):
            start = said.index(f"FAIL: k{number}.avgpool, {backend} on emulator trn2, check values")
            assert says in said[start : said.index("  rerun ", start)], name
    assert "Traceback" not in said
    assert "NOT_RUN" not in said


#: What follows a right kernel named `_pool` in its file, and the name to launch.
FORMS = {
    "lambda": ("avgpool = lambda x, k: _pool(x, k)", "avgpool"),
    "partial": ("import functools\navgpool = functools.partial(lambda scale, x, k: _pool(x, k), 1)", "avgpool"),
    "wrapped": (
        "import functools\n\n\n@functools.wraps(_pool)\ndef avgpool(*args):\n    return _pool(*args)",
        "avgpool",
    ),
    "not ASCII": ("größe = _pool", "größe"),
    "not ASCII either": ("grüße = _pool", "grüße"),
    "script": ("avgpool = _pool\nif __name__ == '__main__':\n    raise SystemExit(3)", "avgpool"),
    "prints": ("def avgpool(x, k):\n    print('hello')\n    return _pool(x, k)", "avgpool"),
}


def test_forms(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """Whatever form a right kernel has, and whatever its name, each has a verdict of its own."""
    text = (pytester.path / "pool.py").read_text().replace("def avgpool", "def _pool")
    targets = []
    for number, (ending, name) in enumerate(FORMS.values()):
        (pytester.path / f"k{number}.py").write_text(f"{text}\n\n{ending}\n", encoding="utf-8")
        targets.append(f"--nki-kernel=k{number}.py:{name}")

    result = run(*suite, *_FLAGS, *targets, "-n", "2")

    assert result.ret == 0, result.stdout.str()
    result.assert_outcomes(passed=2 * len(FORMS))
    assert "NOT_RUN" not in result.stdout.str()


def test_a_kernel_that_kills_the_process_never_leaves_a_green_run_of_workers(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    file.write_text(file.read_text().replace("return out", "import os; os.kill(os.getpid(), 9)"))
    result = run(*suite, *_FLAGS, f"--nki-kernel={right_kernel}", "-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "CRASH" in result.stdout.str()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("a b", "a_b"), {"pool.a_b", "other.a_b"}),
        (("same", "same", "same"), {"pool.same.1", "other.same", "pool.same.2"}),
        (("x/y[z]", "größe"), {"x_y_z_", "gr__e"}),
    ],
    ids=["equal once plain", "equal", "not plain"],
)
def test_names_that_a_test_id_cannot_hold(
    names: tuple[str, ...],
    labels: set[str],
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    """Each kernel has a label of its own, and every collected case gets its verdict under it."""
    (pytester.path / "other.py").write_text((pytester.path / "pool.py").read_text())
    targets = (right_kernel, "other.py:avgpool", right_kernel)
    pytester.makeconftest(
        f"""
        from pytest_nki_pool import Capabilities, KernelSpec

        def pytest_nki_pool_kernels(config):
            return [
                KernelSpec(target, name=name, capabilities=Capabilities(max_channels=number))
                for number, (target, name) in enumerate(zip({targets!r}, {names!r}), start=100)
            ]
        """
    )
    result = run(*suite, *_FLAGS)
    assert result.ret == 0, result.stdout.str()
    assert {line.split()[0] for line in result.outlines if " baremetal " in line} == labels
    assert "NOT_RUN" not in result.stdout.str()
