"""`nki-pool show`, `render`, `merge` and `diff`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.report.formats import write
from pytest_nki_pool.report.model import Record, Report, Run
from pytest_nki_pool.report.read import read
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict

RUN = Run("2026-11-22T12:00:00+00:00", "emulator", {"trn2": "gen3"}, None, {}, {}, {}, {}, 0)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the report of one case per status into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write_it(name, *statuses, damage="", **facts):
        records = [
            Record(
                Verdict(Identity("values", "k", "jax", "emulator", "trn2", str(i)), Finding(status, f"m{i}")), f"r{i}"
            )
            for i, status in enumerate(statuses)
        ]
        write(Report(replace(RUN, **{"cases": len(records), **facts}), tuple(records), damage), tmp_path / name)
        return name

    return write_it


def test_show_says_the_answer_the_table_and_the_failures(written, capsys):
    pytest.importorskip("rich")

    assert main(["show", written("r.jsonl", Status.PASS, Status.FAIL, Status.FAIL), "--failures=1"]) == 0

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "not conformant on emulator trn2: 2 of 3 cases"
    assert any(line.split("│")[0].strip() == "k" and "2" in line for line in lines)
    assert lines[lines.index("m1") - 1 : lines.index("m1") + 2] == ["FAIL values/k/jax/emulator/trn2/1", "m1", "r1"]
    assert "m2" not in lines
    assert lines[-1] == "1 more failures; --failures=N shows more"


@pytest.mark.parametrize("cut", [0, 5], ids=["no closing line", "cut"])
def test_show_takes_an_incomplete_report_and_says_so(written, tmp_path, capsys, cut):
    pytest.importorskip("rich")
    name = written("r.jsonl", Status.PASS, Status.PASS)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: data.rindex(b"\n", 0, -1) + 1 - cut])

    assert main(["show", name]) == 0

    out = capsys.readouterr().out
    assert "not known on emulator trn2: the report is incomplete" in out
    assert "incomplete: it " in out


def test_show_gives_the_document_to_programs_without_rich(written, capsys, monkeypatch):
    monkeypatch.setattr("pytest_nki_pool.commands.reports.find_spec", lambda name: None)
    name = written("r.jsonl", Status.PASS)

    assert main(["show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"][0]["status"] == "PASS"
    assert main(["show", name]) == 2
    assert "pip install 'pytest-nki-pool[report]'" in capsys.readouterr().err


def test_render_writes_every_path(written, tmp_path, capsys):
    assert main(["render", written("r.jsonl", Status.PASS), "a.json", "a.md", "a.badge.json", "b.jsonl"]) == 0

    assert read(tmp_path / "b.jsonl").records == read(tmp_path / "a.json").records == read(tmp_path / "r.jsonl").records
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "r.jsonl").read_bytes()
    assert capsys.readouterr().out.count("conformant on emulator trn2") == 4


@pytest.mark.parametrize(
    ("path", "damage", "message"),
    [
        ("a.pdf", "", "a.pdf: a report is written in the format of its suffix"),
        ("nowhere/a.md", "", "nowhere/a.md cannot be written: No such file or directory"),
        ("a.badge.json", "cut", "is incomplete"),
    ],
)
def test_render_refuses_what_it_cannot_write(written, tmp_path, capsys, path, damage, message):
    assert main(["render", written("r.jsonl", Status.PASS, damage=damage), path]) == 2

    assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["r.jsonl"]


def test_merge_writes_the_whole(written, tmp_path, capsys):
    shards = [
        written(f"{i}.jsonl", *statuses, shard={"index": i, "count": 2, "cases": 2})
        for i, statuses in enumerate(([Status.PASS], [Status.PASS, Status.FAIL]), start=1)
    ]

    assert main(["merge", *shards, "--output=whole.json", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["cases"] == 2
    assert sorted(read(tmp_path / "whole.json").statuses.values()) == ["FAIL", "PASS"]


def test_merge_refuses_with_the_name_and_writes_nothing(written, tmp_path, capsys):
    shard = written("1.jsonl", Status.PASS, shard={"index": 1, "count": 2, "cases": 2})

    assert main(["merge", shard, "--output=whole.json"]) == 2

    assert "of 2 shards, no report is given of 2" in capsys.readouterr().err
    assert not (tmp_path / "whole.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ([Status.PASS, Status.FAIL], [Status.FAIL, Status.PASS], 1),
        ([Status.PASS, Status.FAIL], [Status.PASS, Status.FAIL], 0),
        ([Status.FAIL], [Status.PASS, Status.PASS], 0),
    ],
    ids=["regression", "same", "fix"],
)
def test_diff_exits_1_on_a_regression(written, capsys, old, new, code):
    names = [written("old.jsonl", *old), written("new.jsonl", *new)]

    assert main(["diff", *names]) == code
    text = capsys.readouterr().out
    assert main(["diff", *names, "--json"]) == code
    data = json.loads(capsys.readouterr().out)

    assert text.splitlines()[0] == f"{len(data['regressions'])} regressions"
    assert ("regressions: values/k/jax/emulator/trn2/0: PASS -> FAIL" in text.splitlines()) == bool(code)


def test_diff_refuses_an_incomplete_report(written, capsys):
    assert main(["diff", written("old.jsonl", Status.PASS, damage="x"), written("new.jsonl", Status.PASS)]) == 2

    assert "old.jsonl is incomplete: it has no closing line" in capsys.readouterr().err
