"""Kernels of our own that use NKI the way published kernels do."""

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch, measure
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.creation import BlockDimensionWarning
from pytest_nki_pool.emulator.legacy.typing import tensor


def windows(x: np.ndarray, k: int, step: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))[..., ::step, ::step, :, :]


@nki.jit
def sliding_max(image: nki.tensor, k: int) -> nki.tensor:
    """Rows on partitions: each partition loads the k rows below its own, the last tile is ragged."""
    height, width = image.shape
    rows, columns = height - k + 1, width - k + 1
    out = nl.ndarray((rows, columns), dtype=image.dtype, buffer=nl.shared_hbm)
    lanes = nl.tile_size.pmax
    for t in nl.affine_range(math.ceil(height / lanes)):
        band = nl.ndarray((nl.par_dim(lanes), k, width), dtype=image.dtype, buffer=nl.sbuf)
        lane, down, column = nl.mgrid[0:lanes, 0:k, 0:width]
        row = t * lanes + lane
        band = nl.load(image[row + down, column], mask=row < rows)
        lane, down, column, across = nl.mgrid[0:lanes, 0:k, 0:columns, 0:k]
        best = nl.max(band[lane, down, column + across], axis=[1, 3], mask=t * lanes + lane < height)
        lane, column = nl.mgrid[0:lanes, 0:columns]
        nl.store(out[t * lanes + lane, column], value=best, mask=t * lanes + lane < rows)
    return out


@pytest.mark.parametrize(("height", "width", "k"), [(5, 7, 2), (128, 9, 3), (130, 8, 3), (129, 6, 1), (300, 20, 5)])
def test_overlapping_windows_under_masks(height: int, width: int, k: int) -> None:
    x = np.random.default_rng(k).standard_normal((height, width)).astype(np.float32)
    expected = windows(x, k, 1).max(axis=(-2, -1))
    assert np.array_equal(nki.baremetal()(sliding_max)(x, k), expected)
    assert np.array_equal(launch(sliding_max, x, k), expected)


@nki.jit
def padded_max(image: Any, k: int, padding: int = 0, stride: Any = None) -> Any:
    """Windows that hang over the edge; a mask of four comparisons cuts them."""
    stride = k if stride is None else stride
    c, h, w = image.shape
    rows = (h + 2 * padding - k) // stride + 1
    columns = (w + 2 * padding - k) // stride + 1
    out = nl.ndarray((c, rows, columns), dtype=image.dtype, buffer=nl.shared_hbm)
    lane = nl.arange(c)[:, None, None, None, None]
    row = stride * nl.arange(rows)[None, :, None, None, None] - padding + nl.arange(k)[None, None, None, :, None]
    column = stride * nl.arange(columns)[None, None, :, None, None] - padding + nl.arange(k)[None, None, None, None, :]
    tile: tensor[c, h, w] = nl.load(image)
    inside = (row >= 0) & (column >= 0) & (row < h) & (column < w)
    nl.store(out, value=nl.max(tile[lane, row, column], axis=[3, 4], mask=inside))
    return out


@pytest.mark.parametrize(("k", "padding", "stride"), [(4, 1, 2), (3, 1, 1), (2, 0, 2), (5, 2, 3)])
@pytest.mark.parametrize("dtype", [np.int8, np.float32, ml_dtypes.bfloat16], ids=str)
def test_windows_over_the_edge(k: int, padding: int, stride: int, dtype: Any) -> None:
    x = (np.random.default_rng(k).standard_normal((4, 11, 13)) * 20).astype(dtype)
    ground = np.pad(x.astype(np.float32), ((0, 0), (padding,) * 2, (padding,) * 2), constant_values=-np.inf)
    expected = windows(ground, k, stride).max(axis=(-2, -1)).astype(dtype)
    assert np.array_equal(launch(padded_max, x, k, padding, stride), expected)


def test_a_masked_reduction_takes_several_instructions() -> None:
    x = np.random.default_rng(1).standard_normal((2, 150, 150)).astype(np.float32)
    ground = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    assert np.array_equal(launch(padded_max, x, 3, 1, 1), windows(ground, 3, 1).max(axis=(-2, -1)))


def test_windows_over_the_edge_need_the_whole_mask() -> None:
    def kernel(image: Any) -> Any:
        row = nl.arange(6)[None, :, None] - 1
        return nl.load(image[nl.arange(2)[:, None, None], row, nl.arange(4)[None, None, :]], mask=row >= 0)

    with pytest.raises(NKIError, match=r"on dimension 1: index range \[0, 4\] exceed dimension size of 4"):
        launch(kernel, np.zeros((2, 4, 4), np.float32))


