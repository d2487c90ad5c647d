"""One report of several, or a reason that names the one that does not fit."""

from __future__ import annotations

import pytest

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.merge import merge
from pytest_nki_pool.verdict import Status

PASS, FAIL = Status.PASS, Status.FAIL


@pytest.fixture
def shards(report):
    """Three shards of a run of six cases; keywords replace the cases of a shard."""

    def make(**cases):
        default = {"a": [(1, PASS), (4, FAIL)], "b": [(2, PASS), (5, PASS)], "c": [(3, PASS), (6, PASS)]}
        return [
            report(*cases.get(name, of), name=name, shard={"index": index, "count": 3, "cases": 6})
            for index, (name, of) in enumerate(default.items(), start=1)
        ]

    return make


def test_shards_merged_equal_the_whole(report, shards):
    whole = report(PASS, PASS, PASS, FAIL, PASS, PASS)

    merged = merge(shards())

    assert merged.statuses == whole.statuses
    assert (merged.run.cases, merged.run.shard, merged.damage) == (6, None, "")


def test_the_order_of_the_shards_does_not_matter(shards):
    assert merge(shards()[::-1]).records == merge(shards()).records


def test_a_missing_shard_is_named(shards):
    a, _, c = shards()

    with pytest.raises(ReportError, match="of 3 shards, no report is given of 2"):
        merge([a, c])


def test_the_same_shard_twice_is_no_harm_while_it_says_the_same(shards):
    a, b, c = shards()

    assert merge([a, b, c, b]).statuses == merge([a, b, c]).statuses


def test_a_shard_twice_with_another_verdict_is_named(shards, report):
    *others, c = shards()
    again = report((3, FAIL), (6, PASS), name="again", shard=c.run.shard)

    with pytest.raises(ReportError, match=r"c3h6w6k2:fp32:ones is PASS in c and FAIL in again"):
        merge([*others, c, again])


def test_an_incomplete_shard_is_named(shards, report):
    *others, c = shards()

    with pytest.raises(ReportError, match="torn is incomplete: cut"):
        merge([*others, report((3, PASS), (6, PASS), name="torn", damage="cut", shard=c.run.shard)])


def test_a_shard_with_fewer_verdicts_than_cases_is_named(shards, report):
    *others, c = shards()

    with pytest.raises(ReportError, match="short has verdicts on 1 cases, and its run has 2"):
        merge([*others, report((3, PASS), name="short", cases=2, shard=c.run.shard)])


def test_a_wrong_total_is_refused(shards):
    with pytest.raises(ReportError, match="the shards hold 5 cases together, and the whole run has 6"):
        merge(shards(c=[(3, PASS), (1, PASS)]))


@pytest.mark.parametrize("shard", [None, {"index": 3, "count": 4, "cases": 6}, {"index": 3, "count": 3, "cases": 7}])
def test_a_report_of_another_run_among_shards_is_named(shards, report, shard):
    with pytest.raises(ReportError, match="stranger"):
        merge([*shards()[:2], report((3, PASS), (6, PASS), name="stranger", shard=shard)])


@pytest.mark.parametrize(
    "facts",
    [
        {"target": "simulator"},
        {"versions": {"python": "3.12.1", "numpy": "2.4.6"}},
        {"settings": {"seed": {"values": ["1"], "source": "--nki-seed"}}},
        {"kernels": {"avgpool": {"target": "x.py:f", "sha256": "c" * 64, "dialect": "legacy", "claims": {}}}},
    ],
    ids=["target", "versions", "seed", "kernel"],
)
def test_runs_of_other_things_are_not_merged(report, facts):
    with pytest.raises(ReportError, match="first and second cannot be merged"):
        merge([report(PASS, name="first"), report((2, PASS), name="second", **facts)])


def test_whole_runs_on_other_backends_are_merged(report):
    one = report((1, PASS), name="one")
    two = report((2, FAIL), settings={**one.run.settings, "backend": {"values": ["jax"], "source": "--nki-backend"}})

    merged = merge([one, two])

    assert list(merged.statuses.values()) == ["PASS", "FAIL"]
    assert merged.run.settings["backend"]["values"] == ["torch", "jax"]
    assert "report" not in merged.run.settings
