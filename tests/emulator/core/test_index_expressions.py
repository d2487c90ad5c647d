"""Random affine index expressions against NumPy fancy indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.core.access import basic_selection
from pytest_nki_pool.emulator.legacy import language as nl


@st.composite
def subscripts(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A tensor shape and, per dimension, (offset, loop coefficient, (coefficient, count) per axis)."""
    counts = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    lifted = st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, -1, 3]), min_size=len(counts), max_size=len(counts))
    shape, entries = [], []
    for _ in range(draw(st.integers(1, 4))):
        coefficients, loop = draw(lifted), draw(st.sampled_from([0, 0, 1]))
        spans = [c * (n - 1) for c, n in zip(coefficients, counts, strict=True)]
        low, high = sum(min(s, 0) for s in spans), sum(max(s, 0) for s in spans) + loop
        offset = draw(st.sampled_from([0] * 9 + [-1])) - low  # one in ten leaves the tensor at its start
        slack = draw(st.sampled_from([0] * 5 + [1, 2, 3, 4, -1]))  # and one in ten at its end
        shape.append(max(1, offset + high + 1 + slack))
        entries.append((offset, loop, coefficients))
    return tuple(shape), entries, counts


def build(arange: Any, entry: Any, counts: list[int], loop: Any) -> Any:
    """One expression, written as a kernel writes it, for `nl` and for NumPy alike."""
    offset, loop_coefficient, coefficients = entry
    expression = None
    for axis, (coefficient, count) in enumerate(zip(coefficients, counts, strict=True)):
        lift = tuple(slice(None) if a == axis else None for a in range(len(counts)))
        term = coefficient * arange(count)[lift] if coefficient else None
        if term is not None:
            expression = term if expression is None else expression + term
    if expression is None:
        expression = arange(1)[(slice(None), *[None] * (len(counts) - 1))]
    return offset + expression + loop * loop_coefficient


@settings(suppress_health_check=list(HealthCheck))
@given(subscripts())
def test_loads_and_stores_agree_with_fancy_indexing(case: Any) -> None:
    shape, entries, counts = case
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    keys = [tuple(build(np.arange, entry, counts, loop) for entry in entries) for loop in range(2)]
    inside = all(k.min() >= 0 and k.max() < n for key in keys for k, n in zip(key, shape, strict=True))

    def kernel(x: Any) -> Any:
        loaded = np.broadcast_shapes(*(k.shape for k in keys[0]))
        out = nl.ndarray((2, *loaded), nl.float32, buffer=nl.shared_hbm)
        for i in nl.sequential_range(2):
            tile = nl.load(x[tuple(build(nl.arange, entry, counts, i) for entry in entries)])
            nl.store(out[i], tile)
        return out

    if not inside:
        with pytest.raises(NKIError, match="Out-of-bound access for tensor `x`"):
            launch(kernel, x)
        return
    assert np.array_equal(launch(kernel, x), np.stack([np.broadcast_arrays(x[key])[0] for key in keys]))


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7)),
    data=st.data(),
)
def test_partial_writes_and_what_is_missing_agree_with_numpy(shape: tuple[int, ...], data: Any) -> None:
    expected = np.zeros(shape, np.float32)
    written = np.zeros(shape, bool)
    keys = []
    for value in range(1, data.draw(st.integers(1, 4)) + 1):
        key = []
        for size in shape:
            start = data.draw(st.integers(0, size - 1))
            stop = data.draw(st.integers(start + 1, size))
            key.append(slice(start, stop, data.draw(st.integers(1, 3))))
        keys.append(tuple(key))
        expected[tuple(key)] = value
        written[tuple(key)] = True

    def kernel(x: Any) -> Any:
        out = nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm)
        for value, key in enumerate(keys, 1):
            nl.store(out[key], value)
        return out

    if written.all():
        assert np.array_equal(launch(kernel, np.zeros((1, 1), np.float32)), expected)
        return
    with pytest.raises(NKIError, match="was written in part") as caught:
        launch(kernel, np.zeros((1, 1), np.float32))
    first = [int(i) for i in np.argwhere(~written)[0]]
    assert f"{np.count_nonzero(~written)} of {written.size} elements are missing, first at {first}" in str(caught.value)


@pytest.mark.parametrize("later", [slice(0, 2, 0), [0], 1.5, slice(2, 2), slice("a", 2)], ids=str)
def test_a_subscript_that_is_malformed_is_not_reported_as_out_of_bounds(later: Any) -> None:
    with pytest.raises(NKIError) as caught:
        basic_selection((slice(0, 9), later), (4, 4), "t", negative=False)
    assert caught.value.rule == ""
    with pytest.raises(NKIError) as caught:
        basic_selection((slice(0, 9), slice(0, 2)), (4, 4), "t", negative=False)
    assert caught.value.rule == "err_tensor_access_out_of_bound"
