"""The published schema and what is written agree."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from pytest_nki_pool.report.document import to_document
from pytest_nki_pool.report.lines import to_lines
from pytest_nki_pool.verdict import Aspect, Status

jsonschema = pytest.importorskip("jsonschema")

SCHEMA = json.loads(resources.files("pytest_nki_pool.report").joinpath("schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(value, part=None):
    validator = VALIDATOR.evolve(schema={**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{part}"}]}) if part else VALIDATOR
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(value, allow_nan=False)))]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_knows_every_status_and_aspect():
    verdict = SCHEMA["$defs"]["verdict"]["properties"]

    assert set(verdict["status"]["enum"]) == {status.value for status in Status}
    assert set(verdict["aspect"]["enum"]) == set(Aspect.__args__)


def test_every_line_of_a_report_is_valid(report):
    lines = to_lines(report(*Status, shard={"index": 1, "count": 2, "cases": 30}))

    assert [faults(line) for line in lines] == [[]] * (len(Status) + 2)


@pytest.mark.parametrize("damage", ["", "cut"])
def test_the_document_is_valid(report, damage):
    assert not faults(to_document(report(*Status, damage=damage)), "document")


def test_a_real_run_is_valid(wrong_run):
    lines = [json.loads(line) for line in (wrong_run / "r.jsonl").read_text().splitlines()]
    assert any(line.get("location") and line["launches"]["counters"] for line in lines)
    assert [faults(line) for line in lines] == [[]] * len(lines)
    assert not faults(json.loads((wrong_run / "r.json").read_text()), "document")


@pytest.mark.parametrize("number", range(3), ids=["header", "verdict", "end"])
def test_a_line_that_lacks_or_adds_something_is_not_valid(report, number):
    line = to_lines(report(Status.PASS))[number]

    assert all(faults({key: value for key, value in line.items() if key != gone}) for gone in line)
    assert faults({**line, "more": 1})
