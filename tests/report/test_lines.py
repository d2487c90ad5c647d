"""Evidence, line by line: what is on disk is valid whatever happens to the run."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from pytest_nki_pool.report.formats import ReportError, write
from pytest_nki_pool.report.lines import LinesWriter
from pytest_nki_pool.report.model import Record
from pytest_nki_pool.report.read import read
from pytest_nki_pool.verdict import Finding, Identity, Launches, Location, Status, Verdict


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_report_is_read_back_as_it_was_written(report, tmp_path, suffix):
    written = report(Status.PASS, Status.FAIL, Status.UNSUPPORTED)

    write(written, tmp_path / f"r{suffix}")

    again = read(tmp_path / f"r{suffix}")
    assert (again.run, again.records, again.damage) == (written.run, written.records, "")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_an_incomplete_report_stays_incomplete(report, tmp_path, suffix):
    write(report(Status.PASS, damage="stopped", cases=5), tmp_path / f"r{suffix}")

    assert read(tmp_path / f"r{suffix}").damage == "it has no closing line, and 1 of 5 cases have a verdict"


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 0.1])
def test_numbers_survive_that_json_does_not_have(number):
    place = Location((0, 1, 2), number, number, number, number, 3, ((number, 1.0), (2.0, number)))
    finding = Finding(Status.FAIL, "wrong", number, number, "", place)
    launches = Launches(1, 0.5, {"generation": "gen3", "dma_bytes_in": 12})
    record = Record(Verdict(Identity(*"abcdef"), finding, 1.0, "numerics", launches), "pytest")

    line = json.dumps(record.to_json(), allow_nan=False)

    assert repr(Record.from_json(json.loads(line))) == repr(record)


def test_every_verdict_is_on_disk_before_the_next_one(report, tmp_path):
    whole = report(Status.PASS, Status.PASS)
    writer = LinesWriter(tmp_path / "r.jsonl")
    writer.write(whole.run.to_json())
    for number, record in enumerate(whole.records, start=1):
        writer.write(record.to_json())
        assert len(read(tmp_path / "r.jsonl").records) == number
    writer.close(complete=True)

    assert not read(tmp_path / "r.jsonl").damage


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_line(report, tmp_path):
    path = tmp_path / "r.jsonl"
    write(report(Status.PASS, Status.FAIL), path)
    data = path.read_bytes()
    ends = [i for i, byte in enumerate(data) if byte == ord("\n")]

    for size in range(ends[0] + 1, len(data)):
        path.write_bytes(data[:size])
        cut = read(path)
        assert len(cut.records) == sum(end < size for end in ends[1:3])
        assert ("cut in its last line" if data[size - 1 : size] != b"\n" else "no closing line") in cut.damage


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: [lines[0].replace(b'"version":2', b'"version":1'), *lines[1:]], "version is 1"),
        (lambda lines: lines[1:], "header"),
        (lambda lines: [lines[0], lines[2], lines[3]], "closing line does not fit"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"FAIL"', b'"PASS"'), lines[3]], "closing line does not fit"),
        (lambda lines: [*lines[:2], b"{]", *lines[2:]], "line 3: it is no JSON"),
        (lambda lines: [*lines[:2], b'{"line":"verdict"}', lines[3]], "line 3: it lacks"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"FAIL"', b'"GOOD"'), lines[3]], "line 3: it is no verdict"),
        (lambda lines: [*lines, lines[1]], "line 4: it is no verdict"),
        (lambda lines: [], "is empty"),
    ],
    ids=["version", "no header", "lost line", "changed status", "no JSON", "no keys", "no status", "appended", "empty"],
)
def test_a_changed_file_is_refused_by_name(report, tmp_path, change, reason):
    path = tmp_path / "r.jsonl"
    write(report(Status.PASS, Status.FAIL), path)
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))

    with pytest.raises(ReportError, match=reason) as refused:
        read(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("content", ["[]", '{"verdicts": []}', "no JSON at all", "\0"])
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)

    with pytest.raises(ReportError):
        read(tmp_path / "r.json")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReportError, match="No such file"):
        read(tmp_path / "r.jsonl")


def test_a_file_is_replaced_once_its_first_lines_stand(report, tmp_path):
    """Through a link the file that it names is replaced, and the link stays."""
    old, new = report(Status.PASS, damage="stopped", cases=2), report(Status.PASS, Status.FAIL)
    path = tmp_path / "r.jsonl"
    write(old, tmp_path / "there.jsonl")
    path.symlink_to("there.jsonl")

    def first_lines():
        yield new.run.to_json()
        assert read(path).records == old.records
        yield new.records[0].to_json()

    writer = LinesWriter.replacing(path, first_lines())
    assert read(path).records == new.records[:1]
    writer.write(new.records[1].to_json())
    writer.close(complete=True)

    assert read(tmp_path / "there.jsonl").whole().records == new.records
    assert path.is_symlink()
    assert {file.name for file in tmp_path.iterdir()} == {"r.jsonl", "there.jsonl"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_the_file_and_the_device_as_they_were(report, tmp_path):
    old, path = report(Status.PASS), tmp_path / "r.jsonl"
    write(old, path)
    (tmp_path / ".r.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        LinesWriter.replacing(path, [old.run.to_json()])
    assert read(path).records == old.records

    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full:
        LinesWriter.replacing(path, [old.run.to_json()])
    assert full.value.filename == str(path)
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_names_the_file(report, tmp_path):
    (tmp_path / "r.jsonl").symlink_to("/dev/full")
    writer = LinesWriter(tmp_path / "r.jsonl")

    with pytest.raises(OSError, match="No space left") as full:
        writer.write(report().run.to_json())
    assert full.value.filename == str(tmp_path / "r.jsonl")


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_a_disk_that_fills_keeps_every_whole_line(report, tmp_path, pytester):
    """A write that fits in part is taken back."""
    whole = report(*[Status.PASS] * 9)
    write(whole, tmp_path / "whole.jsonl")
    lengths = [len(line) + 1 for line in (tmp_path / "whole.jsonl").read_bytes().splitlines()]
    script = pytester.makepyfile(
        f"""
        import resource, sys
        from pathlib import Path
        from pytest_nki_pool.report.lines import LinesWriter
        from pytest_nki_pool.report.read import read

        whole = read({str(tmp_path / "whole.jsonl")!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, ({sum(lengths[:4]) + 50},) * 2)
        writer = LinesWriter(Path({str(tmp_path / "r.jsonl")!r}))
        writer.write(whole.run.to_json())
        for record in whole.records:
            writer.write(record.to_json())
        """
    )

    result = pytester.runpython(script)

    assert result.ret == 1
    result.stderr.fnmatch_lines(["OSError:*File too large*r.jsonl*"])
    assert len(read(tmp_path / "r.jsonl").records) == 3
    assert "cut" not in read(tmp_path / "r.jsonl").damage
