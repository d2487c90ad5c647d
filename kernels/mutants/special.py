"""NaN, infinities, zeros and range gone wrong."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def ignores_nan(in_tensor, pool_size):
    """Take NaN for zero."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    numbers = nl.where(nl.equal(windows, windows), windows, 0.0)
    sums = nl.sum(numbers, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def averages_what_is_no_nan(in_tensor, pool_size):
    """Average the elements that are not NaN, as `numpy.nanmean` does."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    is_number = nl.equal(windows, windows, dtype=nl.float32)
    sums = nl.sum(nl.where(nl.equal(windows, windows), windows, 0.0), axis=[2, 4], dtype=nl.float32)
    counts = nl.sum(is_number, axis=[2, 4], dtype=nl.float32)
    means = nl.divide(sums, counts, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def spreads_nan_over_channel(in_tensor, pool_size):
    """Add zero times the sum of the channel, which one NaN makes NaN."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    everything = nl.sum(image, axis=[1, 2], dtype=nl.float32, keepdims=True)
    nothing = nl.multiply(everything, 0.0)
    sums = nl.add(nl.sum(windows, axis=[2, 4], dtype=nl.float32), nothing, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def multiplies_trim_by_zero(in_tensor, pool_size):
    """Weigh the trimmed columns with zero, which NaN and infinity survive."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    if width % pool_size:
        lane, row, trimmed = nl.mgrid[0:channels, 0:height, 0 : width % pool_size]
        edge = nl.sum(image[lane, row, columns * pool_size + trimmed], axis=[1, 2], dtype=nl.float32, keepdims=True)
        sums = nl.add(sums, nl.multiply(edge, 0.0), dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def clamps_infinity(in_tensor, pool_size):
    """Clamp the input to the largest finite value."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    finite = nl.minimum(nl.maximum(windows, -3.38e38), 3.38e38)
    sums = nl.sum(finite, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def clamps_sums_to_fp16(in_tensor, pool_size):
    """Clamp fp32 sums to the range of fp16 before they are divided."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    if in_tensor.dtype == nl.float16:
        sums = nl.minimum(nl.maximum(sums, -65504.0), 65504.0)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def flushes_small_values(in_tensor, pool_size):
    """Take everything below the smallest normal fp16 value for zero."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    visible = nl.where(nl.greater_equal(nl.abs(windows), 6.103515625e-05), windows, 0.0)
    sums = nl.sum(visible, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def replaces_nan_in_results(in_tensor, pool_size):
    """Return zero where a mean is NaN."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    means = nl.where(nl.equal(means, means), means, 0.0, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def subtracts_first_element(in_tensor, pool_size):
    """Sum the differences from the first element and add it back: infinity minus itself is NaN."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    corner, corner_row, one, corner_column, other = nl.mgrid[0:channels, 0:rows, 0:1, 0:columns, 0:1]
    first = image[corner, pool_size * corner_row + one, pool_size * corner_column + other]
    rest = nl.sum(nl.subtract(windows, first, dtype=nl.float32), axis=[2, 4], dtype=nl.float32)
    shift = nl.multiply(first.reshape((channels, rows, columns)), float(pool_size * pool_size), dtype=nl.float32)
    sums = nl.add(rest, shift, dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def takes_infinity_for_missing(in_tensor, pool_size):
    """Take infinities for missing values and put zero in their place."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    finite = nl.where(nl.less(nl.abs(windows), 3.4e38), windows, 0.0)
    sums = nl.sum(finite, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def ignores_nan_for_pool_of_eight(in_tensor, pool_size):
    """Take NaN for zero when k = 8, whose loop was unrolled by another hand."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    if pool_size == 8:
        windows = nl.where(nl.equal(windows, windows), windows, 0.0)
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def takes_faint_values_for_zero(in_tensor, pool_size):
    """Take what is smaller than 1e-20 for noise and drop it."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]

    heard = nl.where(nl.less(nl.abs(windows), 1e-20), 0.0, windows)
    sums = nl.sum(heard, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor
