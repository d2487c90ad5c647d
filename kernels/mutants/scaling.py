"""Wrong divisors, and statistics that are no mean."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def divides_by_k(in_tensor, pool_size):
    """Divide by the side of the window instead of its area."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / pool_size, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_by_area_plus_one(in_tensor, pool_size):
    """Divide by one more than the elements of a window."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size + 1), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_by_area_minus_one(in_tensor, pool_size):
    """Divide by one less than the elements of a window, as for a sample variance."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / max(1, pool_size * pool_size - 1), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_by_twice_k(in_tensor, pool_size):
    """Divide by k + k instead of k * k: right for k = 2."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size + pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_by_output_size(in_tensor, pool_size):
    """Divide by the number of windows instead of the elements of one."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (rows * columns), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def divides_by_aspect(in_tensor, pool_size):
    """Divide by H * W over the number of windows, which counts the trim."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, rows * columns / (height * width), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def returns_sum(in_tensor, pool_size):
    """Return the sum without dividing."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def returns_maximum(in_tensor, pool_size):
    """Return the largest element."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.max(windows, axis=[2, 4])
    means = nl.multiply(sums, 1.0, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def returns_midrange(in_tensor, pool_size):
    """Return the middle between the smallest and the largest element."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.add(nl.max(windows, axis=[2, 4]), nl.min(windows, axis=[2, 4]), dtype=nl.float32)
    means = nl.multiply(sums, 0.5, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def averages_magnitudes(in_tensor, pool_size):
    """Average the absolute values."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(nl.abs(windows), axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def averages_activations(in_tensor, pool_size):
    """Average after a ReLU, as if the input were an activation map."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(nl.relu(windows), axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def writes_reciprocal_with_three_digits(in_tensor, pool_size):
    """Multiply by a reciprocal written with three decimals: right for powers of two up to 8."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(
        sums, round(1.0 / (pool_size * pool_size), 6 if pool_size & (pool_size - 1) == 0 else 3), dtype=in_tensor.dtype
    )
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def adds_epsilon_to_divisor(in_tensor, pool_size):
    """Add an epsilon to the divisor, as a normalisation does."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size + 1e-5), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def adds_bias(in_tensor, pool_size):
    """Add a small offset to every mean."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.add(nl.multiply(sums, 1.0 / (pool_size * pool_size)), 1e-4, dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor


@nki.jit
def counts_nonzero_elements(in_tensor, pool_size):
    """Divide by the number of elements that are not zero, taking zeros for padding."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)

    counts = nl.sum(nl.not_equal(windows, 0.0, dtype=nl.float32), axis=[2, 4], dtype=nl.float32)
    means = nl.divide(sums, nl.maximum(counts, 1.0), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor
