"""`--nki-baseline`: only what is worse than before fails a run."""

from __future__ import annotations

import pytest


def test_cases_that_were_bad_before_do_not_fail_the_run(suite, wrong_run):
    result = suite(f"--nki-baseline={wrong_run / 'r.jsonl'}", "--nki-report=now.jsonl", divisor="pool_size")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["against the baseline: 0 regressions, * bad as before, 0 fixes, 0 new"])
    assert "failed" not in result.parseoutcomes()


def test_a_regression_fails_the_run_and_is_named(suite, pytester):
    assert suite("--nki-report=good.jsonl").ret == 0

    result = suite("--nki-baseline=good.jsonl", divisor="pool_size")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["regression: values/avgpool/baremetal/emulator/trn2/*: PASS -> FAIL"])


def test_fixes_are_counted(suite, wrong_run):
    result = suite(f"--nki-baseline={wrong_run / 'r.jsonl'}")

    assert result.ret == 0
    result.stdout.re_match_lines([r"against the baseline: 0 regressions, 0 bad as before, [1-9]\d* fixes, 0 new"])


def test_an_incomplete_baseline_is_refused(suite, pytester, wrong_run):
    lines = (wrong_run / "r.jsonl").read_bytes().splitlines(keepends=True)
    (pytester.path / "cut.jsonl").write_bytes(b"".join(lines[:-1]))

    result = suite("--nki-baseline=cut.jsonl", here=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cut.jsonl is incomplete: it has no closing line*"])
