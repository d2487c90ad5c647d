"""The fixtures in a project of its own: parametrised classes, several kernels, every way of running pytest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_POOLS = """
import numpy as np
import pytest

pytestmark = pytest.mark.nki(backends=["baremetal", "jax"])


@pytest.mark.parametrize("size", [4, 6])
class TestPool:
    @pytest.mark.parametrize("k", [1, 2])
    def test_ramp(self, size, k, nki_launch, nki_golden, assert_nki_close):
        x = np.arange(2 * size * size, dtype=np.float32).reshape(2, size, size)
        got = nki_launch(x, k)
        assert_nki_close(got, x, k)
        assert np.array_equal(got, nki_golden(x, k).astype(np.float32))

    def test_where(self, size, nki_backend, nki_kernel):
        assert nki_kernel.label in ("pool.avgpool", "other.avgpool")
        assert nki_backend in ("baremetal", "jax")
"""

_ADD = """
import numpy as np
import pytest

from pytest_nki_pool import KernelSpec

ADD = KernelSpec("add.py:add", out=lambda a, b, factor: (a.shape, a.dtype))
BOTH = KernelSpec("add.py:both", out=lambda a: [(a.shape, a.dtype), ((a.shape[0], 1), a.dtype)])


@pytest.mark.nki(kernel=ADD)
def test_add(nki_launch):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(nki_launch(a, a + 1, 3), a + 3 * (a + 1))


@pytest.mark.nki(kernel=BOTH)
def test_several_outputs(nki_launch):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    twice, total = nki_launch(a)
    np.testing.assert_array_equal(twice, 2 * a)
    np.testing.assert_array_equal(total, a.sum(axis=1, keepdims=True))
"""

_ADD_KERNELS = """
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def add(a, b, factor):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nl.store(out, value=nl.add(nl.load(a), nl.multiply(nl.load(b), factor)))
    return out


@nki.jit
def both(a):
    tile = nl.load(a)
    twice = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    total = nl.ndarray((a.shape[0], 1), dtype=a.dtype, buffer=nl.shared_hbm)
    nl.store(twice, value=nl.add(tile, tile))
    nl.store(total, value=nl.sum(tile, axis=[1], keepdims=True))
    return twice, total
"""


@pytest.fixture
def two_kernels(pytester: pytest.Pytester, right_kernel: str) -> tuple[str, ...]:
    """Flags that name two kernels of one name."""
    (pytester.path / "other.py").write_text((pytester.path / "pool.py").read_text())
    return (f"--nki-kernel={right_kernel}", "--nki-kernel=other.py:avgpool")


@pytest.mark.needs("jax")
@pytest.mark.parametrize(
    "args",
    [(), ("-n", "2"), ("-p", "no:terminal")],
    ids=lambda args: " ".join(args) or "plain",
)
def test_parametrised_classes_over_two_kernels(
    args: tuple[str, ...],
    two_kernels: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_pools=_POOLS)
    result = run("test_pools.py", *two_kernels, *args, "--junitxml=junit.xml")
    assert result.ret == 0
    sizes, pools, kernels, backends = 2, 2, 2, 2
    report = (pytester.path / "junit.xml").read_text()
    assert f'tests="{(sizes * pools + sizes) * kernels * backends}"' in report
    assert 'failures="0"' in report
    assert 'skipped="0"' in report


@pytest.mark.needs("torch", "jax")
@pytest.mark.parametrize("backend", ["baremetal", "torch", "jax"])
def test_a_kernel_that_is_no_pool(
    backend: str, run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_add=_ADD, add=_ADD_KERNELS)
    result = run("test_add.py", f"--nki-backend={backend}")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


@pytest.mark.needs("torch", "jax")
def test_golden_and_acceptance_take_arrays_of_each_framework(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import numpy as np
        import pytest

        X = np.arange(36, dtype=np.float32).reshape(1, 6, 6)


        @pytest.mark.parametrize("framework", ["numpy", "torch", "jax.numpy"])
        def test_golden(framework, nki_golden, assert_nki_close):
            asarray = pytest.importorskip(framework).asarray
            exact = nki_golden(asarray(X), 3)
            assert exact.dtype == np.float64
            assert np.array_equal(exact, [[[7, 10], [25, 28]]])
            right = exact.astype(np.float32)
            assert_nki_close(asarray(right), asarray(X), 3)
            with pytest.raises(AssertionError, match="first bad element"):
                assert_nki_close(asarray(right + 1), asarray(X), 3)
        """
    )
    run().assert_outcomes(passed=3)


