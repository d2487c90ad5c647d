"""`--nki-resume` after a run that ended as no run should: the same verdicts as an undisturbed one."""

from __future__ import annotations

import os
import signal

import pytest

from pytest_nki_pool.report.read import read

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals and resource limits")

#: Plugins that end a run, each named by what happens.
ENDS = {
    "pytest_is_killed": """
        import os, signal

        class Killer:
            def pytest_runtest_logreport(self, report):
                if report.when == "teardown" and "c3h5w7k2" in report.nodeid:
                    os.kill(os.getpid(), signal.SIGKILL)

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Killer())
        """,
    "the_disk_fills": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000))",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_ended_early_is_finished_with_the_same_verdicts(run, suite, right_kernel, pytester, end, workers):
    pytester.makepyfile(**{end: ENDS[end]})
    pytester.syspathinsert()
    common = (*suite, f"--nki-kernel={right_kernel}", "--nki-backend=baremetal", "--nki-tier=smoke", *workers)
    checks = ("--nki-check=contract", "--nki-check=values")
    whole = run(*common, *checks, "--nki-report=whole.jsonl")
    ended = run(*common, *checks, "--nki-report=r.jsonl", "-p", end)
    part = read(pytester.path / "r.jsonl")

    assert (whole.ret, ended.ret) == (0, -signal.SIGKILL if end == "pytest_is_killed" else pytest.ExitCode.INTERRUPTED)
    expected = read(pytester.path / "whole.jsonl").statuses
    assert 0 < len(part.records) < len(expected)
    assert part.damage

    resumed = run(*common, *checks, "--nki-report=r.jsonl", "--nki-resume=r.jsonl")

    assert resumed.ret == 0
    assert resumed.parseoutcomes()["passed"] <= len(expected) - len(part.records)
    assert read(pytester.path / "r.jsonl").whole().statuses == expected
