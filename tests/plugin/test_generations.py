"""Platforms of one generation run once, and every verdict is shown for its generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of one channel's image that fit an SBUF partition of gen3 and gen4, and none of gen2.
_ABOVE_GEN2 = "c1h208w256k16:fp32:ones"


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_verdict_for_each_generation(
    workers: tuple[str, ...], right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult]
) -> None:
    result = run(
        *suite,
        *workers,
        f"--nki-kernel={right_kernel}",
        "--nki-platform=all",
        "--nki-backend=baremetal",
        "--nki-check=exactness",
        f"--nki-case=c2h6w6k2:fp32:ones,{_ABOVE_GEN2}",
    )

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "nki platform trn1=trn1n=inf2 (gen2), trn2 (gen3), trn3 (gen4) [[]--nki-platform[]]",
            "*average-pool conformance on emulator trn1 (gen2), emulator trn2 (gen3), emulator trn3 (gen4)*",
            "kernel   backend    generation  PASS  UNSUPPORTED *",
            "avgpool  baremetal  gen2           1            1 *",
            "avgpool  baremetal  gen3           2            0 *",
            "avgpool  baremetal  gen4           2            0 *",
        ]
    )


def test_the_rerun_line_names_the_platform(
    right_kernel: str, suite: tuple[str, ...], run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """A kernel that fits trn2 alone is wrong on trn1, and there only."""
    pytester.makeconftest(
        f"""
        from pytest_nki_pool import Capabilities, KernelSpec

        def pytest_nki_pool_kernels(config):
            return [KernelSpec({right_kernel!r}, capabilities=Capabilities(max_image_bytes=None))]
        """
    )
    result = run(
        *suite,
        "--nki-platform=inf2,trn2",
        "--nki-backend=baremetal",
        "--nki-check=exactness",
        f"--nki-case={_ABOVE_GEN2}",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "baremetal on emulator inf2, check exactness" in result.stdout.str()
    assert "baremetal on emulator trn2" not in result.stdout.str()
    assert "--nki-platform=inf2" in result.stdout.str()
