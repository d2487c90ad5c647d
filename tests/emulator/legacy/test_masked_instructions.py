"""Masks of the instructions that move elements between partitions or carry a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

X = np.random.default_rng(4).integers(-9, 10, (6, 10)).astype(np.float32)
#: On-chip function of a tile and a mask, which gives the transpose.
TRANSPOSITIONS = {
    "load_transpose2d": lambda x, mask: nl.load_transpose2d(x, mask=mask),
    "nc_transpose": lambda x, mask: nisa.nc_transpose(nl.load(x), mask=mask),
    "transpose": lambda x, mask: nl.transpose(nl.load(x), mask=mask),
}


@pytest.mark.parametrize("instruction", TRANSPOSITIONS.values(), ids=TRANSPOSITIONS)
@pytest.mark.parametrize("columns", [10, 7])
def test_a_transposition_leaves_what_its_mask_leaves_out_undefined(instruction: Any, columns: int) -> None:
    def kernel(x: Any, stored: Any) -> Any:
        out = nl.ndarray((stored, 6), nl.float32, buffer=nl.shared_hbm)
        _, f = nl.mgrid[0:6, 0:10]
        q, g = nl.mgrid[0:stored, 0:6]
        turned = instruction(x, f < columns)
        nl.store(out[q, g], turned[q, g])
        return out

    assert np.array_equal(launch(kernel, X, columns), X.T[:columns])
    if columns < 10:
        with pytest.raises(NKIError, match="undefined"):
            launch(kernel, X, columns + 1)


def test_a_masked_transposition_reaches_over_the_edge() -> None:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((8, 6), nl.float32, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:6, 0:8]
        q, g = nl.mgrid[0:8, 0:6]
        turned = nl.load_transpose2d(x[p, f + 4], mask=f + 4 < 10)
        nl.store(out, 0.0)
        nl.store(out[q, g], turned, mask=q < 6)
        return out

    assert np.array_equal(launch(kernel, X), np.vstack([X.T[4:], np.zeros((2, 6), np.float32)]))


def scanned(mask_of: Any) -> Any:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((6, 10), nl.float32, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:6, 0:10]
        tile, result = nl.load(x), nl.zeros((6, 10), nl.float32)
        result[...] = nisa.tensor_tensor_scan(
            nl.full((6, 10), 1.0, nl.float32), tile, 0.5, np.multiply, np.add, mask=mask_of(p, f)
        )
        nl.store(out, result)
        return out

    return kernel


def test_a_scan_runs_over_the_rectangle_that_its_mask_selects() -> None:
    result = launch(scanned(lambda p, f: (p < 4) & (f >= 2) & (f < 9)), X)
    expected = np.zeros_like(X)
    expected[:4, 2:9] = 0.5 + np.cumsum(X[:4, 2:9], axis=1)
    assert np.array_equal(result, expected)


def test_a_scan_over_no_rectangle_cannot_be_judged() -> None:
    with pytest.raises(UnsupportedByEmulator, match=r"tensor_tensor_scan\(mask=…\) of no rectangle"):
        launch(scanned(lambda p, f: p + f < 9), X)


@pytest.mark.parametrize("product", [nl.matmul, nisa.nc_matmul], ids=lambda f: f.__name__)
def test_a_mask_on_loop_variables_decides_whether_a_product_is_computed(product: Any) -> None:
    def kernel(x: Any, count: int) -> Any:
        out = nl.ndarray((3, 10, 10), nl.float32, buffer=nl.shared_hbm)
        tile = nl.load(x)
        options = {"transpose_x": True} if product is nl.matmul else {}
        for i in nl.affine_range(3):
            result = product(tile, tile, mask=i < count, **options)
            nl.store(out[i], nl.copy(result))
        return out

    assert np.array_equal(launch(kernel, X, 3), np.stack([X.T @ X] * 3))
    with pytest.raises(NKIError, match="undefined"):
        launch(kernel, X, 2)


@pytest.mark.parametrize("generation", ["gen2", "gen3"])
def test_the_transpose_mode_of_a_product(generation: str) -> None:
    def kernel(x: Any, identity: Any) -> Any:
        out = nl.ndarray((10, 6), nl.float32, buffer=nl.shared_hbm)
        turned = nisa.nc_matmul(
            nl.load(x), nl.load(identity), is_transpose=True, tile_position=(0, 64), tile_size=(64, 64)
        )
        nl.store(out, nl.copy(turned))
        return out

    assert np.array_equal(launch(kernel, X, np.eye(6, dtype=np.float32), machine=Machine(generation)), X.T)
    if generation == "gen3":
        with pytest.raises(NKIError, match="takes an identity as the moving one"):
            launch(kernel, X, np.ones((6, 6), np.float32), machine=Machine(generation))
