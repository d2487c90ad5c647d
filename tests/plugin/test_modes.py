"""The suite runs the same way under every way of running pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = {
    "plain": (),
    "quiet": ("-q",),
    "xdist": ("-n", "2"),
    "xdist with no worker": ("-n", "0"),
    "without xdist": ("-p", "no:xdist"),
    "importlib": ("--import-mode=importlib",),
    "without cache": ("-p", "no:cacheprovider"),
    "strict": ("--strict-markers", "--strict-config", "-W", "error"),
}


_BRIEF = ("--nki-check=values", "--nki-tier=smoke", "--nki-backend=baremetal")


@pytest.mark.parametrize("mode", MODES)
def test_mode(mode: str, right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult]) -> None:
    backends = "baremetal,jax" if mode == "xdist" else "all" if mode == "plain" else "baremetal"
    result = run(
        *suite,
        f"--nki-kernel={right_kernel}",
        f"--nki-backend={backends}",
        "--nki-tier=smoke",
        "--nki-check=values,agreement",
        *MODES[mode],
    )

    assert result.ret == 0
    assert "average-pool conformance on emulator trn2 (gen3)" in result.stdout.str()
    if mode == "quiet":
        result.stdout.fnmatch_lines(["average-pool conformance on emulator trn2 (gen3): * PASS*"])
        result.stdout.no_fnmatch_line("nki backend*")
    else:
        shown = [line.split()[1] for line in result.outlines if line.startswith("avgpool ")]
        assert (
            shown
            == {
                "all": ["baremetal", "baremetal+torch+jax", "jax", "torch"],
                "baremetal,jax": ["baremetal", "baremetal+jax", "jax"],
                "baremetal": ["baremetal"],
            }[backends]
        )
        result.stdout.fnmatch_lines(["kernel *PASS *worst ulp *of bound"])


def test_without_plugin_autoload(
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = run("-p", "nki_pool", *suite, f"--nki-kernel={right_kernel}", *_BRIEF)
    assert result.ret == 0
    assert "average-pool conformance on emulator" in result.stdout.str()


def test_very_quiet_prints_nothing_of_ours(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult]
) -> None:
    result = run(*suite, f"--nki-kernel={right_kernel}", *_BRIEF, "-qq")
    assert result.ret == 0
    assert "conformance on" not in result.stdout.str()


def test_a_worker_that_dies_leaves_a_crash_and_not_a_green_run(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    file.write_text(
        file.read_text().replace(
            "c, h, w = in_tensor.shape", "c, h, w = in_tensor.shape; import os; c == 3 and os.kill(os.getpid(), 9)"
        )
    )
    result = run(
        *suite,
        "-n",
        "2",
        "--max-worker-restart=0",
        f"--nki-kernel={right_kernel}",
        "--nki-backend=baremetal",
        "--nki-tier=smoke",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "CRASH" in result.stdout.str()


def test_a_case_that_is_skipped_from_outside_is_not_run_and_not_green(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        skipper="""
        import pytest

        def pytest_runtest_setup(item):
            if "normal" in item.name:
                pytest.skip("from outside")
        """
    )
    result = run(
        "-p",
        "skipper",
        *suite,
        f"--nki-kernel={right_kernel}",
        "--nki-backend=baremetal",
        "--nki-check=values",
        "--nki-tier=smoke",
    )
    assert result.ret == 75
    assert "only NOT_RUN stand between this run and green" in result.stdout.str()


def test_collect_only_stays_green(suite: tuple[str, ...], run: Callable[..., pytest.RunResult]) -> None:
    assert run(*suite, "--collect-only", "-q", "--nki-tier=smoke").ret == 0


def test_everything_deselected_is_not_green(suite: tuple[str, ...], run: Callable[..., pytest.RunResult]) -> None:
    assert run(*suite, "-k", "nothing-is-called-this").ret == pytest.ExitCode.NO_TESTS_COLLECTED
