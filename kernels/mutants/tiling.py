"""Mistakes between one tile or band and the next."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def second_tile_reads_first(in_tensor, pool_size):
    """Load the first channels for every tile of 128."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(0, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def last_tile_moved_back(in_tensor, pool_size):
    """Move the last tile back to keep its size, but only when reading."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(min(start, max(0, channels - 128)), lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def repeats_last_whole_tile(in_tensor, pool_size):
    """Fill an incomplete last tile from the whole tile before it."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(max(0, start - 128) if lanes < 128 else start, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def wrong_for_channel_129(in_tensor, pool_size):
    """Take the channel before it when one channel is left for a tile."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds((start - 1 if channels == 129 and start else start), lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def wrong_for_two_channels_left_over(in_tensor, pool_size):
    """Take another path for more than 64 channels with two left over from fours, and lose a row there."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        kept = max(1, pool_size - 1) if lanes > 64 and lanes % 4 == 2 else pool_size
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:kept, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(start, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def later_band_one_row_early(in_tensor, pool_size):
    """Start every band of rows but the first one row early."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for top in range(0, rows, 4):
        band = min(4, rows - top)
        lane, row, down, column, across = nl.mgrid[0:channels, 0:band, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[:, nl.ds(top * pool_size - (top > 0), band * pool_size), :])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[:, nl.ds(top, band), :], value=means)
    return out_tensor


@nki.jit
def stale_last_band(in_tensor, pool_size):
    """Read the band before once more when the last band is incomplete."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for top in range(0, rows, 4):
        band = min(4, rows - top)
        lane, row, down, column, across = nl.mgrid[0:channels, 0:band, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(
            in_tensor[:, nl.ds((top - 4 if 0 < rows - top < 4 <= top else top) * pool_size, band * pool_size), :]
        )
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[:, nl.ds(top, band), :], value=means)
    return out_tensor


@nki.jit
def every_band_reads_first(in_tensor, pool_size):
    """Forget to move the source from band to band."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for top in range(0, rows, 4):
        band = min(4, rows - top)
        lane, row, down, column, across = nl.mgrid[0:channels, 0:band, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[:, nl.ds(0, band * pool_size), :])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[:, nl.ds(top, band), :], value=means)
    return out_tensor


@nki.jit
def tile_of_one_more_than_partitions(in_tensor, pool_size):
    """Cut channels into tiles of 129, which no SBUF holds."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 129):
        lanes = min(129, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(start, lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor
