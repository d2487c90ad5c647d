"""What a launch takes from the host's memory and what it gives back."""

from __future__ import annotations

import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator.legacy import language as nl


def pool(image: Any, k: int) -> Any:
    c, h, w = image.shape
    pooled = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:c, 0 : h // k, 0:k, 0 : w // k, 0:k]
    tile = nl.ndarray((c, h, w), dtype=image.dtype)
    tile[...] = nl.load(image)
    tile[:, 0:1] = 0
    nl.store(pooled, nl.sum(tile[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32) / (k * k))
    return pooled


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e4m3], ids=str)
def test_a_launch_takes_at_most_three_times_its_arrays(dtype: Any, k: int) -> None:
    image = np.ones((128, 96, 96), dtype)
    launch(pool, image[:2], k)
    tracemalloc.start()
    try:
        pooled = launch(pool, image, k)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(pooled, np.ndarray)
    assert peak <= 3 * (image.nbytes + pooled.nbytes)


def test_a_dropped_tile_gives_its_memory_back() -> None:
    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        for _ in nl.static_range(8):
            tile = nl.load(x)  # rebinding frees the tile before
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, tile)
        return out

    x = np.ones((2, 28000), np.float32)  # two of them fit SBUF, three do not
    assert np.array_equal(launch(kernel, x), x)
