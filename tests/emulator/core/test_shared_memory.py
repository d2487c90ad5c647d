"""Tiles and outputs that stand for memory without a copy: nothing shows but the speed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.access import AccessPattern, Span
from pytest_nki_pool.emulator.legacy import language as nl

X = np.random.default_rng(0).integers(-9, 9, (16, 12, 10)).astype(np.float32)

PIECES = {
    "whole": np.s_[0:16, 0:12, 0:10],
    "rows": np.s_[0:16, 2:7, 0:10],
    "later channels": np.s_[5:9, 2:7, 0:10],
    "one channel": np.s_[3:4, 2:7, 0:10],
    "columns": np.s_[0:16, 2:7, 3:6],
}


def stored(change: Any, piece: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a loaded piece holds after a change, and the input afterwards."""
    x = X.copy()

    def kernel(x: Any) -> Any:
        tile = nl.load(x[piece])
        result = change(tile)
        out = nl.ndarray(result.shape, result.dtype, buffer=nl.shared_hbm)
        nl.store(out, result)
        return out

    got = launch(kernel, x)
    assert isinstance(got, np.ndarray)
    return got, x


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES.keys())
def test_a_loaded_piece_holds_its_values(piece: Any) -> None:
    got, _ = stored(lambda tile: tile, piece)
    assert np.array_equal(got, X[piece])


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES.keys())
def test_a_write_to_a_loaded_piece_stays_off_the_input(piece: Any) -> None:
    def change(tile: Any) -> Any:
        tile[:, 1:3] = 7
        return tile

    got, x = stored(change, piece)
    expected = X[piece].copy()
    expected[:, 1:3] = 7
    assert np.array_equal(got, expected)
    assert np.array_equal(x, X)


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES.keys())
def test_views_of_a_loaded_piece_see_its_values(piece: Any) -> None:
    _, height, width = X[piece].shape

    def change(tile: Any) -> Any:
        lane, row, column = nl.mgrid[0 : tile.shape[0], 0 : height // 2, 0:width]
        return nl.copy(tile[lane, 2 * row + 1, width - 1 - column])

    got, _ = stored(change, piece)
    assert np.array_equal(got, X[piece][:, 1 : height // 2 * 2 : 2, ::-1])


def test_a_pattern_across_the_partitions_of_a_shared_tile_sees_its_values() -> None:
    seen = []

    def change(tile: Any) -> Any:
        access: AccessPattern = tile.access
        seen.append(AccessPattern(access.storage, 3, (4, 40), (50, 1)).view().copy())
        seen.append(AccessPattern(access.storage, 7, (100,), (3,)).view().copy())
        return tile

    stored(change, PIECES["rows"])
    flat = X[PIECES["rows"]].reshape(-1)
    assert np.array_equal(seen[0], [flat[3 + 50 * i : 43 + 50 * i] for i in range(4)])
    assert np.array_equal(seen[1], flat[7:307:3])


@pytest.mark.parametrize("axes", [[1], [2], [1, 2]], ids=str)
def test_reduction_of_a_shared_piece(axes: list[int]) -> None:
    got, _ = stored(lambda tile: nl.sum(tile, axis=axes), PIECES["rows"])
    assert np.array_equal(got.reshape(16, -1), X[PIECES["rows"]].sum(axis=tuple(axes)).reshape(16, -1))


def test_one_partition_is_repeated_from_a_shared_piece() -> None:
    def change(tile: Any) -> Any:
        wide = nl.ndarray(tile.shape, tile.dtype)
        row = tile.access.take([Span(4, 1)])
        repeated = AccessPattern(row.storage, row.offset, tile.shape, (0, *row.strides[1:]))
        movement.dma(wide.access, repeated)
        return wide

    got, _ = stored(change, PIECES["rows"])
    assert np.array_equal(got, np.broadcast_to(X[4:5, 2:7], (16, 5, 10)))


def output(tile: Any) -> Any:
    """A tensor in HBM that a tile was stored to."""
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def test_a_write_to_a_stored_tile_stays_off_the_output() -> None:
    def kernel(x: Any) -> Any:
        tile = nl.add(nl.load(x), 1)
        first = output(tile)
        tile[:, 1:3] = 7
        return first, output(tile)

    first, second = launch(kernel, X)
    expected = X + 1
    assert np.array_equal(first, expected)
    expected[:, 1:3] = 7
    assert np.array_equal(second, expected)


def test_a_write_to_an_output_stays_off_the_stored_tile() -> None:
    def kernel(x: Any) -> Any:
        tile = nl.add(nl.load(x), 1)
        first = output(tile)
        nl.store(first[:, 1:3], nl.full((16, 2, 10), 7, x.dtype))
        return first, output(tile)

    first, second = launch(kernel, X)
    assert (first[:, 1:3] == 7).all()
    assert np.array_equal(second, X + 1)


def test_a_tile_in_two_outputs_and_a_loaded_one_are_arrays_of_their_own() -> None:
    x = X.copy()

    def kernel(x: Any) -> Any:
        tile = nl.add(nl.load(x), 1)
        return output(tile), output(tile), output(nl.load(x))

    arrays = launch(kernel, x)
    assert all(array.flags.owndata and array.flags.writeable for array in arrays)
    for at, array in enumerate(arrays):
        np.add(array, 1, out=array)
        assert np.array_equal(array, X + (1 if at == 2 else 2))
    assert np.array_equal(x, X)


@pytest.mark.parametrize("of", ["output", "tile"])
def test_a_store_under_another_dtype_holds_the_bits(of: str) -> None:
    def kernel(x: Any) -> Any:
        tile = nl.add(nl.load(x), 1)
        out = nl.ndarray(x.shape, np.int32 if of == "tile" else x.dtype, buffer=nl.shared_hbm)
        if of == "tile":
            nl.store(out, tile.view(np.int32))
        else:
            nl.store(out.view(np.int32), tile.view(np.int32))
        tile[:, 1:3] = 7
        return out

    got = launch(kernel, X)
    assert isinstance(got, np.ndarray)
    assert np.array_equal(got.view(np.float32), X + 1)


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_a_sum_of_negative_zeros_is_negative(count: int) -> None:
    values = np.full((4, count, 400), -0.0, np.float32)
    assert np.signbit(engine.accumulate(values, np.add, [1])).all()
    assert np.signbit(engine.accumulate(values[:, :, :3], np.add, [1])).all()


RSS = """
import sys
import ml_dtypes, numpy as np
from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.legacy import language as nl

def pool(image, k):
    c, h, w = image.shape
    pooled = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:c, 0 : h // k, 0:k, 0 : w // k, 0:k]
    tile = nl.ndarray((c, h, w), dtype=image.dtype)
    tile[...] = nl.load(image)
    tile[:, 0:1] = 0
    nl.store(pooled, nl.sum(tile[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32) / (k * k))
    return pooled

def peak():
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

dtype = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}[sys.argv[1]]
emulator.launch(pool, np.ones((2, 8, 8), dtype), 2)
image = np.ones((128, 144, 144), dtype)
before = peak()
pooled = emulator.launch(pool, image, 2)
print((peak() - before) / (image.nbytes + pooled.nbytes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_peak_memory_of_the_process_rises_by_at_most_three_times_the_arrays(dtype: str) -> None:
    shown = subprocess.run([sys.executable, "-c", RSS, dtype], capture_output=True, text=True, check=True)
    assert 0.5 < float(shown.stdout) <= 3
