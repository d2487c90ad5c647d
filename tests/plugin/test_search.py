"""`--nki-search`: wrong kernels that the fixed cases of a tier miss are found, on the smallest case there is."""

from __future__ import annotations

import dataclasses
import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool import Capabilities, KernelSpec
from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.expect import Expectations, parse
from pytest_nki_pool.plan import Plan, Trial
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.search import Search, searches
from pytest_nki_pool.search import run as look
from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.verdict import CONSEQUENCES, Finding, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.spec.case import Case

pytestmark = pytest.mark.needs("hypothesis")

_MUTANTS = "pytest_nki_pool.kernels.mutants"

#: Kernels that are wrong in few cases only, and the smallest of these.
SMALLEST = {
    f"{_MUTANTS}.narrow:wrong_for_pool_of_five": "c1h5w5k5:fp32:ones",
    f"{_MUTANTS}.narrow:wrong_for_pool_of_seven": "c1h7w7k7:fp32:ones",
    f"{_MUTANTS}.narrow:wrong_for_pool_of_eleven": "c1h11w11k11:fp32:ones",
    f"{_MUTANTS}.tiling:wrong_for_two_channels_left_over": "c66h2w2k2:fp32:ones",
}
_RIGHT = KernelSpec("pytest_nki_pool.kernels.tutorial_returning:tensor_avgpool_kernel")


def _plan(spec: KernelSpec, tier: str = "smoke") -> Plan:
    return Plan((spec,), ("baremetal",), "emulator", ("trn2",), tier)


def _search(seconds: float = 60.0, **claims: object) -> Search:
    spec = KernelSpec("pool.py:pool", capabilities=Capabilities(**claims))
    return searches(_plan(spec), seconds)[0]


def _verdict(trial: Trial, status: Status, message: str = "") -> Verdict:
    return Verdict(trial.identity, Finding(status, message))


class _Enough(BaseException):
    """Ends a search."""


def _first(count: int, search: Search) -> list[Case]:
    """The first cases that a search looks at when none of them fails."""
    cases: list[Case] = []

    def judge(trial: Trial) -> Verdict:
        if len(cases) == count:
            raise _Enough
        cases.append(trial.case)
        return _verdict(trial, Status.PASS)

    with pytest.raises(_Enough):
        look(search, judge)
    return cases


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench("emulator", Path.cwd())


@pytest.mark.parametrize("target", SMALLEST)
def test_what_the_smoke_tier_misses_is_found_on_the_smallest_case(target: str, bench: Workbench) -> None:
    plan = _plan(KernelSpec(target))
    trials = [trial for group in GROUPS for trial in plan.trials(group)]
    assert trials
    assert {CONSEQUENCES[bench.verdict(trial).finding.status].gate for trial in trials} == {"good"}

    (search,) = searches(plan, 60)
    verdict, found = look(search, bench.verdict)

    assert found
    assert str(found.case) == SMALLEST[target]
    assert verdict.identity == search.identity
    assert verdict.finding.status is Status.FAIL
    assert f"found     {found.case} fails check exactness\n          the smallest of" in verdict.finding.message
    assert bench.verdict(found).finding.message in verdict.finding.message


def test_a_case_that_is_found_fails_again_by_the_line_below_it(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    text = file.read_text()
    assert text.count("1.0 / (pool_size * pool_size)") == 1
    file.write_text(text.replace("1.0 / (pool_size * pool_size)", "1.0 / (pool_size * pool_size - (pool_size == 5))"))
    flags = (f"--nki-kernel={right_kernel}", "--nki-backend=baremetal")

    missed = run(*suite, *flags, "--nki-tier=smoke")
    result = run(*suite, *flags, "--nki-check=search", "--nki-search=60")

    assert missed.ret == 0
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str()
    assert "FAIL: avgpool, baremetal on emulator trn2, check search" in said
    assert "  case      search:s0" in said
    found = re.search(r"^  found     (\S+) fails check (\w+)$", said, re.MULTILINE)
    assert found
    assert found[1] == "c1h5w5k5:fp32:ones"
    rerun = re.search(r"rerun +pytest (.+)", said)
    assert rerun
    assert rerun[1].endswith(f"--nki-check={found[2]} --nki-case={found[1]}")

    again = run(*shlex.split(rerun[1]))

    assert again.ret == pytest.ExitCode.TESTS_FAILED
    assert again.parseoutcomes()["failed"] == 1
    assert f"  case      {found[1]}" in again.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_right_kernel_passes_when_the_time_is_up(
    workers: tuple[str, ...], right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult]
) -> None:
    backends = "--nki-backend=baremetal"
    result = run(*suite, f"--nki-kernel={right_kernel}", backends, "--nki-check=search", "--nki-search=2", *workers)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 1


def test_the_verdict_of_a_search_that_finds_nothing_counts_the_cases() -> None:
    search = _search(0.5)
    verdict, found = look(search, lambda trial: _verdict(trial, Status.PASS))
    assert found is None
    assert verdict.finding.status is Status.PASS
    counts = re.fullmatch(r"(\d+) cases in 0\.\d s: (\d+) passed, none failed", verdict.finding.message)
    assert counts
    assert int(counts[1]) == int(counts[2]) > 10


def test_a_search_in_which_nothing_could_run_is_no_pass() -> None:
    verdict, _ = look(_search(0.2), lambda trial: _verdict(trial, Status.UNSUPPORTED))
    assert verdict.finding.status is Status.UNSUPPORTED


