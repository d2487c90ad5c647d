"""Kernels in the manner of published ones: 3-D average pool, max pool, addition, transpose, matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool import emulator

nki = emulator.resolve("nki")
nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
RNG = np.random.default_rng(8)
BF16 = ml_dtypes.bfloat16


@dataclass(frozen=True)
class Window(nl.NKIObject):
    """Geometry of a pool over depth, height and width."""

    size: tuple
    kernel: tuple
    stride: tuple

    @property
    def pooled(self):
        return tuple((n - k) // s + 1 for n, k, s in zip(self.size, self.kernel, self.stride, strict=True))


def programs():
    """Number of programs and the running one, also without a launch grid."""
    return (1, 0) if nl.program_ndim() == 0 else (nl.num_programs(0), nl.program_id(0))


@nki.jit
def average_pool_3d(x, kernel, stride=None):
    """Average over windows of (N, C, D, H, W), one axis after the other, planes of batch and channel in the lanes."""
    if stride == None:  # noqa: E711  (NKI has no `is`)
        stride = kernel
    batch, channels, *size = x.shape
    window = Window(tuple(size), kernel, stride)
    out = nl.ndarray((batch, channels, *window.pooled), dtype=x.dtype, buffer=nl.shared_hbm)
    volume, pooled_volume = prod(window.size), prod(window.pooled)
    count, program = programs()
    planes = (batch * channels + count - 1) // count
    last = min((program + 1) * planes, batch * channels)
    for lane in range(program * planes, last, nl.tile_size.pmax):
        lanes = min(nl.tile_size.pmax, last - lane)
        image = nl.ndarray((lanes, volume), dtype=x.dtype, buffer=nl.sbuf)
        source = x.ap(pattern=[[volume, lanes], [1, volume]], offset=lane * volume)
        nisa.dma_copy(dst=image, src=source, dge_mode=nisa.dge_mode.none)
        sums = pooled_sums(image, window, lanes)
        result = nl.ndarray((lanes, pooled_volume), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_scalar(
            dst=result, data=sums, op0=nl.multiply, operand0=1.0 / prod(window.kernel), engine=nisa.engine.scalar
        )
        target = out.ap(pattern=[[pooled_volume, lanes], [1, pooled_volume]], offset=lane * pooled_volume)
        nisa.dma_copy(dst=target, src=result, dge_mode=nisa.dge_mode.none)
    return out


def pooled_sums(tile, window, lanes):
    """Sum along width, then height, then depth, each into a float32 tile."""
    shape = list(window.size)
    for axis in (2, 1, 0):
        row = prod(shape)
        inner = prod(shape[axis + 1 :])
        outer = prod(shape[:axis])
        pooled = window.pooled[axis]
        sums = nl.ndarray((lanes, outer * pooled * inner), dtype=nl.float32, buffer=nl.sbuf)
        windows = tile.ap(
            pattern=[
                [row, lanes],
                [shape[axis] * inner, outer],
                [window.stride[axis] * inner, pooled],
                [1, inner],
                [inner, window.kernel[axis]],
            ]
        )
        nisa.tensor_reduce(
            dst=sums.ap(
                pattern=[[outer * pooled * inner, lanes], [pooled * inner, outer], [inner, pooled], [1, inner]]
            ),
            op=nl.add,
            data=windows,
            axis=[4],
        )
        tile, shape[axis] = sums, pooled
    return tile


def average_reference(x, kernel, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), kernel, axis=(2, 3, 4))
    windows = windows[:, :, :: stride[0], :: stride[1], :: stride[2]]
    return windows.mean(axis=(5, 6, 7))


@pytest.mark.parametrize("launch", [average_pool_3d, average_pool_3d[1], average_pool_3d[2]], ids=["plain", "1", "2"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [
        ((1, 3, 4, 6, 8), (2, 2, 2), None),
        ((2, 100, 3, 5, 7), (2, 2, 3), None),
        ((1, 5, 5, 7, 9), (3, 2, 1), (1, 2, 3)),
        ((1, 1, 1, 1, 1), (1, 1, 1), None),
    ],
    ids=["whole", "ragged", "overlapping", "one element"],
)
def test_a_separable_average_pool(launch, shape, kernel, stride):
    x = RNG.integers(-64, 65, shape).astype(BF16)
    expected = average_reference(x, kernel, stride or kernel)
    got = emulator.launch(launch, x, kernel, stride)
    # The sums are exact; the product with the rounded 1/n and the cast round once each.
    exact = np.float32(expected * prod(kernel)) * np.float32(1 / prod(kernel))
    np.testing.assert_array_equal(got.astype(np.float32), exact.astype(BF16).astype(np.float32), strict=True)


@nki.jit
def max_pool(x, size):
    channels, height, width = x.shape
    rows, columns = height // size, width // size
    out = nl.ndarray((channels, rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    windows = tile.ap([[height * width, channels], [size * width, rows], [size, columns], [width, size], [1, size]])
    nl.store(out, value=nl.max(windows, axis=[3, 4]))
    return out


@pytest.mark.parametrize("dtype", [np.float32, BF16, np.float16, np.int8])
def test_a_max_pool(dtype):
    x = RNG.integers(-100, 100, (7, 11, 9)).astype(dtype)
    windows = x[:, :9, :9].reshape(7, 3, 3, 3, 3)
    np.testing.assert_array_equal(emulator.launch(max_pool, x, 3), windows.max(axis=(2, 4)), strict=True)


@nki.jit
def add_tensors(a, b):
    """Every program adds a share of the columns, in tiles of 128 rows and up to 512 columns."""
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    rows, columns = a.shape
    count, program = programs()
    share = columns // count
    for row in nl.affine_range(rows // nl.tile_size.pmax):
        for column in range(program * share, (program + 1) * share, 512):
            width = min(512, (program + 1) * share - column)
            piece = (nl.ds(row * nl.tile_size.pmax, nl.tile_size.pmax), nl.ds(column, width))
            left = nl.ndarray((nl.tile_size.pmax, width), dtype=a.dtype, buffer=nl.sbuf)
            right = nl.empty_like(left)
            nisa.dma_copy(dst=left, src=a[piece])
            nisa.dma_copy(dst=right, src=b[piece])
            nisa.tensor_tensor(dst=left, data1=left, data2=right, op=nl.add)
            nisa.dma_copy(dst=out[piece], src=left)
    return out


@pytest.mark.parametrize("cores", [1, 2])
def test_tensor_addition(cores):
    a, b = RNG.standard_normal((2, 256, 1300)).astype(BF16)
    got = emulator.launch(add_tensors[cores], a, b)
    expected = (a.astype(np.float32) + b.astype(np.float32)).astype(BF16)
    np.testing.assert_array_equal(got.astype(np.float32), expected.astype(np.float32), strict=True)


@nki.jit
def transpose_planes(x, rows, columns):
    """Transpose the matrix that every partition holds."""
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    for row in nl.affine_range(rows):
        nisa.tensor_copy(
            dst=result.ap([[rows * columns, x.shape[0]], [rows, columns]], offset=row),
            src=tile[:, nl.ds(row * columns, columns)],
        )
    nl.store(out, result)
    return out


def test_a_transpose_of_free_dimensions():
    x = RNG.standard_normal((5, 6 * 7)).astype(np.float32)
    got = emulator.launch(transpose_planes, x, 6, 7)
    np.testing.assert_array_equal(got, x.reshape(5, 6, 7).transpose(0, 2, 1).reshape(5, 42), strict=True)


@nki.jit
def tiled_matmul(left_t, right):
    """Multiply (K, M).T by (K, N) in tiles of 128 x 128 x 512, accumulating in PSUM."""
    depth, rows = left_t.shape
    columns = right.shape[1]
    k, m, n = nl.tile_size.pmax, nl.tile_size.gemm_stationary_fmax, nl.tile_size.gemm_moving_fmax
    out = nl.ndarray((rows, columns), dtype=left_t.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(rows // m):
        for j in nl.affine_range(columns // n):
            sums = nl.zeros((m, n), nl.float32, buffer=nl.psum)
            for p in nl.affine_range(depth // k):
                stationary = nl.load(left_t[nl.ds(p * k, k), nl.ds(i * m, m)])
                moving = nl.load(right[nl.ds(p * k, k), nl.ds(j * n, n)])
                nisa.nc_matmul(dst=sums, stationary=stationary, moving=moving)
            result = nl.ndarray((m, n), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=result, src=sums)
            nisa.dma_copy(dst=out[nl.ds(i * m, m), nl.ds(j * n, n)], src=result)
    return out


def test_a_tiled_matrix_product():
    left, right = RNG.integers(-3, 4, (256, 128)).astype(BF16), RNG.integers(-3, 4, (256, 1024)).astype(BF16)
    got = emulator.launch(tiled_matmul, left, right)
    expected = (left.astype(np.float32).T @ right.astype(np.float32)).astype(BF16)
    np.testing.assert_array_equal(got.astype(np.float32), expected.astype(np.float32), strict=True)
