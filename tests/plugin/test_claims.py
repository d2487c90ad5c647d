"""What the command line claims of a kernel decides what is run and what is right."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

#: Right, but for two roundings: the sum takes the dtype of the image before it is divided.
_SUM_CAST = """
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def avgpool(image, k):
    c, h, w = image.shape
    assert 1 <= k <= min(h, w), f"k = {k} does not fit {h} x {w}"
    {more}
    out = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:c, 0:h // k, 0:k, 0:w // k, 0:k]
    nl.store(out, value=nl.sum(nl.load(image)[lane, k * row + down, k * column + across], axis=[2, 4]) / (k * k))
    return out
"""
CASE = "--nki-case=c4h9w12k3:fp16:normal:s0"


@pytest.fixture
def judge(pytester: pytest.Pytester, suite: tuple[str, ...], run: Run) -> Run:
    """Runs the suite on a kernel that rounds twice and has more statements if the test says so."""

    def runner(*args: str, more: str = "") -> pytest.RunResult:
        (pytester.path / "pool.py").write_text(_SUM_CAST.replace("{more}", more))
        return run(*suite, "--nki-kernel=pool.py:avgpool", "--nki-backend=baremetal", *args)

    return runner


def test_the_accuracy_class_decides_what_is_right(judge: Run) -> None:
    assert judge(CASE, "--nki-check=values").ret == pytest.ExitCode.TESTS_FAILED
    assert judge(CASE, "--nki-check=values", "--nki-accuracy=fp32").ret == pytest.ExitCode.TESTS_FAILED
    assert judge(CASE, "--nki-check=values", "--nki-accuracy=fp32_sum_cast").ret == 0


def collected(result: pytest.RunResult) -> set[tuple[str, str]]:
    """Check and case of each test that was collected."""
    found = (re.search(r"\[(\w+)/.*/(\S+)\]$", line) for line in result.outlines)
    return {(match[1], match[2]) for match in found if match}


def test_the_dtypes_claimed_are_those_of_the_corpus(judge: Run) -> None:
    listed = ("--collect-only", "-q", "--nki-tier=smoke")
    default = {case.split(":")[1] for check, case in collected(judge(*listed)) if check != "honesty"}
    assert default == {"fp32", "bf16", "fp16"}
    for flags in (("--nki-dtype=bf16,fp8_e5m2",), ("--nki-dtype=bf16", "--nki-dtype=fp8_e5m2")):
        trials = collected(judge(*listed, *flags))
        assert {case.split(":")[1] for check, case in trials if check != "honesty"} == {"bf16"}
        assert {case.split(":")[1] for check, case in trials if check == "honesty"} > {"fp32", "fp16", "fp8_e4m3"}


_REFUSAL = {
    "channels": (
        "assert c <= 64, 'at most 64 channels'",
        "c128h12w20k4:fp32:ints:s0",
        "--nki-max-channels={}",
        64,
        128,
    ),
    "channels, any": ("assert c <= 64, 'no'", "c65h6w6k2:fp32:ints:s0", "--nki-max-channels={}", 64, "none"),
    "image": ("assert h * w <= 256, 'too large'", "c2h20w20k2:fp32:ints:s0", "--nki-max-image-bytes={}", 1024, 1600),
    "image, any": (
        "assert h * w <= 256, 'too large'",
        "c2h20w20k2:fp32:ints:s0",
        "--nki-max-image-bytes={}",
        1599,
        "none",
    ),
    "trim": (
        "assert h % k == w % k == 0, 'a remainder'",
        "c3h5w7k2:fp32:ints:s0",
        "--nki-ragged={}",
        "reject",
        "floor",
    ),
    "dtype": (
        "assert image.dtype != nl.bfloat16, 'no bf16'",
        "c3h6w6k2:bf16:ints:s0",
        "--nki-dtype={}",
        "fp32",
        "fp32,bf16",
    ),
}


@pytest.mark.parametrize("name", _REFUSAL)
def test_a_refusal_is_right_beyond_the_claims_and_wrong_within(name: str, judge: Run) -> None:
    more, case, flag, less, enough = _REFUSAL[name]
    flags = ("--nki-check=exactness", f"--nki-case={case}")

    beyond = judge(*flags, f"{flag.format(less)}", "-rs", more=more)
    beyond.assert_outcomes(skipped=1)
    beyond.stdout.fnmatch_lines(["*UNSUPPORTED: *, and the kernel refuses it: AssertionError: *"])

    within = judge(*flags, f"{flag.format(enough)}", more=more)
    assert within.ret == pytest.ExitCode.TESTS_FAILED
    within.stdout.fnmatch_lines(["*the kernel refuses a case it claims: AssertionError: *"])


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("c2h64w96k2:fp32:ints:s0", "FAIL"),
        ("c2h64w98k2:fp32:ints:s0", "UNSUPPORTED"),
        ("c2h96w128k2:bf16:ints:s0", "FAIL"),
        ("c2h96w130k2:bf16:ints:s0", "UNSUPPORTED"),
    ],
)
def test_without_a_declared_limit_an_eighth_of_a_partition_must_fit(case: str, status: str, judge: Run) -> None:
    result = judge("--nki-check=exactness", f"--nki-case={case}", "-rs", more="assert h * w < 6144, 'does not fit'")
    assert result.stdout.str().count(f"{status}: ") == 1


def test_claims_replace_those_of_the_hook_and_leave_the_rest(judge: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_nki_pool import Capabilities, KernelSpec

        def pytest_nki_pool_kernels(config):
            claims = Capabilities(dtypes=("fp16",), accuracy="fp32_sum_cast")
            return [KernelSpec("pool.py:avgpool", name="mine", call=("x", "k"), capabilities=claims)]
        """
    )
    known = judge("--rootdir=.", ".", CASE, "--nki-check=values")
    assert known.ret == 0
    assert "mine " in known.stdout.str()
    assert judge("--rootdir=.", ".", CASE, "--nki-check=values", "--nki-dtype=fp16,bf16").ret == 0
    assert judge("--rootdir=.", ".", CASE, "--nki-check=values", "--nki-accuracy=fp32").ret == 1


def test_the_rerun_line_carries_the_claims(judge: Run, run: Run) -> None:
    claims = ("--nki-accuracy=fp32", "--nki-dtype=fp16,fp32", "--nki-max-channels=none", "--nki-ragged=reject")
    first = judge("--nki-check=values", "--nki-tier=smoke", "--maxfail=1", *claims, "--nki-max-image-bytes=4096")
    rerun = first.stdout.str().partition("  rerun ")[2].splitlines()[0].strip()
    assert [flag for flag in claims if flag not in shlex.split(rerun)] == []
    assert "--nki-max-image-bytes=4096" in rerun
    assert run(*shlex.split(rerun)[1:]).ret == pytest.ExitCode.TESTS_FAILED


def test_the_environment_claims_as_well(judge: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NKI_POOL_ACCURACY", "fp32_sum_cast")
    assert judge(CASE, "--nki-check=values").ret == 0
