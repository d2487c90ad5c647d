"""Formats by suffix, and what each says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_nki_pool.report import markdown
from pytest_nki_pool.report.conclusion import conclude
from pytest_nki_pool.report.formats import RENDERERS, ReportError, missing, render, suffix_of, write
from pytest_nki_pool.report.model import Report
from pytest_nki_pool.verdict import Status

PASS, FAIL, XFAIL, INFRA, UNSUPPORTED = Status.PASS, Status.FAIL, Status.XFAIL, Status.INFRA, Status.UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("r.json", ".json"), ("r.jsonl", ".jsonl"), ("r.badge.json", ".badge.json"), ("a.b.md", ".md")],
)
def test_the_suffix_decides(name, suffix):
    assert suffix_of(name) == suffix


@pytest.mark.parametrize("name", ["r", "r.txt", "r.JSON", "json"])
def test_another_suffix_is_refused_with_the_choice(name):
    with pytest.raises(ReportError, match=r"choose .*\.badge\.json"):
        suffix_of(name)


@pytest.mark.parametrize("suffix", RENDERERS)
def test_a_report_is_written_whole_or_not_at_all(report, tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    if missing(path.name):
        pytest.skip(missing(path.name))
    path.write_text("before")

    write(report(PASS, FAIL), path)

    assert path.read_text() == render(report(PASS, FAIL), path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="r"):
        write(report(PASS), tmp_path / "nowhere" / f"r{suffix}")


@pytest.mark.parametrize(
    ("statuses", "damage", "answer", "text"),
    [
        ([PASS, UNSUPPORTED], "", "yes", "conformant on emulator trn2"),
        ([PASS, XFAIL], "", "yes", "conformant on emulator trn2 but for 1 known failures"),
        ([PASS, FAIL], "", "no", "not conformant on emulator trn2: 1 of 2 cases"),
        ([PASS, INFRA], "", "unknown", "not known on emulator trn2: 1 of 2 cases not judged"),
        ([UNSUPPORTED], "", "unknown", "not known on emulator trn2: nothing was executed"),
        ([], "", "unknown", "not known on emulator trn2: nothing was executed"),
        ([PASS], "cut", "unknown", "not known on emulator trn2: the report is incomplete"),
        ([FAIL], "cut", "no", "not conformant on emulator trn2: 1 of 1 cases"),
    ],
)
def test_the_conclusion_names_what_it_holds_for(report, statuses, damage, answer, text):
    conclusion = conclude(report(*statuses, damage=damage))

    assert (conclusion.answer, conclusion.text) == (answer, text)


def test_the_badge_is_what_shields_takes(report):
    badge = json.loads(render(report(PASS), Path("r.badge.json")))

    assert badge == {
        "schemaVersion": 1,
        "label": "NKI average pool",
        "message": "conformant on emulator trn2",
        "color": "brightgreen",
    }


def test_the_badge_refuses_an_incomplete_report(report):
    with pytest.raises(ReportError, match="is incomplete"):
        render(report(PASS, damage="cut"), Path("r.badge.json"))


def test_markdown_says_what_matters_first(report):
    lines = render(report(PASS, FAIL, UNSUPPORTED), Path("r.md")).splitlines()

    assert lines[0] == "# Average pool: not conformant on emulator trn2: 1 of 3 cases"
    assert lines[2] == "| kernel | backend | generation | PASS | FAIL | UNSUPPORTED | worst ulp | of bound |"
    assert lines[4] == "| avgpool | torch | gen3 | 1 | 1 | 1 | - | - |"
    assert "- numerics: 1 PASS, 1 FAIL, 1 UNSUPPORTED" in lines
    assert "## 1 failures" in lines
    assert "pytest --nki-case=2" in lines


def test_markdown_of_an_incomplete_report_says_so(report):
    assert "**Incomplete:** cut." in render(report(PASS, damage="cut"), Path("r.md"))


def test_markdown_fits_a_job_summary(report):
    many = report(*[FAIL] * 5000)
    long = Report(many.run, tuple(_with_message(record, "wrong ` ```` " * 900) for record in many.records))

    text = render(long, Path("r.md"))

    assert 2**19 < len(text.encode()) < 2**20
    assert "more failures do not fit here" in text
    assert text.count("<details>") == text.count("</details>")
    assert "## Environment" in text
    assert len(markdown.render(long, 5000).encode()) <= 5000


def test_a_message_cannot_end_its_own_fence(report):
    one = report(FAIL)
    text = render(Report(one.run, (_with_message(one.records[0], "a\n````\nb"),)), Path("r.md"))

    assert "`````text\na\n````\nb\n" in text


def _with_message(record, message):
    from dataclasses import replace

    finding = replace(record.verdict.finding, message=message)
    return replace(record, verdict=replace(record.verdict, finding=finding))
