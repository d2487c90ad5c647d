"""`--nki-expect`: known failures still run, and an entry that is no longer true fails the run."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

_FLAGS = ("--nki-tier=smoke", "--nki-backend=baremetal", "--nki-check=values", "--nki-expect=known.toml")
_THREE = "--nki-kernel=pool.py:avgpool"
_KNOWN = """
[[known_failure]]
id = "values/avgpool/*k3:*"
reason = "the divisor is one too large for k = 3"
message = "outputs are wrong"
"""


@pytest.fixture
def wrong_for_three(right_kernel: str, pytester: pytest.Pytester) -> None:
    """The kernel is wrong for pools of three, and nothing else."""
    file = pytester.path / "pool.py"
    text = file.read_text()
    assert text.count("1.0 / (pool_size * pool_size)") == 1
    file.write_text(text.replace("1.0 / (pool_size * pool_size)", "1.0 / (pool_size * pool_size + (pool_size == 3))"))


@pytest.fixture
def known(pytester: pytest.Pytester) -> Callable[[str], None]:
    """Writes the file of expectations."""
    return lambda text: (pytester.path / "known.toml").write_text(text) and None


@pytest.mark.usefixtures("wrong_for_three")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_known_failure_runs_and_lets_the_run_be_green(
    workers: tuple[str, ...], suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known(_KNOWN)
    result = run(*suite, _THREE, *_FLAGS, *workers, "-rx")
    assert result.ret == 0
    outcomes = result.parseoutcomes()
    assert outcomes["xfailed"] > 0
    assert outcomes["passed"] > 0
    said = result.stdout.str()
    assert "known failure, known.toml, known_failure 1: the divisor is one too large for k = 3" in said
    assert "outputs are wrong" in said
    assert re.search(r"^kernel .*PASS +XFAIL", said, re.MULTILINE)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_an_unexpected_pass_fails_and_so_does_its_rerun_line(
    workers: tuple[str, ...], right_kernel: str, suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known(_KNOWN)
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str()
    assert "XPASS: avgpool, baremetal on emulator trn2, check values" in said
    assert "passes, but is a known failure, known.toml, known_failure 1" in said
    assert "remove the entry" in said

    rerun = re.search(r"rerun +pytest (.+)", said)
    assert rerun
    again = run(*shlex.split(rerun[1]))
    assert again.ret == pytest.ExitCode.TESTS_FAILED
    assert again.parseoutcomes()["failed"] == 1


@pytest.mark.usefixtures("wrong_for_three")
def test_another_message_stays_a_failure(suite: tuple[str, ...], run: Run, known: Callable[[str], None]) -> None:
    known(_KNOWN.replace("outputs are wrong", "the kernel refuses"))
    result = run(*suite, _THREE, *_FLAGS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "FAIL: avgpool, baremetal" in result.stdout.str()
    assert "expected a message with 'the kernel refuses', but it is" in result.stdout.str()


@pytest.mark.usefixtures("wrong_for_three")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_day_that_has_passed_fails_the_run_even_where_nothing_else_does(
    workers: tuple[str, ...], suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known(_KNOWN + 'until = 2020-02-29\n[[known_flaky]]\nid = "*"\nreason = "all"\nuntil = 2020-03-01')
    result = run(*suite, _THREE, *_FLAGS, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str()
    assert "known.toml, known_failure 1 expired on 2020-02-29: the divisor is one too large for k = 3" in said
    assert "known.toml, known_flaky 1 expired on 2020-03-01: all" in said
    assert "FAIL: avgpool" in said

    known('[[known_flaky]]\nid = "values/avgpool/*k2:*"\nreason = "cold"\nuntil = 2020-03-01')
    passing = run(*suite, _THREE, *_FLAGS, *workers, "-k", "not k3")
    assert passing.ret == pytest.ExitCode.TESTS_FAILED
    assert "failed" not in passing.parseoutcomes()
    assert "known.toml, known_flaky 1 expired on 2020-03-01: cold" in passing.stdout.str()


@pytest.mark.usefixtures("wrong_for_three")
def test_a_flaky_case_runs_and_never_decides(suite: tuple[str, ...], run: Run, known: Callable[[str], None]) -> None:
    known('[[known_flaky]]\nid = "*"\nreason = "cold"')
    result = run(*suite, _THREE, *_FLAGS)
    assert result.ret == 0
    row = next(line.split() for line in result.outlines if line.startswith("avgpool "))
    head = next(line.split() for line in result.outlines if line.startswith("kernel "))
    assert head[3] == "FLAKY"
    assert int(row[3]) == result.parseoutcomes()["passed"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_an_entry_about_nothing_fails_the_run(
    workers: tuple[str, ...], right_kernel: str, suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known('[[known_failure]]\nid = "values/avgpol/*"\nreason = "misspelt"')
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "failed" not in result.parseoutcomes()
    assert "nki-pool: known.toml, known_failure 1 fits no case of any run: values/avgpol/*" in result.stdout.str()


#: What the rest of the suite is about, seen from a run of a part of one check at smoke.
ELSEWHERE = {
    "another check": "exactness/avgpool/*",
    "another tier": "values/avgpool/*/c2048h7w7k7:*",
    "another path": "values/avgpool/torch/*",
    "several paths": "agreement/avgpool/baremetal+jax/*",
    "another chip": "values/avgpool/*/inf2/*",
    "a device": "values/avgpool/*/device/*",
    "another seed": "values/avgpool/*:s0",
    "a search": "search/avgpool/*",
    "a keyword": "values/avgpool/*k3:*",
}


def test_a_run_of_a_part_does_not_take_entries_about_the_rest_for_mistakes(
    right_kernel: str, suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known("\n".join(f'[[known_failure]]\nid = "{glob}"\nreason = "{name}"' for name, glob in ELSEWHERE.items()))
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, "--nki-seed=3", "-k", "k2 and not k3")
    assert result.ret == 0, result.stdout.str()


def test_a_run_of_single_cases_does_not_judge_the_entries(
    right_kernel: str, suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    known('[[known_failure]]\nid = "another/kernel/*"\nreason = "x"')
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, "--nki-case=c2h6w6k2:fp32:normal:s0")
    assert result.ret == 0, result.stdout.str()


@pytest.mark.usefixtures("wrong_for_three")
def test_kernels_of_the_hook_that_were_not_named_are_known(
    suite: tuple[str, ...], run: Run, known: Callable[[str], None], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        from pytest_nki_pool import KernelSpec

        def pytest_nki_pool_kernels(config):
            return [KernelSpec("pool.py:avgpool"), KernelSpec("other.py:avgpool", name="other")]
        """
    )
    known(_KNOWN + '\n[[known_failure]]\nid = "values/other/*"\nreason = "another kernel"')
    assert run("--rootdir=.", *suite, ".", _THREE, *_FLAGS).ret == 0


