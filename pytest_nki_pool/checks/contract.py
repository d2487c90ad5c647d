"""What a kernel promises whatever the numbers: the form of its output, and to refuse what is no average pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import (
    PASS,
    Check,
    KernelRaised,
    carried,
    failed,
    judged,
    launch,
    launch_native,
    same_bits,
)
from pytest_nki_pool.checks.explain import explain
from pytest_nki_pool.launch.errors import is_refusal
from pytest_nki_pool.launch.layouts import LAYOUTS
from pytest_nki_pool.spec import acceptance
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens
    from pytest_nki_pool.verdict import Finding

_REPEATS = 3


def output_form(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """The output has shape (C, H // k, W // k), the input's dtype, and memory of its own."""
    x = goldens.input(case)
    native = carried(launcher, x)
    got = launcher.path.to_numpy(launch_native(launcher, native, case.pool))
    shape = (case.channels, case.height // case.pool, case.width // case.pool)
    if got.shape != shape or got.dtype != x.dtype:
        return failed(f"returns {got.dtype} of shape {got.shape}, expected {x.dtype} of shape {shape}")
    if np.shares_memory(got, launcher.path.to_numpy(native)):
        return failed("the output shares memory with the input")
    return PASS


def inputs_intact(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """The launch leaves its input as it was, bit for bit."""
    native = carried(launcher, goldens.input(case))
    launch_native(launcher, native, case.pool)
    if not same_bits(launcher.path.to_numpy(native), goldens.input(case)):
        return failed("the launch changed its input")
    return PASS


def determinism(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """The same input gives the same bits every time."""
    outputs = [launch(launcher, goldens.input(case), case.pool) for _ in range(_REPEATS)]
    for repeat, output in enumerate(outputs[1:], start=2):
        if not same_bits(outputs[0], output):
            return failed(f"launch {repeat} of the same input returns other bits than the first")
    return PASS


def fresh_inputs(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Different inputs after one another are each computed anew: a remembered result shows."""
    accuracy = launcher.kernel.spec.capabilities.accuracy
    first = judged(case, launcher, goldens)
    if first.status is not Status.PASS:
        return first
    other = np.ascontiguousarray(goldens.input(case)[::-1, ::-1, ::-1])
    expected = acceptance.expect(other, case.pool, accuracy)
    verdict = acceptance.judge(launch(launcher, other.copy(), case.pool), expected)
    if not verdict.ok:
        return failed(f"right for one input, wrong for the next:\n{explain(verdict, expected, other)}")
    return judged(case, launcher, goldens)


def refuses_pool_size(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Pool sizes below 1 and above min(H, W) raise."""
    too_large = min(case.height, case.width) + 1
    for k in (0, -1, too_large):
        finding = _must_raise(launcher, goldens.input(case), k, f"pool size {k}")
        if finding is not PASS:
            return finding
    return PASS


def refuses_rank(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """An input that is not C x H x W, or N x C x H x W for a kernel that takes batches, raises."""
    image = goldens.input(case)
    batched = LAYOUTS[launcher.kernel.spec.layout].batched
    for x in (image[0].copy(), image[None, None] if batched else image[None]):
        finding = _must_raise(launcher, x, case.pool, f"an input of rank {x.ndim}")
        if finding is not PASS:
            return finding
    return PASS


def refuses_empty(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """An input without channels raises."""
    return _must_raise(launcher, goldens.input(case)[:0], case.pool, "an input without channels")


def refuses_dtype(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """A float64 input raises: NeuronCore has no float64 (source: NKI data types)."""
    return _must_raise(launcher, goldens.input(case).astype(np.float64), case.pool, "a float64 input")


def _must_raise(launcher: Launcher, x: np.ndarray, k: int, what: str) -> Finding:
    try:
        got = launch(launcher, x, k)
    except KernelRaised as raised:
        if is_refusal(raised.error):
            return PASS
        raise
    return failed(f"{what} must raise, but returned {got.dtype} of shape {got.shape}")


CHECKS = (
    Check("output_form", "contract", "shape, dtype and memory of the output", output_form),
    Check("inputs_intact", "contract", "the input is left as it was", inputs_intact),
    Check("determinism", "contract", "the same input gives the same bits", determinism),
    Check("fresh_inputs", "contract", "no result is remembered from another input", fresh_inputs),
    Check("refuses_pool_size", "contract", "k < 1 and k > min(H, W) raise", refuses_pool_size),
    Check("refuses_rank", "contract", "an input that is not C x H x W raises", refuses_rank),
    Check("refuses_empty", "contract", "an empty input raises", refuses_empty),
    Check("refuses_dtype", "contract", "a dtype NeuronCore lacks raises", refuses_dtype),
)
