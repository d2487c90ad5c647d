"""Honest average pools of the `neuronxcc.nki` API, one tile of channels each."""

import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def multiplies_by_reciprocal(in_tensor, pool_size):
    """Multiply the sum by the reciprocal of the area."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_sum(in_tensor, pool_size):
    """Divide the sum by the area."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.divide(sums, pool_size * pool_size, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def scales_before_summing(in_tensor, pool_size):
    """Scale every element, then sum."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    scaled = nl.multiply(windows, 1.0 / (pool_size * pool_size), dtype=nl.float32)
    means = nl.sum(scaled, axis=[2, 4], dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def sums_rows_then_columns(in_tensor, pool_size):
    """Sum across each row of a window, then down."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    across_sums = nl.sum(windows, axis=4, dtype=nl.float32)
    sums = nl.sum(across_sums, axis=2, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def sums_columns_then_rows(in_tensor, pool_size):
    """Sum down each column of a window, then across."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    down_sums = nl.sum(windows, axis=2, dtype=nl.float32)
    sums = nl.sum(down_sums, axis=3, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def takes_mean(in_tensor, pool_size):
    """Let NKI take the mean."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    means = nl.mean(windows, axis=[2, 4], dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def loads_as_fp32(in_tensor, pool_size):
    """Cast the image to fp32 while it is loaded."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor, dtype=nl.float32)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def reads_backwards(in_tensor, pool_size):
    """Read every window from its last element to its first."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + pool_size - 1 - down, pool_size * column + pool_size - 1 - across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def reduces_with_instruction(in_tensor, pool_size):
    """Bring the window to the last axes and let `tensor_reduce` sum it."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, column, down, across = nl.mgrid[0:channels, 0:rows, 0:columns, 0:pool_size, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nisa.tensor_reduce(nl.add, windows, axis=[3, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def adds_strided_views(in_tensor, pool_size):
    """Add the elements of all windows position by position."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    assert height * width <= 8192, f"one instruction per element of a window: {height} x {width} is too large"
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, column = nl.mgrid[0:channels, 0:rows, 0:columns]
    image = nl.load(in_tensor)
    sums = nl.zeros((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)

    for down in range(pool_size):
        for across in range(pool_size):
            element = image[lane, pool_size * row + down, pool_size * column + across]
            sums[...] = nl.add(sums, element, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def scales_in_two_steps(in_tensor, pool_size):
    """Divide by k after each of two sums."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    across_means = nl.divide(nl.sum(windows, axis=4, dtype=nl.float32), pool_size, dtype=nl.float32)
    means = nl.divide(nl.sum(across_means, axis=2, dtype=nl.float32), pool_size, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def tiles_channels(in_tensor, pool_size):
    """Pool 128 channels at a time."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, nl.tile_size.pmax):
        lanes = min(nl.tile_size.pmax, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(start, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def tiles_rows(in_tensor, pool_size):
    """Pool one row of windows at a time."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, down, column, across = nl.mgrid[0:channels, 0:pool_size, 0:columns, 0:pool_size]
    for row in nl.affine_range(rows):
        band = nl.load(in_tensor[:, nl.ds(row * pool_size, pool_size), :])
        sums = nl.sum(band[lane, down, pool_size * column + across], axis=[1, 3], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[:, row, :], value=means)
    return out_tensor


@nki.jit
def loads_windows_only(in_tensor, pool_size):
    """Load no more of the image than the windows cover."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor[:, 0 : rows * pool_size, 0 : columns * pool_size])
    sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


def writes_out_parameter(in_tensor, out_tensor, pool_size):
    """Write the means into an argument."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    channel = nl.arange(channels)[:, None, None]
    out_row = nl.arange(rows)[None, :, None]
    out_column = nl.arange(columns)[None, None, :]
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor[channel, out_row, out_column], value=means)


def rounds_sum_and_says_so(in_tensor, out_tensor, pool_size):
    """Let the sum take the input's dtype before it is divided: accuracy class `fp32_sum_cast`."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    channel = nl.arange(channels)[:, None, None]
    out_row = nl.arange(rows)[None, :, None]
    out_column = nl.arange(columns)[None, None, :]
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    means = nl.sum(windows, axis=[2, 4]) / (pool_size * pool_size)
    nl.store(out_tensor[channel, out_row, out_column], value=means)


@nki.jit
def rejects_trim(in_tensor, pool_size):
    """Refuse an image that the pool size does not divide."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    assert height % pool_size == 0, f"{pool_size} does not divide the height {height}"
    assert width % pool_size == 0, f"{pool_size} does not divide the width {width}"
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor
