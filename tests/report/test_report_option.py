"""`--nki-report`: what stands on disk after a run, and while it lasts."""

from __future__ import annotations

import os
import signal
from hashlib import sha256
from pathlib import Path

import pytest

from pytest_nki_pool.report.formats import render
from pytest_nki_pool.report.read import read
from pytest_nki_pool.verdict import Status

COMMON = (
    *("-p", "no:cacheprovider", "--pyargs", "pytest_nki_pool.conformance"),
    *("--nki-kernel=pool.py:avgpool", "--nki-backend=baremetal", "--nki-tier=smoke"),
)


def statuses(path):
    return read(path).statuses


def test_every_format_comes_from_one_run(wrong_run):
    report = read(wrong_run / "r.jsonl")

    assert not report.damage
    assert report.run.cases == len(report.records) > 0
    for suffix in (".json", ".md", ".badge.json"):
        assert (wrong_run / f"r{suffix}").read_text() == render(report, Path(f"x{suffix}"))


def test_a_record_says_what_a_person_needs(wrong_run):
    report = read(wrong_run / "r.jsonl")
    failed = next(record for record in report.records if record.verdict.finding.status is Status.FAIL)

    assert failed.rerun.endswith(f"--nki-case={failed.verdict.identity.case}")
    assert failed.verdict.finding.location.index
    assert failed.verdict.finding.max_ulp > 1
    assert failed.verdict.seconds > failed.verdict.launches.seconds > 0
    assert failed.verdict.launches.counters["dma_bytes_in"] > 0
    assert report.run.kernels["avgpool"]["dialect"] == "legacy"
    assert report.run.kernels["avgpool"]["sha256"] == sha256((wrong_run / "pool.py").read_bytes()).hexdigest()
    assert report.run.versions["numpy"]


def test_junit_has_the_facts_of_each_case(wrong_run):
    xml = (wrong_run / "j.xml").read_text()

    assert '<property name="nki_status" value="FAIL"' in xml
    assert '<property name="nki_case" value="c2h6w6k2:fp32:normal:s0"' in xml
    assert '<property name="nki_aspect" value="numerics"' in xml


