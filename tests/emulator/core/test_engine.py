"""Operations on access patterns that overlap, repeat or lie anywhere in a storage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.access import AccessPattern, Span
from pytest_nki_pool.emulator.legacy import language as nl

X = np.random.default_rng(0).integers(-9, 9, (128, 30, 40)).astype(np.float32)


def after(change: Any, x: np.ndarray = X) -> np.ndarray:
    """Values of a tile after an operation on its access pattern."""

    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        tile += 0  # memory of its own
        change(tile.access)
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, tile)
        return out

    result = launch(kernel, x)
    assert isinstance(result, np.ndarray)
    return result


def test_destination_may_be_a_repeated_operand() -> None:
    got = after(lambda t: engine.elementwise(t, "add", t, t.take([Span(0, 1)])))
    assert np.array_equal(got, X + X[0:1])


def test_destination_may_hold_the_reduced_source() -> None:
    got = after(lambda t: engine.reduce(t.take([Span(0, 128), Span(0, 1), Span(3, 1)]), "add", t, [1, 2]))
    expected = X.copy()
    expected[:, 0, 3] = X.sum(axis=(1, 2))
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("width", [2, 3, 4, 5, 8])
def test_a_negated_sum_is_the_sum_negated(width: int) -> None:
    x = (np.arange(16 * 300 * width) % 97 - 48).reshape(16, 300, width).astype(np.float16)

    def kernel(x: Any) -> Any:
        sums = nl.ndarray((16, 300), np.float32)
        engine.reduce(sums.access, "add", nl.load(x).access, [2], negate=True)
        out = nl.ndarray((16, 300), np.float32, buffer=nl.shared_hbm)
        nl.store(out, sums)
        return out

    assert np.array_equal(launch(kernel, x), -x.astype(np.float32).sum(axis=2))


def test_dma_moves_overlapping_partitions() -> None:
    got = after(lambda t: movement.dma(t.take([Span(1, 127)]), t.take([Span(0, 127)])))
    assert np.array_equal(got, np.concatenate([X[:1], X[:-1]]))


@pytest.mark.parametrize(
    "shape", [(128, 1200), (128, 3, 400), (128, 30, 5, 8), (128, 1, 1200), (128, 30, 40, 1), (2, 64, 30, 40)]
)
def test_reshape_keeps_the_order(shape: tuple[int, ...]) -> None:
    views = []
    after(lambda t: views.append(t.reshape(shape).view().copy()))
    assert np.array_equal(views[0], X.reshape(shape))


def test_reshape_of_a_strided_piece_merges_what_can_be_merged() -> None:
    results = []

    def change(t: AccessPattern) -> None:
        piece = t.take([Span(0, 128), Span(0, 15, 2)])
        results.append(piece.reshape((128, 3, 5, 40)))
        results.append(piece.reshape((128, 600)))

    after(change)
    assert results[0].shape == (128, 3, 5, 40)
    assert results[0].strides == (1200, 400, 80, 1)
    assert results[1] is None


@pytest.mark.parametrize(
    ("a", "b", "shared"),
    [
        ([Span(0, 4)], [Span(4, 4)], False),
        ([Span(0, 5)], [Span(4, 4)], True),
        ([Span(0, 4), Span(0, 15, 2)], [Span(0, 4), Span(1, 15, 2)], False),
        ([Span(0, 4), Span(0, 10, 3)], [Span(0, 4), Span(2, 14, 2)], True),
        ([Span(0, 4), Span(0, 30), Span(0, 20)], [Span(0, 4), Span(0, 30), Span(20, 20)], False),
    ],
)
def test_overlap_is_exact(a: Any, b: Any, shared: bool) -> None:
    seen = []
    after(lambda t: seen.append(t.take(a).overlaps(t.take(b))))
    assert seen == [shared]


@pytest.mark.parametrize("op", ["add", "multiply", "maximum", "minimum"])
def test_bf16_windows_reduce_as_their_values_in_fp32_do(op):
    every = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16).view(nl.bfloat16)
    images = every.reshape(128, 16, 32)

    def kernel(x: Any) -> Any:
        lane, row, down, column, across = nl.mgrid[0:128, 0:8, 0:2, 0:16, 0:2]
        tile = nl.load(x)
        function = {"add": nl.sum, "multiply": nl.prod, "maximum": nl.max, "minimum": nl.min}[op]
        windows = tile[lane, 2 * row + down, 2 * column + across]
        out = nl.ndarray((128, 8, 16), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, function(windows, axis=[2, 4], dtype=nl.float32))
        return out

    got, want = launch(kernel, images), launch(kernel, images.astype(np.float32))
    assert isinstance(got, np.ndarray)
    assert isinstance(want, np.ndarray)
    assert np.isnan(got).any()
    assert np.isfinite(got).any()
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
