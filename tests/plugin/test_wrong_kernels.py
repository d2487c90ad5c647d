"""A wrong kernel fails, and the failure says where, what was expected, what came, and how to run it again."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_SMOKE = ("--nki-tier=smoke", "--nki-backend=baremetal")


def _break(pytester: pytest.Pytester, old: str, new: str) -> str:
    file = pytester.path / "pool.py"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return "--nki-kernel=pool.py:avgpool"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.0 / (pool_size * pool_size)", "1.0 / pool_size"),
        ("pool_size * i_r + i_y, pool_size * i_c + i_x", "pool_size * i_r + i_y, i_c + i_x"),
    ],
    ids=["divisor k", "window off by one"],
)
def test_wrong_numbers(
    old: str,
    new: str,
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    kernel = _break(pytester, old, new)

    result = run(*suite, kernel, *_SMOKE, "--nki-check=values")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str()
    for pattern in (
        r"FAIL: avgpool, baremetal on emulator trn2, check values",
        r"  case +c\d+h\d+w\d+k\d+:\w+:\w+:s0",
        r"first bad element",
        r"expected",
        r"got",
        r"window",
        r"  rerun +pytest --pyargs pytest_nki_pool.conformance --nki-kernel=pool.py:avgpool",
    ):
        assert re.search(pattern, said), pattern
    assert "Traceback" not in said


def test_the_rerun_line_runs_the_failed_case_alone(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    kernel = _break(pytester, "1.0 / (pool_size * pool_size)", "1.0 / pool_size")
    first = run(*suite, kernel, *_SMOKE, "--nki-check=values", "--maxfail=1")
    rerun = re.search(r"rerun +pytest (.+)", first.stdout.str())
    assert rerun

    second = run(*shlex.split(rerun[1]))

    second.assert_outcomes(failed=1, deselected=second.parseoutcomes().get("deselected", 0))
    case = re.search(r"  case +(\S+)", first.stdout.str())
    assert case
    assert f"  case      {case[1]}" in second.stdout.str()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nl.store(out, value=nl.multiply(total", "nl.store(out[0:1], value=nl.multiply(total[0:1]", "written in part"),
        ("out = nl.ndarray(", "out = nl.nosuchname(", "the kernel is broken: AttributeError"),
        (
            'assert 1 <= pool_size <= min(h, w), f"pool_size {pool_size} does not fit {h} x {w}"',
            "pool_size = max(1, pool_size)",
            "must raise",
        ),
        (
            "c, h, w = in_tensor.shape",
            "c, h, w = in_tensor.shape; assert c < 3, 'too many'",
            "the kernel refuses a case it claims: AssertionError: too many",
        ),
    ],
    ids=["output partly written", "no such name", "accepts any pool size", "refuses what it claims"],
)
def test_broken_contract(
    old: str,
    new: str,
    says: str,
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    kernel = _break(pytester, old, new)
    result = run(*suite, kernel, *_SMOKE, "--nki-check=values,refuses_pool_size")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert says in result.stdout.str()


def test_a_gap_of_the_emulator_is_no_verdict_about_the_kernel(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    kernel = _break(pytester, "tile = nl.load(in_tensor)", "tile = nl.gather_flattened(in_tensor, in_tensor)")
    result = run(*suite, kernel, *_SMOKE, "--nki-check=values")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNAL: avgpool" in result.stdout.str()
    assert "the emulator cannot judge this kernel" in result.stdout.str()
    assert "gather_flattened" in result.stdout.str()


def test_refusal_outside_the_claims_is_unsupported(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult]
) -> None:
    result = run(
        *suite,
        f"--nki-kernel={right_kernel}",
        "--nki-backend=baremetal",
        "--nki-check=values",
        "--nki-case=c129h4w4k2:fp32:normal:s0",
        "-rs",
    )
    assert "UNSUPPORTED: 129 channels exceed the claimed 128, and the kernel refuses it" in result.stdout.str()
    assert result.ret == 1, "nothing was executed"
    assert "nothing was executed" in result.stdout.str()
