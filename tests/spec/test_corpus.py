from __future__ import annotations

import pytest

from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.corpus import GROUPS, TIERS, cases
from pytest_nki_pool.spec.data import FAMILIES, make
from pytest_nki_pool.spec.dtypes import DTYPES

CORE = {"fp32", "bf16", "fp16"}
#: Foreign cases are others', and those of honesty follow from what a kernel claims.
OURS = [group for group in GROUPS if group not in ("foreign", "honesty")]
#: Statistics need fine steps, and the frameworks themselves compute in few dtypes.
CORE_ALONE = ("statistics", "frameworks")
#: Groups that meet a dtype which few kernels claim in the full tier alone.
FULL_TIER_DTYPES = ("metamorphic", "layouts")
ALL = {(group, tier): cases(group, tier, 0) for group in GROUPS for tier in TIERS}
STANDARD = [case for group in OURS for case in ALL[group, "standard"]]
NETWORKS = [
    (64, 112, 112, 2),
    (128, 56, 56, 2),
    (256, 27, 27, 2),
    (512, 13, 13, 2),
    (1024, 7, 7, 7),
    (2048, 7, 7, 7),
    (2048, 8, 8, 8),
    (3, 512, 512, 2),
    (64, 256, 256, 256),
]


def sizes(case: Case) -> tuple[int, int, int, int]:
    return case.channels, case.height, case.width, case.pool


@pytest.mark.parametrize("group", OURS)
def test_tiers_nest_and_are_sorted_and_distinct(group: str) -> None:
    smoke, standard, full = (ALL[group, tier] for tier in TIERS)
    assert set(smoke) < set(standard) < set(full)
    for tier in (smoke, standard, full):
        assert list(tier) == sorted(set(tier))
        assert len({str(case) for case in tier}) == len(tier)


def test_groups_are_those_of_the_suite() -> None:
    assert GROUPS == (
        "values",
        "exactness",
        "special",
        "contract",
        "agreement",
        "metamorphic",
        "layouts",
        "frameworks",
        "statistics",
        "honesty",
        "foreign",
    )


def test_tiers_keep_their_size() -> None:
    count = {tier: sum(len(ALL[group, tier]) for group in OURS) for tier in TIERS}
    assert 35 <= count["smoke"] <= 45
    assert 1250 <= count["standard"] <= 1400
    assert 2700 <= count["full"] <= 3100


def test_smoke_is_tiny_and_standard_moves_little_data() -> None:
    smoke = [case for group in OURS if group != "statistics" for case in ALL[group, "smoke"]]
    assert max(case.channels * case.height * case.width for case in smoke) < 1000
    assert sum(case.channels * case.height * case.width for case in STANDARD) < 33e6


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("group", GROUPS)
def test_the_seed_moves_the_random_families_only(group: str, tier: str) -> None:
    moved = cases(group, tier, 41)
    fixed = {case for case in ALL[group, tier] if case.seed is None}
    assert {case for case in moved if case.seed is None} == fixed
    assert all(case.seed == 41 for case in moved if FAMILIES[case.family].random)
    assert len(moved) == len(ALL[group, tier])


@pytest.mark.parametrize("group", OURS)
def test_every_group_meets_the_three_core_dtypes_at_each_tier(group: str) -> None:
    for tier in TIERS:
        met = {case.dtype for case in ALL[group, tier]}
        assert met >= CORE or (group, tier) in (
            ("special", "smoke"),
            ("frameworks", "smoke"),
            ("frameworks", "standard"),
        )
        wanted = tier == "full" or (tier == "standard" and group not in FULL_TIER_DTYPES)
        assert (met == set(DTYPES)) is (wanted and group not in CORE_ALONE)


def test_standard_covers_every_network_pool_size_and_edge() -> None:
    values = ALL["values", "standard"]
    assert set(NETWORKS) <= {sizes(case) for case in values}
    assert {case.pool for case in STANDARD} >= {1, 2, 3, 4, 5, 7, 8, 11, 16, 32, 64, 256}
    assert {case.channels for case in values} >= {1, 2, 3, 31, 32, 33, 64, 127, 128, 129, 255, 256, 257, 2048}
    assert {case.channels for case in values} >= set(range(1, 129))
    assert {case.pool for case in values} >= set(range(1, 17))
    assert {case.height for case in values} >= set(range(1, 65)) <= {case.width for case in values}
    trims = {(case.height % case.pool > 0, case.width % case.pool > 0) for case in values}
    assert len(trims) == 4
    assert any(case.height == case.width == case.pool for case in values)
    assert any(case.height != case.width for case in values)


@pytest.mark.parametrize(
    ("group", "kind"), [("values", "numerics"), ("exactness", "structure"), ("special", "special")]
)
def test_standard_meets_every_family_of_its_kind_in_every_core_dtype(group: str, kind: str) -> None:
    met = {(case.family, case.dtype) for case in ALL[group, "standard"] if case.dtype in CORE}
    wanted = {(name, dtype) for name, family in FAMILIES.items() if family.kind == kind for dtype in CORE}
    assert met == wanted - {("saturation", "fp32")}


@pytest.mark.parametrize("kib", [192, 224, 256])
def test_standard_fills_a_partition_and_exceeds_it_by_a_row(kib: int) -> None:
    sizes_in_bytes = {
        (case.height * case.width * DTYPES[case.dtype].numpy.itemsize, case.width) for case in ALL["values", "full"]
    }
    standard = {(case.height, case.width) for case in ALL["values", "standard"]}
    rows = kib * 1024 // 4 // 256
    assert {(rows, 256), (rows + 1, 256)} <= standard
    assert {(kib * 1024, 256), (kib * 1024 + 1024, 256)} <= sizes_in_bytes


def test_every_special_value_meets_every_size_of_the_sweep() -> None:
    swept = {sizes(case) for case in ALL["values", "standard"] if case.channels <= 128 and case.pool <= 16}
    mixed = {sizes(case) for case in ALL["special", "standard"] if case.family == "mixture"}
    assert len(swept & mixed) > 180


def test_every_case_of_smoke_and_standard_has_data_and_reads_back() -> None:
    for case in STANDARD:
        assert Case.parse(str(case)) == case
    for case in [case for case in STANDARD if case.channels * case.height * case.width < 5000]:
        assert make(case).shape == case.shape


def test_unknown_groups_and_tiers_are_refused() -> None:
    with pytest.raises(ValueError, match="no cases for 'value' at 'smoke'; groups: values"):
        cases("value", "smoke", 0)
    with pytest.raises(ValueError, match="tiers: smoke, standard, full"):
        cases("values", "nightly", 0)
