"""What is not installed is named, in the header and in the table, and the rest runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A plugin that makes modules impossible to find or import, as in an environment without them.
_HIDE = """
import importlib.util
import sys

HIDDEN = {hidden!r}
find_spec = importlib.util.find_spec


class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Nowhere())
importlib.util.find_spec = lambda name, *rest: None if name.partition(".")[0] in HIDDEN else find_spec(name, *rest)
"""

_PATHS = ("baremetal", "torch", "jax")


@pytest.fixture
def without(pytester: pytest.Pytester) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Gives the arguments of a run without some modules."""

    def hide(modules: Sequence[str]) -> tuple[str, ...]:
        pytester.makepyfile(hide=_HIDE.format(hidden=tuple(modules)))
        return ("-p", "hide")

    return hide


@pytest.mark.needs("torch", "jax", "xdist")
@pytest.mark.parametrize(
    ("hidden", "workers"),
    [(("torch",), ()), (("jax", "jaxlib"), ("-n", "2")), (("torch", "jax", "jaxlib", "onnx"), ())],
    ids=["torch", "jax under xdist", "all"],
)
def test_a_default_run_names_what_is_missing_and_runs_the_rest(
    hidden: tuple[str, ...],
    workers: tuple[str, ...],
    without: Callable[[Sequence[str]], tuple[str, ...]],
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
) -> None:
    result = run(
        *without(hidden),
        *suite,
        *workers,
        f"--nki-kernel={right_kernel}",
        "--nki-tier=smoke",
        "--nki-check=exactness,agreement",
    )

    assert result.ret == 0
    there = [path for path in _PATHS if path not in hidden]
    result.stdout.fnmatch_lines([f"nki backend  {', '.join(there)} [[]default[]]"])
    rows = [line.split()[1] for line in result.outlines if line.startswith("avgpool ")]
    assert rows == sorted([*there, *(["+".join(there)] if len(there) > 1 else [])])
    for name in {"torch", "jax"} & set(hidden):
        said = [line for line in result.outlines if f"not run: {name}: " in line]
        assert len(said) == 2, "once in the header and once below the table"
        assert all(f"install with: pip install 'pytest-nki-pool[{name}]'" in line for line in said)
    assert "not run: check onnx" not in result.stdout.str(), "that check was not asked for"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--nki-tier=standard",), ["onnx"]),
        (("--nki-tier=full",), ["onnx", "torch_samples"]),
        (("--nki-check=values",), []),
        (("--nki-case=c3h9w9k3:fp32:torch_op",), ["torch_samples"]),
    ],
    ids=["standard", "full", "other check", "single case"],
)
def test_a_check_that_lacks_a_package_is_named_where_it_would_have_cases(
    args: tuple[str, ...],
    said: list[str],
    without: Callable[[Sequence[str]], tuple[str, ...]],
    right_kernel: str,
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
) -> None:
    kernel = f"--nki-kernel={right_kernel}"

    result = run(*without(("onnx", "expecttest")), *suite, kernel, "--nki-backend=baremetal", "--collect-only", *args)

    lines = [line for line in result.outlines if line.startswith("nki not run: check ")]
    assert [line.split()[4].rstrip(":") for line in lines] == said


def test_cases_of_users_tests_need_nothing_that_is_missing(
    without: Callable[[Sequence[str]], tuple[str, ...]],
    right_kernel: str,
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from pytest_nki_pool.spec import data


        def test_case(nki_case):
            assert data.make(nki_case).shape == nki_case.shape
        """
    )
    result = run(*without(("onnx",)), "--nki-tier=smoke")
    assert result.ret == 0
    assert "failed" not in result.parseoutcomes()
