"""A run in which nothing ran, or not all of it, is never green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

_FLAGS = ("--nki-tier=smoke", "--nki-backend=baremetal")

#: Ways to choose what does not exist.
NOTHING = {
    "keyword": ("-k", "nothing-is-called-this"),
    "mark": ("-m", "not nki"),
    "deselected": ("--deselect=test_values.py", "--nki-check=values"),
    "a comparison of one path": ("--nki-check=agreement",),
    "a group without cases in the tier": ("--nki-check=frameworks", "--nki-backend=torch"),
    "a check of another path": ("--nki-check=jax_jit", "--nki-tier=standard"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_chosen(name: str, right_kernel: str, suite: tuple[str, ...], run: Run) -> None:
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, *NOTHING[name])
    assert result.ret != 0
    assert "passed" not in result.parseoutcomes()


def test_nothing_chosen_in_workers(right_kernel: str, suite: tuple[str, ...], run: Run) -> None:
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, "--nki-check=agreement", "-n", "2")
    assert result.ret != 0
    assert "passed" not in result.parseoutcomes()


def test_only_what_the_kernel_refuses(right_kernel: str, suite: tuple[str, ...], run: Run) -> None:
    case = "--nki-case=c300h6w6k2:fp32:normal:s0"
    result = run(*suite, f"--nki-kernel={right_kernel}", *_FLAGS, "--nki-check=values", case)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "nothing was executed" in result.stdout.str()


@pytest.mark.parametrize("restarts", [(), ("--max-worker-restart=0",)], ids=["restarted", "not restarted"])
def test_workers_that_die_in_every_case_leave_no_green_and_no_case_uncounted(
    restarts: tuple[str, ...], right_kernel: str, suite: tuple[str, ...], run: Run, pytester: pytest.Pytester
) -> None:
    file = pytester.path / "pool.py"
    dies = "import os; os.kill(os.getpid(), 9); c, h, w = in_tensor.shape"
    file.write_text(file.read_text().replace("c, h, w = in_tensor.shape", dies))
    cases = ",".join(f"c{channels}h6w6k2:fp32:ones" for channels in range(1, 5))

    result = run(
        *suite,
        f"--nki-kernel={right_kernel}",
        *_FLAGS,
        "--nki-check=values",
        f"--nki-case={cases}",
        "-n",
        "2",
        *restarts,
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    head = next(line.split() for line in result.outlines if line.startswith("kernel "))
    row = next(line.split() for line in result.outlines if line.startswith("avgpool "))
    statuses = head[3 : head.index("worst")]
    assert set(statuses) <= {"CRASH", "NOT_RUN"}
    assert "CRASH" in statuses
    assert sum(map(int, row[3 : 3 + len(statuses)])) == 4
