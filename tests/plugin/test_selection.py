"""Which trials a run consists of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Collect = Callable[..., list[tuple[str, ...]]]


@pytest.fixture
def collect(run: Callable[..., pytest.RunResult], suite: tuple[str, ...]) -> Collect:
    """Collects the suite; gives (check, kernel, backend, target, platform, case) of each test."""

    def collector(*args: str) -> list[tuple[str, ...]]:
        result = run(*suite, "--collect-only", "-q", "--nki-tier=smoke", *args)
        assert result.ret == 0
        return [
            tuple(found[1].split("/")) for line in result.outlines if (found := re.search(r"::test_\w+\[(.+)\]$", line))
        ]

    return collector


@pytest.mark.needs("torch", "jax")
def test_default_is_every_built_in_kernel_on_every_backend(collect: Collect) -> None:
    trials = collect()
    assert {trial[1] for trial in trials} == {
        "tutorial_out_parameter",
        "tutorial_returning",
        "tutorial_access_pattern",
        "production_legacy",
        "production_current",
    }
    assert {trial[2] for trial in trials} == {"baremetal", "torch", "jax", "baremetal+torch+jax"}
    assert {trial[3:5] for trial in trials} == {("emulator", "trn2")}
    assert {trial[0] for trial in trials} >= {"values", "exactness", "special", "determinism", "agreement"}
    assert len(set(trials)) == len(trials)


def test_one_backend_runs_alone(collect: Collect) -> None:
    trials = collect("--nki-backend=torch")
    assert {trial[2] for trial in trials} == {"torch"}
    assert "agreement" not in {trial[0] for trial in trials}, "one backend has nothing to agree with"


@pytest.mark.parametrize(
    "args", [("--nki-backend=torch,jax",), ("--nki-backend=jax", "--nki-backend=torch")], ids=" ".join
)
def test_backends_as_list_or_repeated(args: tuple[str, ...], collect: Collect) -> None:
    assert {trial[2] for trial in collect(*args)} == {"torch", "jax", "torch+jax"}


def test_equal_generations_run_once(collect: Collect) -> None:
    trials = collect("--nki-platform=all", "--nki-backend=baremetal")
    assert {trial[4] for trial in trials} == {"trn1", "trn2", "trn3"}


@pytest.mark.parametrize(
    ("check", "selected"),
    [
        ("values", {"values"}),
        ("determinism", {"determinism"}),
        pytest.param("values,agreement", {"values", "agreement"}, marks=pytest.mark.needs("torch")),
    ],
)
def test_check_by_name_or_group(check: str, selected: set[str], collect: Collect) -> None:
    assert {trial[0] for trial in collect(f"--nki-check={check}")} == selected


def test_group_stands_for_all_its_checks(collect: Collect) -> None:
    selected = {trial[0] for trial in collect("--nki-check=contract")}
    assert {"output_form", "refuses_pool_size"} < selected


def test_single_case_goes_to_the_checks_of_its_family(collect: Collect) -> None:
    case = "c5h9w7k3:bf16:normal:s123"
    trials = collect(f"--nki-case={case}", "--nki-backend=baremetal")
    assert {trial[5] for trial in trials} == {case}
    assert {trial[0] for trial in trials} >= {"values", "output_form"}
    assert not {trial[0] for trial in trials} & {"exactness", "special"}


def test_seed_moves_only_the_random_families(collect: Collect) -> None:
    first, second = ({trial[5] for trial in collect(f"--nki-seed={seed}")} for seed in (0, 1))
    assert len(first) == len(second)
    fixed = {case for case in first if case.count(":") == 2}
    assert fixed == {case for case in second if case.count(":") == 2}
    assert not (first - fixed) & second


def test_tiers_are_nested(collect: Collect) -> None:
    smoke, standard = (set(collect("--nki-backend=baremetal", f"--nki-tier={tier}")) for tier in ("smoke", "standard"))
    assert smoke < standard


def test_kernels_of_one_name_stay_apart(collect: Collect, pytester: pytest.Pytester, right_kernel: str) -> None:
    (pytester.path / "other.py").write_text((pytester.path / "pool.py").read_text())
    kernels = {trial[1] for trial in collect("--nki-kernel=pool.py:avgpool", "--nki-kernel=other.py:avgpool")}
    assert kernels == {"pool.avgpool", "other.avgpool"}
