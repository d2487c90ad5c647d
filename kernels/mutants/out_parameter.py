"""Out-parameter kernels that leave a part of their output as it was, or fill it wrongly."""

import neuronxcc.nki.language as nl


def never_writes_last_row(in_tensor, out_tensor, pool_size):
    """Write all rows of windows but the last."""
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
    if rows > 1:
        lane, row, column = nl.mgrid[0:channels, 0 : rows - 1, 0:columns]
        nl.store(out_tensor[lane, row, column], value=means[lane, row, column])
    else:
        nl.store(out_tensor[channel, out_row, out_column], value=means)


def never_writes_last_column(in_tensor, out_tensor, pool_size):
    """Write all columns of windows but the last."""
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
    if columns > 1:
        lane, row, column = nl.mgrid[0:channels, 0:rows, 0 : columns - 1]
        nl.store(out_tensor[lane, row, column], value=means[lane, row, column])
    else:
        nl.store(out_tensor[channel, out_row, out_column], value=means)


def never_writes_last_channel(in_tensor, out_tensor, pool_size):
    """Write all channels but the last."""
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
    if channels > 1:
        lane, row, column = nl.mgrid[0 : channels - 1, 0:rows, 0:columns]
        nl.store(out_tensor[lane, row, column], value=means[lane, row, column])
    else:
        nl.store(out_tensor[channel, out_row, out_column], value=means)


def writes_whole_tiles_only(in_tensor, out_tensor, pool_size):
    """Count tiles of 128 channels by division and drop the incomplete last one."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    lanes = min(128, channels)
    lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    for tile in range(channels // lanes):
        image = nl.load(in_tensor[nl.ds(tile * lanes, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(tile * lanes, lanes)], value=means)


def zeros_beyond_255_columns(in_tensor, out_tensor, pool_size):
    """Count columns of windows in eight bits: those beyond 255 stay zero."""
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
    lane, row, column = nl.mgrid[0:channels, 0:rows, 0 : min(columns, 255)]
    written = nl.zeros((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    written[lane, row, column] = means[lane, row, column]
    nl.store(out_tensor[channel, out_row, out_column], value=written)


def stores_sums(in_tensor, out_tensor, pool_size):
    """Store the sums and forget the division."""
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
    nl.store(out_tensor[channel, out_row, out_column], value=nl.copy(sums, dtype=in_tensor.dtype))


def writes_first_row_everywhere(in_tensor, out_tensor, pool_size):
    """Store the first row of windows into every row."""
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
    nl.store(out_tensor[channel, out_row, out_column], value=means[channel, 0 * out_row, out_column])


def mirrors_output(in_tensor, out_tensor, pool_size):
    """Store the windows of a row from right to left."""
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
    nl.store(out_tensor[channel, out_row, out_column], value=means[channel, out_row, columns - 1 - out_column])


def swaps_image_for_square(in_tensor, out_tensor, pool_size):
    """Take width for height: rows and columns of square images change places."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    channel = nl.arange(channels)[:, None, None]
    out_row = nl.arange(rows)[None, :, None]
    out_column = nl.arange(columns)[None, None, :]
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    by_row, by_column = (column, row) if height == width else (row, column)
    windows = image[lane, pool_size * by_row + down, pool_size * by_column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor[channel, out_row, out_column], value=means)


def rounds_twice(in_tensor, out_tensor, pool_size):
    """Let the sum take the input's dtype before it is divided."""
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