@nki.jit
def max_by_index(image: tensor, k: int) -> tensor:
    c, h, w = image.shape
    out = nl.ndarray((c, h // k, w // k), dtype=image.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(image.shape, dtype=image.dtype)
    tile[...] = nl.load(image)
    lane, row, down, column, across = nl.mgrid[0:c, 0 : h // k, 0:k, 0 : w // k, 0:k]
    nl.store(out, value=nl.max(tile[lane, k * row + down, k * column + across], axis=[2, 4]))
    return out


def test_max_pool_by_index() -> None:
    x = np.random.default_rng(0).standard_normal((3, 8, 11)).astype(np.float16)
    assert np.array_equal(launch(max_by_index, x, 3), windows(x, 3, 3).max(axis=(-2, -1)))


@nki.jit
def adaptive_mean(image: Any, size: Any) -> Any:
    """Window bounds from NumPy on the host, slices that run past the end under a mask, an accumulator per output."""
    n, c, h, w = image.shape
    rows, columns = (size, size) if isinstance(size, int) else size
    out = nl.ndarray((n, c, rows, columns), dtype=image.dtype, buffer=nl.shared_hbm)
    tops = (np.arange(rows, dtype=np.int32) * h) // rows
    bottoms = (np.arange(1, rows + 1, dtype=np.int32) * h + rows - 1) // rows
    lefts = (np.arange(columns, dtype=np.int32) * w) // columns
    rights = (np.arange(1, columns + 1, dtype=np.int32) * w + columns - 1) // columns
    lanes = min(n * c, nl.tile_size.pmax)
    tiles = (n * c + lanes - 1) // lanes
    planes = image.reshape(shape=(n * c, h, w))
    pooled = out.reshape(shape=(n * c, rows, columns))
    tall, wide = int((bottoms - tops).max()), int((rights - lefts).max())
    window = nl.zeros((tiles, nl.par_dim(lanes), tall, wide), dtype=image.dtype, buffer=nl.sbuf)
    means = nl.zeros((tiles, nl.par_dim(lanes), rows, columns), dtype=image.dtype, buffer=nl.sbuf)
    for t in nl.affine_range(tiles):
        first = t * lanes
        plane = nl.arange(lanes)[:, None, None] + first
        for r in nl.static_range(rows):
            for q in nl.static_range(columns):
                height, width = bottoms[r] - tops[r], rights[q] - lefts[q]
                total = nl.zeros((lanes, 1), dtype=nl.float32, buffer=nl.sbuf)
                for part in nl.sequential_range(1):
                    row = nl.arange(height)[None, :, None] + part * height + tops[r]
                    column = nl.arange(width)[None, None, :] + lefts[q]
                    nisa.dma_copy(
                        src=planes[
                            first : first + lanes,
                            tops[r] + part * height : tops[r] + part * height + height,
                            lefts[q] : lefts[q] + width,
                        ],
                        dst=window[t, :, 0:height, 0:width],
                        mask=((plane < n * c) & (row < h) & (column < w)),
                    )
                    sums = nl.sum(window[t, :, 0:height, 0:width], axis=[-2, -1], mask=((row < h) & (column < w)))
                    total[:, :] = total[:, :] + sums
                if height * width > 0:
                    means[t, :, r, q] = nl.divide(total, height * width)
                else:
                    means[t, :, r, q] = 0.0
        nl.store(pooled[first : first + lanes, :, :], value=means[t], mask=(plane < n * c))
    return out


@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
@pytest.mark.parametrize(("shape", "size"), [((2, 3, 7, 5), 3), ((3, 50, 9, 8), (4, 2)), ((1, 130, 6, 6), (2, 3))])
def test_adaptive_mean(shape: Any, size: Any) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).integers(-8, 8, shape).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(x), size).numpy()
    assert np.allclose(launch(adaptive_mean, x, size), expected, rtol=2e-7, atol=0)


def block_dimension(x: Any, key: Any) -> Any:
    blocks = nl.zeros((2, nl.par_dim(4), 3), dtype=nl.float32)
    out = nl.ndarray((4, 3), nl.float32, buffer=nl.shared_hbm)
    blocks[1] = nl.load(x)
    nl.store(out, blocks[key] if key is not None else blocks)
    return out


def test_block_dimensions_warn_and_are_indexed_first() -> None:
    x = np.ones((4, 3), np.float32)
    with pytest.warns(BlockDimensionWarning, match=r"\[2, 4, 3\] has 1 block dimensions") as caught:
        assert launch(block_dimension, x, 1).sum() == 12
    assert caught[0].filename == __file__
    with pytest.warns(BlockDimensionWarning):
        assert launch(block_dimension, x, 0).sum() == 0
    for key in (None, slice(0, 1)):
        with pytest.warns(BlockDimensionWarning), pytest.raises(NKIError) as refused:
            launch(block_dimension, x, key)
        assert refused.value.rule == "err_failed_to_infer_tile_from_local_tensor"
    with pytest.warns(BlockDimensionWarning), pytest.raises(NKIError, match="on dimension 0: index 2 exceed"):
        launch(block_dimension, x, 2)


def two_block_dimensions(x: Any, deep: bool) -> Any:
    blocks = nl.zeros((2, 3, nl.par_dim(4), 3), dtype=nl.float32)
    out = nl.ndarray((4, 3), nl.float32, buffer=nl.shared_hbm)
    for i in nl.affine_range(2):
        blocks[i, 2] = nl.load(x)
    lane, column = nl.mgrid[0:4, 0:3]
    nl.store(out, blocks[1, 2, lane, column] if deep else blocks[1])
    return out


@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_every_block_dimension_is_indexed() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(launch(two_block_dimensions, x, deep=True), x)
    with pytest.raises(NKIError, match="has 2 block dimensions") as error:
        launch(two_block_dimensions, x, deep=False)
    assert error.value.rule == "err_failed_to_infer_tile_from_local_tensor"


def test_an_index_of_mgrid_has_the_shape_of_its_grid() -> None:
    def kernel(x: Any) -> Any:
        lane, _, column = nl.mgrid[0:4, 0:2, 0:3]
        out = nl.ndarray((4, 2, 3), nl.int32, buffer=nl.shared_hbm)
        nl.store(out, nisa.iota(10 * lane + column, nl.int32).assert_shape([4, 2, 3]))
        return out

    lane, _, column = np.mgrid[0:4, 0:2, 0:3]
    assert np.array_equal(launch(kernel, np.zeros((4, 3), np.float32)), 10 * lane + column)


@nki.jit
def add_tiles(a: Any, b: Any) -> Any:
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    row = nl.program_id(0) * 32 + nl.arange(32)[:, None]
    column = nl.program_id(1) * 16 + nl.arange(16)[None, :]
    nl.store(out[row, column], value=nl.load(a[row, column]) + nl.load(b[row, column]))
    return out


@pytest.mark.parametrize("grid", [(2, 4), (nl.nc(2), 4), (nl.spmd_dim(1, nl.nc(2)), 4), (nl.nc(2) * 1, 4)], ids=repr)
def test_grid_of_programs(grid: Any) -> None:
    a, b = np.random.default_rng(2).standard_normal((2, 64, 64)).astype(np.float16)
    assert np.array_equal(add_tiles[grid](a, b), a + b)
    assert np.array_equal(nki.simulate_kernel(add_tiles[grid], a, b), a + b)


def test_a_grid_that_does_not_cover_the_output_is_refused() -> None:
    a = np.ones((64, 64), np.float16)
    with pytest.raises(NKIError) as caught:
        launch(add_tiles[2, 3], a, a)
    assert caught.value.rule == "err_tensor_output_not_written_to"


def test_program_id_needs_its_dimension() -> None:
    a = np.ones((32, 16), np.float16)
    with pytest.raises(NKIError, match=r"the launch grid \[2\] has no dimension 1"):
        launch(add_tiles[2], a, a)


@nki.jit
def transpose_inside(x: Any, shape: Any) -> Any:
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    lanes, _ = x.shape
    rows, columns = shape
    tile = nl.load(x)
    lane = nl.arange(lanes)[:, None, None]
    row = nl.arange(rows)[None, :, None]
    column = nl.arange(columns)[None, None, :]
    swapped = nl.ndarray(shape=(lanes, columns * rows), dtype=out.dtype)
    swapped[lane, column * rows + row] = nl.copy(tile[lane, row * columns + column])
    nl.store(out, value=swapped)
    return out


def test_transpose_by_index() -> None:
    x = np.arange(60, dtype=np.int8).reshape(5, 12)
    assert np.array_equal(transpose_inside(x, (3, 4)), x.reshape(5, 3, 4).transpose(0, 2, 1).reshape(5, 12))


@nki.jit
def softmax(x: Any) -> Any:
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    row, column = nl.arange(128)[:, None], nl.arange(x.shape[1])[None, :]
    for i in nl.affine_range(math.ceil(x.shape[0] / 128)):
        mask = i * 128 + row < x.shape[0]
        tile = nl.load(x[i * 128 + row, column], mask=mask)
        top = nl.max(tile, axis=[1], keepdims=True, mask=mask)
        numerator = nl.exp(nl.subtract(tile, top, mask=mask))
        nl.store(out[i * 128 + row, column], value=numerator / nl.sum(numerator, axis=[1]), mask=mask)
    return out


def test_softmax_of_ragged_rows() -> None:
    x = np.random.default_rng(3).standard_normal((200, 7)).astype(np.float32)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    assert np.allclose(softmax(x), e / e.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    "decorate",
    [
        nki.benchmark,
        lambda f: nki.benchmark(f, warmup=10, iters=100, save_neff_name="file.neff", save_trace_name="trace.ntff"),
        nki.benchmark(warmup=5, iters=10, save_neff_name="file.neff"),
    ],
    ids=["decorator", "wrapper", "options"],
)
def test_benchmark_reports_a_modelled_latency(decorate: Any, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(4).standard_normal((64, 32, 32)).astype(np.float32)
    timed = decorate(max_by_index)
    assert np.array_equal(timed(x, 2), windows(x, 2, 2).max(axis=(-2, -1)))
    assert capsys.readouterr().err == "pytest_nki_pool: the latency of max_by_index is modelled, not measured\n"
    latency = timed.benchmark_result.nc_latency
    assert latency.modelled
    assert latency.get_latency_percentile(50) == latency.get_latency_percentile(99) > 1e6 * x.nbytes / 500e9
    assert timed(tensor[[64, 32, 32], nl.bfloat16], 2) is None
    assert timed.benchmark_result.nc_latency.microseconds < latency.microseconds
    with pytest.raises(NKIError, match="latency percentiles are"):
        latency.get_latency_percentile(42)
    with pytest.raises(NKIError, match="iters is at least 1"):
        nki.benchmark(max_by_index, iters=0)


def blocked_product(left_t: Any, right: Any, rows_in_block: int = 2) -> Any:
    depth, height, width = left_t.shape[0] // 128, left_t.shape[1] // 128, right.shape[1] // 512
    out = nl.ndarray((left_t.shape[1], right.shape[1]), right.dtype, buffer=nl.shared_hbm)
    p, m = nl.mgrid[0:128, 0:128]
    q, n = nl.mgrid[0:128, 0:512]
    for block in nl.affine_range(height // rows_in_block):
        sums = nl.zeros((rows_in_block, width, nl.par_dim(128), 512), nl.float32, buffer=nl.sbuf)
        for k in nl.sequential_range(depth):
            strip = nl.load(left_t[k * 128 : (k + 1) * 128, nl.ds(block * rows_in_block * 128, rows_in_block * 128)])
            for j in nl.affine_range(width):
                columns = nl.load(right[k * 128 + q, j * 512 + n])
                for i in nl.affine_range(rows_in_block):
                    part = nl.zeros((128, 512), nl.float32, buffer=nl.psum)
                    part[...] += nisa.nc_matmul(strip[p, i * 128 + m], columns[q, n])
                    sums[i, j, q, n] += part[q, n]
        for i in nl.affine_range(rows_in_block):
            packed = nl.ndarray((128, right.shape[1]), right.dtype, buffer=nl.sbuf)
            for j in nl.affine_range(width):
                packed[q, j * 512 + n] = nl.copy(sums[i, j, q, n], dtype=right.dtype)
            nl.store(out[nl.ds((block * rows_in_block + i) * 128, 128)], packed)
    return out


@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_a_product_in_blocks() -> None:
    rng = np.random.default_rng(5)
    left = rng.integers(-3, 4, (256, 512)).astype(ml_dtypes.bfloat16)
    right = rng.integers(-3, 4, (256, 1024)).astype(ml_dtypes.bfloat16)
    expected = left.astype(np.float32).T @ right.astype(np.float32)
    assert np.array_equal(launch(blocked_product, left, right), expected.astype(ml_dtypes.bfloat16))


@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_a_benchmark_of_types_models_what_a_launch_of_arrays_costs() -> None:
    shapes = ([256, 512], [256, 1024])
    kernel = nki.benchmark(warmup=5, iters=10)(blocked_product)
    assert kernel(*(tensor[shape, nl.bfloat16] for shape in shapes)) is None
    cost = measure(blocked_product, *(np.zeros(shape, ml_dtypes.bfloat16) for shape in shapes))
    for percentile in (0, 50, 99, 100):
        assert np.isclose(kernel.benchmark_result.nc_latency.get_latency_percentile(percentile), 1e6 * cost.seconds)


@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_a_benchmark_of_large_types_takes_no_longer() -> None:
    kernel = nki.benchmark(blocked_product)
    kernel(tensor[[4096, 4096], nl.bfloat16], tensor[[4096, 8192], nl.bfloat16])
    assert kernel.benchmark_result.nc_latency.get_latency_percentile(50) > 2e3
