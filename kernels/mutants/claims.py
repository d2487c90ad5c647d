"""Kernels that do not reach the limits they claim."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def claims_one_channel_too_many(in_tensor, pool_size):
    """Claim 160 channels, but keep room for 159: the last tile moves back by one."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    assert channels <= 160, f"at most 160 channels, got {channels}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for start in range(0, channels, 128):
        lanes = min(128, channels - start)
        lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
        image = nl.load(in_tensor[nl.ds(min(start, 159 - lanes), lanes)])
        sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
        means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
        nl.store(out_tensor[nl.ds(start, lanes)], value=means)
    return out_tensor


@nki.jit
def claims_larger_images(in_tensor, pool_size):
    """Claim images of 40000 bytes, but read the last row of a window up to 39000 only."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    image_bytes = height * width * (4 if in_tensor.dtype == nl.float32 else 2)
    assert image_bytes <= 40000, f"images of at most 40000 bytes, got {image_bytes}"
    rows, columns = height // pool_size, width // pool_size
    read = pool_size - (image_bytes > 39000)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:read, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4], dtype=nl.float32)
    means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
    nl.store(out_tensor, value=means)
    return out_tensor