@pytest.mark.parametrize("status", [Status.FAIL, Status.CRASH, Status.INTERNAL, Status.DEVICE_LOST])
def test_the_verdict_is_that_of_the_case_found(status: Status) -> None:
    verdict, found = look(_search(), lambda trial: _verdict(trial, status, "why"))
    assert verdict.finding.status is status
    assert found
    assert str(found.case) == "c1h1w1k1:fp32:ones"
    assert verdict.finding.message.endswith("\nwhy")


def test_what_is_known_is_not_found_again(bench: Workbench) -> None:
    target = f"{_MUTANTS}.narrow:wrong_for_pool_of_five"
    known = '[[known_failure]]\nid = "exactness/*k5:*"\nreason = "known"'
    expectations = Expectations(tuple(parse(known, "known.toml")))
    (search,) = searches(_plan(KernelSpec(target)), 60)

    _, found = look(search, lambda trial: expectations.apply(bench.verdict(trial)))

    assert found
    assert (found.check.name, found.case.pool) == ("values", 5)


def test_an_entry_that_fits_cases_that_pass_is_not_what_is_looked_for() -> None:
    verdict, _ = look(_search(0.3), lambda trial: _verdict(trial, Status.XPASS))
    assert verdict.finding.status is not Status.XPASS


def test_the_time_counts_while_a_case_is_made_smaller() -> None:
    def judge(trial: Trial) -> Verdict:
        time.sleep(0.1)
        return _verdict(trial, Status.FAIL if trial.case.height > 1 else Status.PASS)

    verdict, found = look(_search(1.0), judge)

    assert 1.0 <= verdict.seconds < 1.5
    assert found
    assert "the smallest so far when the time was up" in verdict.finding.message


def test_a_kernel_that_fails_once_only_is_reported_all_the_same() -> None:
    seen = []

    def judge(trial: Trial) -> Verdict:
        seen.append(trial)
        return _verdict(trial, Status.FAIL if len(seen) == 5 else Status.PASS)

    verdict, found = look(_search(5.0), judge)

    assert verdict.finding.status is Status.FAIL
    assert found == seen[4]


CLAIMS = {
    "default": {},
    "one channel": {"max_channels": 1},
    "any size": {"max_channels": None, "max_image_bytes": None},
    "small images": {"max_image_bytes": 100},
    "whole windows": {"ragged": "reject"},
    "one dtype": {"dtypes": ("fp16",)},
    "integers": {"dtypes": ("int8", "fp8_e5m2")},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_cases_lie_within_the_claims(name: str) -> None:
    search = _search(**CLAIMS[name])
    claims = search.kernel.capabilities
    cases = _first(200, search)
    assert {claims.excludes(case, DTYPES[case.dtype].numpy.itemsize) for case in cases} == {""}
    assert {case.dtype for case in cases} == set(claims.dtypes)


def test_cases_are_of_every_family_and_size() -> None:
    cases = _first(2000, _search(max_channels=None, max_image_bytes=None))
    judged = {name for name, family in FAMILIES.items() if family.kind in {"structure", "numerics", "special"}}
    assert {case.family for case in cases} == judged
    assert max(case.channels for case in cases) > 256
    assert max(case.pool for case in cases) > 64
    assert max(case.width for case in cases) > 256
    assert any(case.height % case.pool and case.width % case.pool for case in cases)


def test_the_same_seed_looks_at_the_same_cases() -> None:
    first, second = (_first(20, dataclasses.replace(_search(), seed=seed)) for seed in (1, 2))
    assert first == _first(20, dataclasses.replace(_search(), seed=1))
    assert first != second


def test_searches_share_the_time() -> None:
    plan = dataclasses.replace(_plan(_RIGHT), backends=("baremetal", "torch", "jax"), platforms=("trn1", "trn2"))
    found = searches(plan, 30.0)
    assert [search.seconds for search in found] == [5.0] * 6
    assert len({search.identity for search in found}) == 6


def test_nothing_is_searched_unless_asked_for(
    suite: tuple[str, ...], run_here: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = (*suite, "--collect-only", "-q", "--nki-tier=smoke", "--nki-backend=baremetal")
    assert "[search/" not in run_here(*args).stdout.str()
    monkeypatch.setenv("NKI_POOL_SEARCH", "30")
    assert "[search/" in run_here(*args).stdout.str()
    assert "[search/" not in run_here(*args, "--nki-case=c2h6w6k2:fp32:ones").stdout.str()


REFUSED = {
    "no number": (("--nki-search=long",), "--nki-search: 'long' is no time; give a number of seconds above 0"),
    "no time": (("--nki-search=0",), "--nki-search: '0' is no time"),
    "negative": (("--nki-search=-3",), "--nki-search: '-3' is no time"),
    "no time at all": (("--nki-check=search",), "--nki-check: search needs a time: add --nki-search=SECONDS"),
    "with a case": (("--nki-search=3", "--nki-case=c2h6w6k2:fp32:ones"), "--nki-search looks for cases, --nki-case"),
    "its own case": (("--nki-case=search:s0",), "--nki-case: 'search:s0' is no case"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_usage_errors(name: str, suite: tuple[str, ...], run_here: Callable[..., pytest.RunResult]) -> None:
    args, says = REFUSED[name]
    result = run_here(*suite, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_without_hypothesis_it_says_how_to_install_it(
    suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        hide="""
        import importlib.util
        find_spec = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "hypothesis" else find_spec(name, *rest)
        """
    )
    result = run("-p", "hide", *suite, "--nki-search=5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    says = "--nki-search: hypothesis not installed; install with: pip install 'pytest-nki-pool[search]'"
    assert says in result.stderr.str()
