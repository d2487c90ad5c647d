"""Groups that vary who hands the input over, or who wrote the golden: what they catch is no mistake of a kernel.

Here the kernel is right and what carries its arrays is wrong, or the golden is: the group meant for the mistake sees
it, and no other group does.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pytest_nki_pool.kernels import SPECS

from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.plan import Plan
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec import acceptance, oracle
from pytest_nki_pool.verdict import CONSEQUENCES

KERNEL = next(spec for spec in SPECS if spec.name == "production_current")
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="the extra torch is not installed")
needs_onnx = pytest.mark.skipif(find_spec("onnx") is None, reason="the extra onnx is not installed")


class WrongPath:
    """A framework path with one mistake; the rest is that of the path it wraps."""

    def __init__(self, path):
        self._path = path

    def __getattr__(self, name):
        return getattr(self._path, name)


class ReadsMemoryInItsOrder(WrongPath):
    """Hand the elements over as they lie in memory, whatever the strides say."""

    def wrap(self, op):
        run = self._path.wrap(op)
        return lambda x, k: run(x.ravel(order="K").reshape(x.shape), k)


class RoundsAddressDown(WrongPath):
    """Start reading where the dtype may start."""

    def wrap(self, op):
        run = self._path.wrap(op)

        def launch(x, k):
            beyond = x.ctypes.data % x.itemsize
            raw = np.roll(np.frombuffer(x.tobytes(), np.uint8), beyond)
            return run(np.frombuffer(raw.tobytes(), x.dtype).reshape(x.shape) if beyond else x, k)

        return launch


class SumsGradients(WrongPath):
    """Give every element of a window the whole gradient."""

    def wrap(self, op):
        adjoint = op.adjoint
        return self._path.wrap(dataclasses.replace(op, adjoint=lambda grad, x, k: adjoint(grad, x, k) * k))


class ForgetsTrimInGradient(WrongPath):
    """Let the gradient reach the rows and columns that no window covers."""

    def wrap(self, op):
        adjoint = op.adjoint

        def spread(grad, x, k):
            whole = adjoint(grad, x, k)
            return np.where(whole == 0, whole.dtype.type(1), whole)

        return self._path.wrap(dataclasses.replace(op, adjoint=spread))


class LosesSignOfZero(WrongPath):
    """Add zero to every result, which makes -0 of it +0."""

    def to_numpy(self, value):
        array = self._path.to_numpy(value)
        return np.where(array == 0, np.zeros((), array.dtype), array)


class FlushesSubnormals(WrongPath):
    """Run on a thread that takes subnormal results for zero."""

    def to_numpy(self, value):
        array = self._path.to_numpy(value)
        tiny = np.abs(array.astype(np.float64)) < 2.0**-126
        return np.where(tiny, np.zeros((), array.dtype), array)


def groups_that_object(wrong, backend, groups=GROUPS):
    backends = ("baremetal", "torch") if backend == "torch" else (backend,)
    bench = Workbench("emulator", Path.cwd())
    make = bench.launcher

    def launcher(spec, name, platform):
        made = make(spec, name, platform)
        return dataclasses.replace(made, path=wrong(made.path), _wrapped={}) if name == backend else made

    bench.launcher = launcher
    plan = Plan((KERNEL,), backends, "emulator", ("trn2",))
    return objecting(bench, plan, groups)


def objecting(bench, plan, groups):
    small = {
        group: [t for t in plan.trials(group) if t.case.channels * t.case.height * t.case.width < 2_000]
        for group in groups
    }
    return {
        group
        for group, trials in small.items()
        if any(CONSEQUENCES[bench.verdict(trial).finding.status].gate != "good" for trial in trials)
    }


@pytest.mark.parametrize("wrong", [ReadsMemoryInItsOrder, RoundsAddressDown])
def test_layouts_alone_see_an_array_misread(wrong):
    assert groups_that_object(wrong, "baremetal") == {"layouts"}


@needs_torch
@pytest.mark.parametrize("wrong", [SumsGradients, ForgetsTrimInGradient])
def test_frameworks_alone_see_a_wrong_gradient(wrong):
    assert groups_that_object(wrong, "torch") == {"frameworks"}


@needs_torch
@pytest.mark.parametrize("wrong", [LosesSignOfZero, FlushesSubnormals])
def test_agreement_alone_sees_bits_that_any_single_backend_may_have(wrong):
    assert groups_that_object(wrong, "torch", [g for g in GROUPS if g != "frameworks"]) == {"agreement"}


def by_the_side(x, k):
    """What makes of the mean a sum divided by the side of the window."""
    return scaled(x, k)


def not_at_all(x, k):
    """What makes of the mean a sum."""
    return scaled(x, k * k)


def scaled(x, factor):
    with np.errstate(all="ignore"):
        return (x.astype(np.float64) * factor).astype(x.dtype)


@needs_onnx
@pytest.mark.parametrize("divided", [by_the_side, not_at_all])
def test_foreign_alone_sees_a_divisor_that_kernel_and_golden_have_wrong(divided, monkeypatch):
    class Misread(WrongPath):
        def wrap(self, op):
            run = self._path.wrap(op)
            return lambda x, k: run(divided(x, k) if k >= 1 else x, k)

    expect, golden = acceptance.expect, oracle.golden
    monkeypatch.setattr(acceptance, "expect", lambda x, k, accuracy: expect(divided(x, k), k, accuracy))
    monkeypatch.setattr(oracle, "golden", lambda x, k: golden(divided(x, k), k))
    assert groups_that_object(Misread, "baremetal", [g for g in GROUPS if g != "statistics"]) == {"foreign"}
