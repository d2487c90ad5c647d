"""`--nki-shard`: several runs that together are one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.report.formats import write
from pytest_nki_pool.report.read import read
from pytest_nki_pool.settings.shards import ARRAYS, Shard, discover, unused
from pytest_nki_pool.verdict import Status

SMALL = ("--nki-backend=baremetal", "--nki-tier=smoke", "--nki-check=values")
SLURM = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX")
BATCH = ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE")
KUBERNETES = ("JOB_COMPLETION_INDEX",)


@pytest.fixture(autouse=True)
def _no_array_from_outside(monkeypatch):
    for name in (*SLURM, *BATCH, *KUBERNETES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shard(run, suite, right_kernel, pytester):
    """Runs a small part of the suite, and gives the result and the report."""

    def runner(*args: str, report: str = "r.jsonl"):
        result = run(*suite, *SMALL, f"--nki-kernel={right_kernel}", f"--nki-report={report}", *args)
        path = pytester.path / report
        return result, read(path) if path.exists() and path.stat().st_size else None

    return runner


def facts(report):
    """Every verdict but for what it took."""
    lines = [record.to_json() for record in report.records]
    took = {"seconds", "launches"}
    return sorted(json.dumps({name: line[name] for name in line if name not in took}) for line in lines)


CASES = [f"check/kernel/{number}" for number in range(100)]


@pytest.mark.parametrize(
    "seconds", [{}, {case: number**2.0 for number, case in enumerate(CASES)}], ids=["none", "some"]
)
@pytest.mark.parametrize("count", [2, 3, 8, 100, 130])
def test_every_case_is_in_one_shard_whatever_the_order(count, seconds):
    shuffled = random.Random(7).sample(CASES, len(CASES))  # noqa: S311 - no secret

    shares = [Shard(index, count).share(CASES, seconds) for index in range(1, count + 1)]

    assert sorted(case for share in shares for case in share) == sorted(CASES)
    assert shares == [Shard(index, count).share(shuffled, seconds) for index in range(1, count + 1)]
    if not seconds:
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shards_take_the_same_time():
    seconds = {case: 1.0 + number for number, case in enumerate(CASES)}

    loads = [sum(seconds[case] for case in Shard(index, 4).share(CASES, seconds)) for index in range(1, 5)]

    assert max(loads) - min(loads) <= max(seconds.values()) * 0.05


def test_a_case_without_duration_counts_like_the_mean():
    cases, seconds = ["a", "new", "other new"], {"a": 4.0}

    assert Shard(1, 2).share(cases, seconds) == {"a", "other new"}
    assert Shard(2, 2).share(cases, seconds) == {"new"}


@pytest.mark.parametrize(
    ("names", "values", "found"),
    [
        (BATCH, ("0", "4"), "1/4"),
        (BATCH, ("3", "4"), "4/4"),
        (SLURM, ("5", "3", "4", "6"), "2/3"),
        (SLURM, ("0", "8", "0", "7"), "1/8"),
    ],
    ids=["batch first", "batch last", "slurm", "slurm from 0"],
)
def test_an_array_says_which_shard_this_is(names, values, found):
    assert discover(dict(zip(names, values, strict=True))) == (found, names[0])


@pytest.mark.parametrize(
    ("names", "values", "reason"),
    [
        (BATCH, ("4", "4"), "index 4 of 0 to 3 is not one of 4 jobs in a row"),
        (BATCH, ("one", "4"), "AWS_BATCH_JOB_ARRAY_INDEX is 'one', and no whole number"),
        (BATCH[:1], ("1",), "AWS_BATCH_JOB_ARRAY_SIZE is not set"),
        (SLURM, ("7", "3", "1", "7"), "index 7 of 1 to 7 is not one of 3 jobs in a row"),
        (KUBERNETES, ("2",), "no variable of Kubernetes says of how many"),
    ],
    ids=["too large", "no number", "no size", "not in a row", "kubernetes"],
)
def test_an_array_that_does_not_say_it_leaves_the_run_whole_and_says_why(names, values, reason):
    environ = dict(zip(names, values, strict=True))

    assert discover(environ) == ("", "")
    assert reason in unused(environ)


def test_without_an_array_nothing_is_said():
    assert (discover({}), unused({})) == (("", ""), "")


def test_the_schedulers_are_documented():
    docs = Path(__file__).parents[2] / "docs" / "fleet" / "README.md"

    assert all(name in docs.read_text() for name in ARRAYS)


@pytest.mark.parametrize("value", ["0/3", "4/3", "1/0", "3", "a/b", "1/2/3", "-1/3", "auto/x", " ", "1/99999999"])
def test_what_is_no_shard_is_a_usage_error(run_here, suite, value):
    result = run_here(*suite, f"--nki-shard={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--nki-shard*"])


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "*'auto/3' needs one of *JOB_COMPLETION_INDEX*none is set*"),
        ({"JOB_COMPLETION_INDEX": "3"}, "*'auto/3': index 3 of 0 to 2 is not one of 3 jobs*"),
        (dict(zip(BATCH, ("0", "4"), strict=True)), "*'auto/3': AWS Batch says that there are 4 jobs, and not 3*"),
    ],
    ids=["no array", "too large", "another number"],
)
def test_auto_that_cannot_be_had_is_a_usage_error(run_here, suite, monkeypatch, environ, reason):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    result = run_here(*suite, "--nki-shard=auto/3")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([reason])


def test_durations_that_are_not_there_are_a_usage_error(run_here, suite):
    result = run_here(*suite, "--nki-shard=1/2", "--nki-durations=nowhere.jsonl")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--nki-durations: *nowhere.jsonl: No such file*"])


def test_eight_shards_merged_equal_the_whole_and_what_does_not_fit_is_refused_by_name(shard, pytester, capsys):
    _, whole = shard(report="whole.jsonl")
    shards = [f"s{index}.jsonl" for index in range(1, 9)]
    for index, name in enumerate(shards, start=1):
        workers = ("-n", "2") if index == 3 else ()
        result, part = shard(f"--nki-shard={index}/8", "--nki-durations=whole.jsonl", *workers, report=name)
        assert result.ret == 0
        assert part.run.shard == {"index": index, "count": 8, "cases": len(whole.records)}

    assert main(["merge", *shards, "--output=merged.jsonl"]) == 0
    assert facts(read("merged.jsonl")) == facts(whole)

    text = (pytester.path / "s4.jsonl").read_text()
    (pytester.path / "torn.jsonl").write_text(text[:-20])
    fourth = read("s4.jsonl")
    verdict = fourth.records[0].verdict
    changed = replace(verdict, finding=replace(verdict.finding, status=Status.FAIL))
    records = (replace(fourth.records[0], verdict=changed), *fourth.records[1:])
    write(replace(fourth, records=records), pytester.path / "again.jsonl")
    capsys.readouterr()
    refused = {
        "of 8 shards, no report is given of 4": [*shards[:3], *shards[4:]],
        "torn.jsonl is incomplete": [*shards[:3], "torn.jsonl", *shards[4:]],
        f"{verdict.identity} is PASS in s4.jsonl and FAIL in again.jsonl": [*shards, "again.jsonl"],
    }
    for reason, names in refused.items():
        assert main(["merge", *names, "--output=refused.jsonl"]) == 2
        assert reason in capsys.readouterr().err
    assert not (pytester.path / "refused.jsonl").exists()


def test_an_empty_shard_is_a_valid_report_and_green(shard):
    result, report = shard("--nki-shard=900/900")

    assert result.ret == 0
    assert (report.records, report.damage, report.run.shard["count"]) == ((), "", 900)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_shard_without_any_case_of_the_whole_run_is_no_success(run, suite, right_kernel, workers):
    nothing = ("--nki-check=agreement", "--nki-backend=baremetal")  # it takes two to agree

    result = run(*suite, f"--nki-kernel={right_kernel}", *nothing, "--nki-shard=1/2", *workers)

    assert result.ret != 0


def test_an_array_is_used_and_shown(shard, monkeypatch):
    for name, value in zip(SLURM, ("5", "3", "4", "6"), strict=True):
        monkeypatch.setenv(name, value)

    result, report = shard()

    result.stdout.fnmatch_lines(["nki shard *2/3 ?SLURM_ARRAY_TASK_ID?"])
    assert (report.run.shard["index"], report.run.shard["count"]) == (2, 3)


def test_an_array_that_does_not_say_how_many_there_are_runs_everything_and_says_so(shard, monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")

    result, report = shard()

    result.stdout.fnmatch_lines(["nki shard: the whole suite runs here: JOB_COMPLETION_INDEX is 1*"])
    assert report.run.shard is None


def test_a_single_case_runs_in_any_job_of_an_array(shard, monkeypatch):
    for index in ("0", "1"):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", index)
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "2")
        result, _ = shard("--nki-case=c2h6w6k2:fp32:ones")
        result.assert_outcomes(passed=1)


def test_an_array_does_not_touch_other_peoples_tests(run, pytester, monkeypatch):
    for name, value in zip(BATCH, ("1", "2"), strict=True):
        monkeypatch.setenv(name, value)
    pytester.makepyfile(test_other="def test_one(): pass\ndef test_two(): pass")

    result = run()

    result.assert_outcomes(passed=2)
    assert "shard" not in result.stdout.str()


def test_a_shard_is_resumed_as_that_shard_alone(shard, pytester):
    _, first = shard("--nki-shard=1/2")
    lines = (pytester.path / "r.jsonl").read_text().splitlines(keepends=True)
    (pytester.path / "part.jsonl").write_text("".join(lines[:3]))

    resumed, report = shard("--nki-shard=1/2", "--nki-resume=part.jsonl", report="s.jsonl")
    other, _ = shard("--nki-shard=2/2", "--nki-resume=part.jsonl", report="t.jsonl")
    whole, _ = shard("--nki-resume=part.jsonl", report="t.jsonl")

    resumed.assert_outcomes(passed=len(first.records) - 2)
    assert (report.run.shard, report.statuses) == (first.run.shard, first.statuses)
    for result, now in ((other, "shard 2/2"), (whole, "the whole suite")):
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*it had shard 1/2, and this run has {now}*"])


@pytest.mark.parametrize("option", ["--nki-seed=5", "--nki-tier=standard", "--nki-target=emulator"])
def test_a_run_with_other_settings_is_not_resumed(shard, option):
    shard("--nki-case=c2h6w6k2:fp32:ones")

    result, _ = shard("--nki-case=c2h6w6k2:fp32:ones", "--nki-resume=r.jsonl", option, report="s.jsonl")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*r.jsonl is the report of another run: {option.partition('=')[0]} is *"])
