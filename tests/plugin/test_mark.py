"""The mark nki narrows what a test runs over, and refuses what it does not understand when the test is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Arguments of the mark, and what its refusal says.
REFUSED = {
    "unknown keyword": ('backend="torch"', "does not take backend; it takes backends, dtypes, max_cases, kernel"),
    "positional argument": ('"torch"', "does not take 'torch'; it takes backends"),
    "backend unknown": ('backends=["torch", "tf"]', "backends: 'tf' is not known; choose from baremetal, torch, jax"),
    "backends no list": ("backends=3", "backends: 3 is not known; choose from baremetal, torch, jax"),
    "dtype unknown": ('dtypes="float32"', "dtypes: 'float32' is not known; choose from fp32, bf16, fp16"),
    "no case": ("max_cases=0", "max_cases: must be a whole number of at least 1, not 0"),
    "cases no number": ('max_cases="3"', "max_cases: must be a whole number of at least 1, not '3'"),
    "kernel as text": ('kernel="pool.py:avgpool"', "kernel: must be a KernelSpec, not 'pool.py:avgpool'"),
    "group unknown": ('group="vlaues"', "group: 'vlaues' is not known; choose from values, exactness"),
}

_MARKED = """
@pytest.mark.nki({arguments})
def test_{number}({fixtures}):
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("fixtures", ["nki_case, nki_launch", "nki_backend", ""], ids=["cases", "backends", "none"])
def test_refused(
    fixtures: str, workers: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """Each error stands in a file of its own, so that one run shows them all."""
    for number, (arguments, _) in enumerate(REFUSED.values()):
        text = _MARKED.format(arguments=arguments, number=number, fixtures=fixtures)
        (pytester.path / f"test_{number}.py").write_text(f"import pytest\n\n{text}")

    result = run(*workers)

    assert result.ret != 0
    said = result.stdout.str()
    assert result.parseoutcomes() == {"errors": len(REFUSED)}
    for number, (_, says) in enumerate(REFUSED.values()):
        assert f"test_{number}: the mark nki {says}" in said
    assert "Traceback" not in said
    assert "collect.py" not in said, "where our own code stands helps nobody"


@pytest.mark.needs("torch", "jax")
def test_the_closest_mark_counts(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.nki(backends=["torch", "jax"], dtypes="fp32", max_cases=3)


        @pytest.mark.nki(backends="baremetal")
        class TestPool:
            def test_class(self, nki_backend, nki_case):
                assert (nki_backend, nki_case.dtype) == ("baremetal", "fp32")

            @pytest.mark.nki(dtypes="bf16", max_cases=2)
            def test_method(self, nki_backend, nki_case):
                assert (nki_backend, nki_case.dtype) == ("baremetal", "bf16")


        def test_module(nki_backend):
            assert nki_backend in ("torch", "jax")


        def test_without_fixtures():
            pass
        """
    )

    run().assert_outcomes(passed=3 + 2 + 2 + 1)
