"""Matrix products computed block by block, on sizes that fill blocks and that do not."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool.emulator.core.matmul import multiply


@pytest.mark.parametrize(
    ("depth", "rows", "columns"),
    [(1, 1, 1), (128, 128, 512), (128, 128, 1024), (128, 33, 65), (127, 100, 500), (3, 128, 511), (128, 31, 512)],
    ids=str,
)
@pytest.mark.parametrize("stride", [1, -1, 2])
def test_a_product_of_integers_is_exact(depth: int, rows: int, columns: int, stride: int) -> None:
    rng = np.random.default_rng(depth * rows * columns)
    stationary = rng.integers(-8, 9, (depth, 2 * rows)).astype(np.float32)[:, ::stride][:, :rows]
    moving = rng.integers(-8, 9, (depth, 2 * columns)).astype(np.float32)[:, ::stride][:, :columns]
    expected = stationary.astype(np.int64).T @ moving.astype(np.int64)
    product = multiply(stationary, moving)
    assert product.dtype == np.float32
    assert np.array_equal(product, expected)
