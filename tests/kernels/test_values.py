"""The kernels against an fp64 reference that shares no code with them or with the suite's own golden."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

DTYPES = {"fp32": np.float32, "bf16": ml_dtypes.bfloat16, "fp16": np.float16}
HALF_ULP = 2.0**-24

ONE_TILE = [
    (2, 6, 6, 2),
    (1, 1, 1, 1),
    (5, 9, 4, 1),
    (1, 5, 7, 3),
    (3, 7, 5, 5),
    (128, 4, 4, 2),
    (16, 27, 27, 2),
    (33, 7, 7, 7),
    (2, 3, 64, 3),
    (4, 40, 40, 11),
]
ANY_SIZE = [
    pytest.param((129, 5, 5, 2), id="a second tile of one channel"),
    pytest.param((257, 3, 4, 3), id="a third tile"),
    pytest.param((2, 200, 200, 2), id="several bands of rows"),
    pytest.param((1, 12, 5000, 3), id="window rows wider than a band"),
    pytest.param((2, 7, 20000, 7), id="wide, with trim"),
    pytest.param((2, 130, 100, 100), id="windows larger than a band"),
    pytest.param((1, 205, 310, 101), id="several windows larger than a band"),
    pytest.param((129, 100, 100, 100), id="windows larger than a band in two tiles"),
]


def draw(shape, dtype):
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)


def interval(x, k, accuracy):
    """Lowest and highest legal result of every window, in x's dtype.

    Any fp32 summation of n values followed by one scaling errs by at most (n+1)u / (1-(n+1)u) times the mean magnitude
    (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2); rounding is monotone, so the ends round too.
    """
    channels, height, width = x.shape
    rows, columns = height // k, width // k
    lows, highs = (np.empty((channels, rows, columns), x.dtype) for _ in range(2))
    wide = x.astype(np.float64)
    n = k * k
    for row in range(rows):
        for column in range(columns):
            window = wide[:, row * k : row * k + k, column * k : column * k + k].reshape(channels, n)
            total, magnitude = window.sum(axis=1), np.abs(window).sum(axis=1)
            reach = (n + 1) * HALF_ULP / (1 - (n + 1) * HALF_ULP) * magnitude
            ends = [(total - reach) / n, (total + reach) / n]
            if accuracy == "fp32_sum_cast":
                for end in (total - reach, total + reach):
                    rounded = end.astype(x.dtype).astype(np.float64) / n
                    ends += [rounded * (1 - 2 * HALF_ULP), rounded * (1 + 2 * HALF_ULP)]
            lows[:, row, column] = np.min(ends, axis=0).astype(x.dtype)
            highs[:, row, column] = np.max(ends, axis=0).astype(x.dtype)
    return lows, highs


def misses(got, x, k, accuracy):
    """Number of results outside their interval."""
    low, high = interval(x, k, accuracy)
    assert got.shape == low.shape
    assert got.dtype == x.dtype
    return int(np.sum(~((got >= low) & (got <= high))))


@pytest.mark.parametrize("shape", ONE_TILE, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_window_is_its_mean(pool, dtype, shape):
    *image, k = shape
    x = draw(image, DTYPES[dtype])
    assert misses(pool(x, k), x, k, pool.spec.capabilities.accuracy) == 0


@pytest.mark.parametrize("generation", ["gen2", "gen3", "gen4"])
def test_every_generation_gives_the_same_bits(pool, generation):
    x = draw((7, 27, 13), np.float16)
    assert pool(x, 3, generation=generation).tobytes() == pool(x, 3).tobytes()


@pytest.mark.parametrize("shape", ANY_SIZE)
def test_a_production_kernel_takes_any_size(production, shape):
    *image, k = shape
    x = draw(image, ml_dtypes.bfloat16)
    assert misses(production(x, k, generation="gen2"), x, k, "fp32") == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_production_kernel_rounds_once(production, dtype):
    x = draw((130, 26, 21), DTYPES[dtype])
    assert misses(production(x, 5), x, 5, "fp32") == 0


@pytest.mark.parametrize("generation", ["gen2", "gen4"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        pytest.param((64, 256, 256, 256), np.float32, id="global pool of 256 KiB per channel"),
        pytest.param((3, 512, 512, 2), np.float32, id="1 MiB per channel"),
        pytest.param((1, 2048, 2048, 11), np.float16, id="8 MiB per channel"),
        pytest.param((2, 300, 300, 1), np.float32, id="windows of one element"),
    ],
)
def test_an_image_larger_than_sbuf(production, shape, dtype, generation):
    *image, k = shape
    x = np.random.default_rng(3).integers(-8, 9, image).astype(dtype)
    rows, columns = image[1] // k, image[2] // k
    windows = x[:, : rows * k, : columns * k].reshape(-1, rows, k, columns, k)
    mean = windows.astype(np.int64).sum(axis=(2, 4)) / k**2
    got = production(x, k, generation=generation).astype(np.float64)
    np.testing.assert_allclose(got, mean, rtol=np.finfo(dtype).eps, atol=0)


class SmallSbuf:
    """`nl` of a machine with room for 24 * 6 bytes per partition."""

    def __init__(self, nl):
        self.nl = nl

    def __getattr__(self, name):
        return getattr(self.nl, name)

    class tile_size:  # noqa: N801
        pmax = 2
        total_available_sbuf_size = 24 * 6


@pytest.mark.parametrize(
    "shape", [(5, 19, 17, 8), (3, 15, 22, 7), (2, 9, 9, 2), (1, 5, 30, 1), (3, 13, 13, 13)], ids=str
)
def test_a_window_wider_than_a_band_is_summed_in_pieces(production, monkeypatch, shape):
    *image, k = shape
    monkeypatch.setitem(production.names, "nl", SmallSbuf(production.names["nl"]))
    if "_BAND" in production.names:
        monkeypatch.setitem(production.names, "_BAND", 6)
    x = draw(image, np.float32)
    assert misses(production(x, k), x, k, "fp32") == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pool_of_one_returns_every_value(pool, dtype):
    bits = np.random.default_rng(1).integers(0, 2**32, 4096, np.uint32).view(np.float32)
    if dtype != "fp32":
        bits = np.arange(2**16, dtype=np.uint16).view(DTYPES[dtype])
    x = bits.reshape(16, 16, -1)
    got = pool(x, 1)
    nan = np.isnan(x.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(got.astype(np.float32)), nan)
    assert got[~nan].tobytes() == x[~nan].tobytes()


def test_the_trim_never_reaches_a_result(pool):
    x = draw((6, 11, 14), np.float32)
    poisoned = x.copy()
    poisoned[:, 8:, :] = np.nan
    poisoned[:, :, 12:] = np.nan
    assert pool(poisoned, 4).tobytes() == pool(x, 4).tobytes()


def test_a_nan_stays_in_its_window(pool):
    x = draw((3, 6, 6), np.float16)
    x[1, 2, 5] = np.nan
    expected = np.zeros((3, 3, 3), bool)
    expected[1, 1, 2] = True
    np.testing.assert_array_equal(np.isnan(pool(x, 2)), expected)


def test_the_input_is_left_alone(pool):
    x = draw((3, 6, 7), np.float32)
    before = x.tobytes()
    pool(x, 2)
    assert x.tobytes() == before


def test_the_production_kernels_loops_are_independent(production):
    x = draw((130, 12, 5000), np.float16)
    assert production(x, 5, loop_order="check").tobytes() == production(x, 5, loop_order="reversed").tobytes()


@pytest.mark.parametrize("wrong", ["pool_size", "pool_size * pool_size - 1", "pool_size * pool_size + 1"])
def test_a_wrong_divisor_is_noticed(pool, changed_pool, wrong):
    source = pool.path.read_text()
    for divisor in ("(pool_size * pool_size)", "1.0 / window"):
        source = source.replace(
            divisor, divisor.replace("pool_size * pool_size", wrong).replace("window", f"({wrong})")
        )
    x = draw((4, 12, 12), np.float32)
    assert misses(pool(x, 3), x, 3, pool.spec.capabilities.accuracy) == 0
    assert misses(changed_pool(source)(x, 3), x, 3, pool.spec.capabilities.accuracy) > 0