def test_workers_report_what_one_process_reports(suite, pytester, wrong_run):
    suite("--nki-report=two.badge.json", "-n", "2", divisor="pool_size")

    one, two = read(wrong_run / "r.jsonl"), read(pytester.path / "two.jsonl")  # beside any other format
    assert one.statuses == two.statuses
    assert one.run.kernels == two.run.kernels
    assert {record.rerun for record in one.records} == {record.rerun for record in two.records}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("r.pdf", "*r.pdf: a report is written in the format of its suffix; choose .jsonl, *"),
        ("r", "*r: a report is written in the format of its suffix; choose .jsonl, *"),
        ("nowhere/r.jsonl", "*--nki-report: *nowhere/r.jsonl cannot be written: No such file or directory*"),
        ("nowhere/r.md", "*--nki-report: *nowhere/r.md cannot be written: No such file or directory*"),
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_what_cannot_be_written_is_refused_before_anything_runs(suite, path, message, workers):
    result = suite(f"--nki-report={path}", *workers, here=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "test_values" not in result.stdout.str()


def test_listing_tests_leaves_a_report_alone(suite, pytester):
    (pytester.path / "r.jsonl").write_text("before")

    suite("--nki-report=r.jsonl", "--collect-only", here=True)

    assert (pytester.path / "r.jsonl").read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110 - read at import
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_full_disk_before_the_first_case_is_a_usage_error(suite, pytester, workers):
    (pytester.path / "r.jsonl").symlink_to("/dev/full")

    result = suite("--nki-report=r.jsonl", *workers)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*r.jsonl cannot be written: No space left on device*"])


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_disk_that_fills_during_a_run_ends_it_with_a_reason(suite, pytester, workers):
    pytester.syspathinsert()
    pytester.makepyfile(limit="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000))")

    result = suite("--nki-report=r.jsonl", "-p", "limit", *workers, check="contract")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "r.jsonl cannot be written: File too large" in result.stdout.str() + result.stderr.str()
    assert 5 < len(read(pytester.path / "r.jsonl").records) < 25
    assert "no closing line" in read(pytester.path / "r.jsonl").damage


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_is_kept_up_to_its_last_case_and_resumed(pytester, wrong_run):
    (pytester.path / "pool.py").write_bytes((wrong_run / "pool.py").read_bytes())
    killer = """
        import os, signal

        def pytest_runtest_logreport(report):
            if report.when == "teardown" and "c3h5w7k2" in report.nodeid:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    pytester.makepyfile(killer=killer)
    pytester.syspathinsert()
    check = "--nki-check=values"
    killed = pytester.runpytest_subprocess(*COMMON, check, "--nki-report=r.jsonl", "-p", "killer")
    whole, part = read(wrong_run / "r.jsonl"), read(pytester.path / "r.jsonl")
    assert killed.ret == -signal.SIGKILL
    assert part.damage
    assert 0 < len(part.records) < len(whole.records)

    resumed = pytester.runpytest_subprocess(*COMMON, check, "--nki-report=r.jsonl", "--nki-resume=r.jsonl")

    assert resumed.ret == 1
    assert resumed.parseoutcomes()["failed"] == len(whole.records) - len(part.records)
    assert not read(pytester.path / "r.jsonl").damage
    assert statuses(pytester.path / "r.jsonl") == whole.statuses


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("owner", "name", "before"),
    [
        ("pytest_nki_pool.report.lines:LinesWriter", "write", False),
        ("pathlib:Path", "replace", True),
        ("pathlib:Path", "replace", False),
    ],
    ids=["header written", "all written", "renamed"],
)
def test_a_report_resumed_in_place_is_on_disk_at_every_instant(pytester, wrong_run, owner, name, before):
    (pytester.path / "pool.py").write_bytes((wrong_run / "pool.py").read_bytes())
    lines = (wrong_run / "r.jsonl").read_bytes().splitlines(keepends=True)
    path = pytester.path / "r.jsonl"
    path.write_bytes(b"".join(lines[:6]))
    earlier = read(path).records
    killer = f"""
        import os, pkgutil, signal

        owner = pkgutil.resolve_name({owner!r})
        function = owner.{name}

        def deadly(*args):
            if {before}:
                os.kill(os.getpid(), signal.SIGKILL)
            function(*args)
            os.kill(os.getpid(), signal.SIGKILL)

        owner.{name} = deadly
        """
    pytester.makepyfile(killer=killer)
    pytester.syspathinsert()
    args = (*COMMON, "--nki-check=values", "--nki-report=r.jsonl", "--nki-resume=r.jsonl")

    killed = pytester.runpytest_subprocess(*args, "-p", "killer")

    assert killed.ret == -signal.SIGKILL
    assert read(path).records == earlier
    assert pytester.runpytest_subprocess(*args).ret == 1
    assert statuses(path) == statuses(wrong_run / "r.jsonl")
    assert not read(path).damage
    assert not list(pytester.path.glob(".*.part"))


def test_a_killed_worker_costs_one_case_and_resume_mends_it(suite, pytester):
    marker = pytester.path / "killed"
    pytester.makeconftest(
        f"""
        import os, pathlib, signal

        def pytest_runtest_call(item):
            if "c3h5w7k2:bf16:wide" in item.nodeid and not pathlib.Path({str(marker)!r}).exists():
                pathlib.Path({str(marker)!r}).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )

    conftest = f"--confcutdir={pytester.path}"
    result = suite("--nki-report=r.jsonl", "-n", "2", conftest, "-p", "conftest")
    assert result.ret == 1
    assert not read(pytester.path / "r.jsonl").damage
    assert list(statuses(pytester.path / "r.jsonl").values()).count("CRASH") == 1

    resumed = suite("--nki-report=s.jsonl", "--nki-resume=r.jsonl", "-n", "2", conftest, "-p", "conftest")
    assert resumed.ret == 0
    assert set(statuses(pytester.path / "s.jsonl").values()) == {"PASS"}
    assert statuses(pytester.path / "s.jsonl").keys() == statuses(pytester.path / "r.jsonl").keys()


def test_a_run_that_is_all_done_ends_as_it_would_have(suite, pytester, wrong_run):
    done = suite("--nki-report=s.jsonl", f"--nki-resume={wrong_run / 'r.jsonl'}", divisor="pool_size")

    assert done.ret == 1
    assert "failed" not in done.stdout.lines[-1]
    assert statuses(pytester.path / "s.jsonl") == read(wrong_run / "r.jsonl").statuses


@pytest.mark.parametrize("option", ["--nki-resume", "--nki-baseline"])
def test_an_earlier_report_that_is_not_there_is_a_usage_error(suite, option):
    result = suite(f"{option}=nowhere.jsonl", here=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere.jsonl: No such file*"])


def test_the_report_of_another_run_is_not_resumed(suite, wrong_run):
    result = suite(f"--nki-resume={wrong_run / 'r.jsonl'}", here=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*r.jsonl is the report of another run: avgpool is *sha256*"])