def test_an_assertion_that_fails_says_where_and_shows_none_of_our_code(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import numpy as np


        def test_wrong(nki_golden, assert_nki_close):
            x = np.arange(36, dtype=np.float32).reshape(1, 6, 6)
            got = nki_golden(x, 3).astype(np.float32)
            got[0, 1, 0] += 0.5
            assert_nki_close(got, x, 3)
        """
    )
    result = run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            ">       assert_nki_close(got, x, 3)",
            "E       AssertionError: 1 of 4 outputs are wrong",
            "E       first bad element  [[]0, 1, 0[]]",
            "E       got       25.5",
            "E       expected  2[45].* to 25.*",
            "E       window    channel 0, rows 3:6, columns 0:3",
        ]
    )
    assert "fixtures.py" not in result.stdout.str()


@pytest.mark.needs("jax")
def test_a_rootdir_elsewhere(
    two_kernels: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """Relative kernel paths start from where pytest was called, whatever the root directory is."""
    (pytester.mkdir("root") / "test_pools.py").write_text(_POOLS)
    result = run("--rootdir=root", "--import-mode=importlib", "root", *two_kernels, "-k", "where")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 8


_CASE = "c2h6w6k2:fp32:normal:s0"


@pytest.mark.parametrize("place", ["PYTEST_ADDOPTS", "addopts"])
def test_flags_from_the_environment_or_the_ini_file(
    place: str,
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = f"--nki-kernel={right_kernel} --nki-backend=baremetal --nki-case={_CASE} --nki-check=values"
    if place == "addopts":
        pytester.makeini(f"[pytest]\naddopts = {flags}\n")
    else:
        monkeypatch.setenv(place, flags)
    result = run(*suite)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 1
    assert "avgpool  baremetal  gen3           1" in result.stdout.str()


def test_last_failed_runs_what_failed_and_nothing_else(
    two_kernels: tuple[str, ...], suite: tuple[str, ...], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "other.py"
    file.write_text(file.read_text().replace("1.0 / (pool_size * pool_size)", "1.0 / pool_size"))
    args = (*suite, *two_kernels, "--nki-backend=baremetal", f"--nki-case={_CASE}", "--nki-check=values")

    first, last = pytester.runpytest_subprocess(*args), pytester.runpytest_subprocess(*args, "--lf")

    assert (first.parseoutcomes()["passed"], first.parseoutcomes()["failed"]) == (1, 1)
    assert "passed" not in last.parseoutcomes()
    assert last.parseoutcomes()["failed"] == 1
    assert (first.ret, last.ret) == (pytest.ExitCode.TESTS_FAILED,) * 2


@pytest.mark.parametrize(
    ("args", "exit_code"),
    [
        (("-k", "pool.avgpool"), 0),
        (("-k", "other.avgpool"), 1),
        (("--exitfirst",), 1),
        (("--fixtures",), 0),
        (("--setup-plan",), 75),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_part_of_a_run(
    args: tuple[str, ...],
    exit_code: int,
    two_kernels: tuple[str, ...],
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    """What was taken out of a run does not count against it; what was planned and never run does."""
    file = pytester.path / "other.py"
    file.write_text(file.read_text().replace("1.0 / (pool_size * pool_size)", "1.0 / pool_size"))
    result = run(*suite, *two_kernels, "--nki-backend=baremetal", f"--nki-case={_CASE}", "--nki-check=values", *args)
    assert result.ret == exit_code
    assert ("NOT_RUN" in result.stdout.str()) == ("--setup-plan" in args)


@pytest.mark.needs("torch", "jax")
def test_junit_of_a_run_in_workers_holds_each_failure_with_its_rerun_line(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    file.write_text(file.read_text().replace("1.0 / (pool_size * pool_size)", "1.0 / pool_size"))
    result = run(
        *suite,
        f"--nki-kernel={right_kernel}",
        f"--nki-case={_CASE}",
        "--nki-check=values",
        "-n",
        "2",
        "--junitxml=j.xml",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    report = (pytester.path / "j.xml").read_text()
    for backend in ("baremetal", "torch", "jax"):
        assert f"[values/avgpool/{backend}/emulator/trn2/{_CASE}]" in report
    assert report.count("rerun     pytest --pyargs pytest_nki_pool.conformance --nki-kernel=pool.py:avgpool") >= 3
    assert sys.prefix not in report