def test_a_worker_that_dies_as_expected(
    right_kernel: str, suite: tuple[str, ...], run: Run, known: Callable[[str], None], pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    dies = "import os; pool_size == 3 and os.kill(os.getpid(), 9); c, h, w = in_tensor.shape"
    file.write_text(file.read_text().replace("c, h, w = in_tensor.shape", dies))
    known('[[known_failure]]\nid = "values/avgpool/*k3:*"\nreason = "driver"\nstatus = "CRASH"')
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, "-n", "2")
    assert result.ret == 0, result.stdout.str()
    assert result.parseoutcomes()["xfailed"] > 0


REFUSED = {
    "no such file": ("", ("--nki-expect: ", "known.toml cannot be read: No such file or directory")),
    "no TOML": ("id = *", ("--nki-expect: known.toml is no TOML: ", "line 1")),
    "no reason": ('[[known_failure]]\nid = "*"', ("--nki-expect: known.toml, known_failure 1: reason is missing",)),
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("name", REFUSED)
def test_usage_errors(
    name: str, workers: tuple[str, ...], suite: tuple[str, ...], run: Run, known: Callable[[str], None]
) -> None:
    text, says = REFUSED[name]
    if text:
        known(text)
    result = run(*suite, *_FLAGS, *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for fragment in says:
        assert fragment in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_an_ini_key_does_not_fail_tests_of_others(
    run: Run, known: Callable[[str], None], pytester: pytest.Pytester
) -> None:
    known('[[known_failure]]\nid = "a/b/c"\nreason = "about nothing"')
    pytester.makeini("[pytest]\nnki_expect = known.toml\n")
    pytester.makepyfile(test_other="def test_other():\n    pass\n")
    assert run().ret == 0
