"""Annotations and the job summary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_nki_pool.report import github, markdown
from pytest_nki_pool.verdict import Status


@pytest.fixture
def _on_github(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


@pytest.mark.usefixtures("_on_github")
def test_at_most_ten_failures_are_annotated(report):
    lines = github.commands(report(*[Status.PASS] * 5, *[Status.FAIL] * 12).records)

    assert len(lines) == 10
    assert all(line.startswith("::error title=FAIL%3A avgpool%2C torch on emulator trn2::values c") for line in lines)


@pytest.mark.usefixtures("_on_github")
def test_an_annotation_is_one_line(report):
    record = report(Status.FAIL).records[0]
    finding = replace(record.verdict.finding, message="100% wrong\r\nsecond line")

    (line,) = github.commands([replace(record, verdict=replace(record.verdict, finding=finding))])

    assert "\n" not in line
    assert "100%25 wrong%0D%0Asecond line" in line


def test_elsewhere_nothing_is_annotated(report):
    assert github.commands(report(Status.FAIL).records) == []


def test_the_summary_is_added_to_what_is_there(report, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("from an earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    assert github.summarise(report(Status.PASS)) == ""
    assert summary.read_text() == "from an earlier step\n" + markdown.render(report(Status.PASS))


def test_a_summary_that_cannot_be_written_is_told(report, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))

    assert github.summarise(report(Status.PASS)) == "the job summary is not written: No such file or directory"


def test_a_run_on_github_writes_both(suite, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))

    result = suite("-q", divisor="pool_size")

    assert (pytester.path / "summary.md").read_text().startswith("# Average pool: not conformant on emulator trn2")
    assert 1 <= sum(line.startswith("::error ") for line in result.stdout.lines) <= 10


def test_a_run_of_other_tests_writes_nothing(pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    pytester.makepyfile("def test_one(): pass")

    assert pytester.runpytest_inprocess("-p", "no:cacheprovider").ret == 0
    assert not (pytester.path / "summary.md").exists()
