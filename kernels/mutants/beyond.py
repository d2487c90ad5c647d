"""Kernels that are right as far as they claim to be, and take more than that."""

import neuronxcc.nki.language as nl
from neuronxcc import nki


@nki.jit
def rounds_what_it_does_not_claim(in_tensor, pool_size):
    """Claim fp32 alone, take bf16 and fp16 as well, and round their sums before they are scaled."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    sums = nl.sum(image[lane, pool_size * row + down, pool_size * column + across], axis=[2, 4])
    nl.store(out_tensor, value=nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype))
    return out_tensor


@nki.jit
def takes_fp16_for_bf16(in_tensor, pool_size):
    """Claim fp32 and bf16, and load whatever is no fp32 as bf16."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    on_chip = nl.float32 if in_tensor.dtype == nl.float32 else nl.bfloat16
    image = nl.load(in_tensor, dtype=on_chip)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    nl.store(out_tensor, value=nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype))
    return out_tensor


@nki.jit
def refuses_trim_of_rows_only(in_tensor, pool_size):
    """Claim to refuse images that the pool size does not divide, look at the height alone, and scale by the width."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    assert height % pool_size == 0, f"{pool_size} does not divide the height {height}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    image = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
    nl.store(out_tensor, value=nl.multiply(sums, columns / (pool_size * width), dtype=in_tensor.dtype))
    return out_tensor
