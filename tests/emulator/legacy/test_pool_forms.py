"""Average pools as kernels of the legacy dialect write them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import tensor  # noqa: TC001  (a kernel imports it like this)


def pool_into(image: Any, pooled: Any, k: int) -> None:
    """Out-parameter form: index expressions from nl.arange, sums in the image's dtype."""
    c, h, w = image.shape
    _, rows, columns = pooled.shape
    i_c = nl.arange(c)[:, None, None]
    tile = nl.ndarray([c, h, w], dtype=image.dtype)
    tile[:, :, :] = nl.load(image[i_c, nl.arange(h)[None, :, None], nl.arange(w)[None, None, :]])
    lane = nl.arange(c)[:, None, None, None, None]
    down = k * nl.arange(h // k)[None, :, None, None, None] + nl.arange(k)[None, None, :, None, None]
    across = k * nl.arange(w // k)[None, None, None, :, None] + nl.arange(k)[None, None, None, None, :]
    means = nl.sum(tile[lane, down, across], axis=[2, 4]) / (k * k)
    nl.store(pooled[i_c, nl.arange(rows)[None, :, None], nl.arange(columns)[None, None, :]], value=means)


@nki.jit
def pool(image: tensor, k: int) -> Any:
    """Returning form: nl.mgrid, fp32 sums, one rounding."""
    c, h, w = image.shape
    pooled = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:c, 0 : h // k, 0:k, 0 : w // k, 0:k]
    tile: tensor[c, h, w] = nl.load(image)
    sums = nl.sum(tile[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32)
    nl.store(pooled, value=sums / (k * k))
    return pooled


@nki.jit
def pool_in_tiles(image: Any, k: int) -> Any:
    """Any channel count: tiles of 64 channels, a band of window rows at a time."""
    c, h, w = image.shape
    pooled = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    grid = nl.mgrid[0:64, 0:1, 0:k, 0 : w // k, 0:k]
    for t in nl.affine_range(c // 64):
        for r in nl.affine_range(h // k):
            lanes = nl.ds(64 * t, 64)
            band = nl.load(image[lanes, nl.ds(r * k, k)])
            lane, row, down, column, across = grid
            windows = band[lane, row + down, k * column + across]
            nl.store(pooled[lanes, nl.ds(r, 1)], nl.mean(windows, axis=[2, 4]))
    return pooled


def windows_of(x: np.ndarray, k: int) -> np.ndarray:
    c, h, w = x.shape
    return x[:, : h // k * k, : w // k * k].astype(np.float64).reshape(c, h // k, k, w // k, k)


SHAPES = [(2, 6, 6, 2), (3, 7, 5, 2), (128, 13, 9, 3), (1, 5, 5, 5), (4, 3, 8, 1), (2, 40, 40, 20)]


@pytest.mark.parametrize(("c", "h", "w", "k"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e4m3], ids=str)
def test_pools_of_small_integers_are_exact(c: int, h: int, w: int, k: int, dtype: Any) -> None:
    """Sums of 0 and 1 are exact in every dtype, so only the last division rounds, to nearest even."""
    x = (np.random.default_rng(h).random((c, h, w)) < 4 / (k * k)).astype(dtype)
    sums = windows_of(x, k).sum(axis=(2, 4)).astype(np.float32)
    expected = (sums / np.float32(k * k)).astype(dtype)
    pooled = np.empty((c, h // k, w // k), dtype)
    launch(pool_into, x, pooled, k, outputs=("pooled",))
    assert np.array_equal(pooled, expected)
    assert np.array_equal(launch(pool, x, k), expected)


def test_tiled_pool_equals_the_whole_one() -> None:
    x = np.random.default_rng(1).standard_normal((192, 12, 10)).astype(np.float32)
    whole = np.concatenate([launch(pool, x[:96], 3), launch(pool, x[96:], 3)])
    assert np.allclose(launch(pool_in_tiles, x, 3), whole, rtol=0, atol=1e-6)


def test_nan_reaches_its_own_window_only() -> None:
    x = np.zeros((2, 4, 4), np.float32)
    x[1, 2, 1] = np.nan
    result = launch(pool, x, 2)
    assert np.argwhere(np.isnan(result)).tolist() == [[1, 1, 0]]
    assert np.nansum(result) == 0


def test_window_past_the_image_is_refused() -> None:
    def kernel(image: Any, k: int) -> Any:
        c, h, w = image.shape
        lane, row, down, column, across = nl.mgrid[0:c, 0 : h // k + 1, 0:k, 0 : w // k, 0:k]
        return nl.load(image)[lane, k * row + down, k * column + across]

    with pytest.raises(NKIError, match=r"on dimension 1: index range \[0, 7\] exceed dimension size of 6"):
        launch(kernel, np.zeros((2, 6, 6), np.float32), 2)


def test_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(NKIError, match="has a dimension of size 0"):
        launch(pool, np.zeros((2, 3, 6), np.float32), 4)


def test_more_channels_than_partitions_are_refused() -> None:
    with pytest.raises(NKIError) as caught:
        launch(pool, np.zeros((129, 2, 2), np.float32), 2)
    assert caught.value.rule == "err_num_partition_exceed_arch_limit"


def test_image_larger_than_a_partition_is_refused() -> None:
    with pytest.raises(NKIError, match=r"out of sbuf: tensor `unnamed` \[1, 240, 240\] float32"):
        launch(pool, np.zeros((1, 240, 240), np.float32), 2)
