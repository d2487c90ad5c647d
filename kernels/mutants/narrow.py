"""Kernels that are wrong for one size only."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def wrong_for_pool_of_seven(in_tensor, pool_size):
    """Unroll k = 7 and forget its last row."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[
        0:channels, 0:rows, 0 : (6 if pool_size == 7 else pool_size), 0:columns, 0:pool_size
    ]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_pool_of_five(in_tensor, pool_size):
    """Take k = 5 for k = 4 when dividing."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (16 if pool_size == 5 else pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_pool_of_eleven(in_tensor, pool_size):
    """Divide by 11 * 11 - 1 for k = 11 alone."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size - (pool_size == 11)), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_global_pool(in_tensor, pool_size):
    """Divide a global pool by k only."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(
        sums, 1.0 / (pool_size if rows * columns == 1 else pool_size * pool_size), dtype=in_tensor.dtype
    )
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_pool_of_sixteen_up(in_tensor, pool_size):
    """Shift by a wrong power of two from k = 16 on."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size * (2 if pool_size >= 16 else 1)), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_thin_images(in_tensor, pool_size):
    """Take the height for the width where the image is wider than high: reads the left part alone."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[
        lane,
        pool_size * row + down,
        (pool_size * column + across if width <= height else pool_size * 0 * column + across),
    ]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_odd_width(in_tensor, pool_size):
    """Assume an even width: an odd one loses its last window's last column."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    if width % 2 and pool_size > 1:
        lane, row, down, column = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns]
        last = nl.sum(image[lane, pool_size * row + down, pool_size * column + pool_size - 1], axis=2, dtype=nl.float32)
        sums = nl.subtract(sums, last, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_single_window_by_image(in_tensor, pool_size):
    """Divide a single window by the image's area, as a global pool without trim may."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(
        sums, 1.0 / (height * width if rows * columns == 1 else pool_size * pool_size), dtype=in_tensor.dtype
    )
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_one_channel(in_tensor, pool_size):
    """Divide a single channel by k only."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size if channels == 1 else pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_width_thirteen(in_tensor, pool_size):
    """Read the first window of each row for all of them when W = 13."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, (0 if width == 13 else pool_size) * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_pool_of_one(in_tensor, pool_size):
    """Copy through bf16 when k = 1."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    if pool_size == 1:
        sums = nl.copy(sums, dtype=nl.bfloat16)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def averages_trim_into_last_row(in_tensor, pool_size):
    """Add the trimmed rows to the last row of windows."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    first_trimmed = rows * pool_size
    if first_trimmed < height:
        lane, down, column, across = nl.mgrid[0:channels, 0 : height - first_trimmed, 0:columns, 0:pool_size]
        trimmed = nl.sum(image[lane, first_trimmed + down, pool_size * column + across], axis=[1, 3], dtype=nl.float32)
        lane, last, column = nl.mgrid[0:channels, 0:1, 0:columns]
        sums[lane, rows - 1 + last, column] = nl.add(
            sums[lane, rows - 1 + last, column], trimmed.reshape((channels, 1, columns))
        )
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_last_column_by_clipped_window(in_tensor, pool_size):
    """Divide windows next to the trim by the larger area up to the edge."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    clipped = pool_size + width % pool_size
    lane, row, last = nl.mgrid[0:channels, 0:rows, 0:1]
    means[lane, row, columns - 1 + last] = nl.multiply(
        sums[lane, row, columns - 1 + last], 1.0 / (pool_size * clipped), dtype=in_tensor.dtype
    )
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def wrong_for_full_tile_of_threes(in_tensor, pool_size):
    """Leave out the last row of a window when 128 channels meet k = 3."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    filled = pool_size - (channels == 128 and pool_size == 3)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:filled, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def rounds_sums_of_many_rows(in_tensor, pool_size):
    """Let the sums take the dtype of the input where an image has more than 4000 elements."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    kept = in_tensor.dtype if height * width > 4000 else nl.float32
    sums = nl.sum(windows, axis=[2, 4], dtype=kept)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor
