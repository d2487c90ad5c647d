"""Sums and results with too few bits."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def rounds_sum_to_dtype(in_tensor, pool_size):
    """Let the sum take the input's dtype before it is scaled."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    sums = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def rounds_sum_to_bf16(in_tensor, pool_size):
    """Keep the sum in bf16 whatever the input is."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    sums = nl.ndarray((channels, rows, columns), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def loads_image_as_bf16(in_tensor, pool_size):
    """Load the image as bf16 to save room."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def accumulates_in_dtype(in_tensor, pool_size):
    """Add the elements of a window one by one in the input's dtype."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)

    sums = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.memset(dst=sums, value=0.0)
    for down in range(pool_size):
        for across in range(pool_size):
            element = image.ap(
                [[height * width, channels], [pool_size * width, rows], [pool_size, columns]],
                offset=down * width + across,
            )
            nisa.tensor_tensor(dst=sums, data1=sums, data2=element, op=nl.add)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def rounds_row_sums(in_tensor, pool_size):
    """Round the sum of each row of a window to the input's dtype."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )

    across = nl.ndarray((channels, rows, columns, pool_size), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=across, op=nl.add, data=windows, axis=[4])
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=across, axis=[3])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def rounds_reciprocal_to_bf16(in_tensor, pool_size):
    """Keep the reciprocal of the area in bf16."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])

    reciprocal = nl.ndarray((channels, 1), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.memset(dst=reciprocal, value=1.0 / (pool_size * pool_size))
    scale = nl.ndarray((channels, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=scale, src=reciprocal)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=scale)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def results_through_fp16(in_tensor, pool_size):
    """Round the mean to fp16 on the way to the output."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    narrow = nl.ndarray((channels, rows, columns), dtype=nl.float16, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=narrow, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=narrow)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def halves_in_bf16(in_tensor, pool_size):
    """Fold the columns of large even windows in halves, in bf16, before fp32 takes over."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )

    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    if pool_size > 2 and pool_size % 2 == 0:
        half = pool_size // 2
        folded = nl.ndarray((channels, rows, columns, pool_size, half), dtype=in_tensor.dtype, buffer=nl.sbuf)
        left, right = windows[:, :, :, :, 0:half], windows[:, :, :, :, half:pool_size]
        nisa.tensor_tensor(dst=folded, data1=left, data2=right, op=nl.add)
        windows = folded
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def folds_rows_of_large_windows(in_tensor, pool_size):
    """Fold windows of more than 16 rows in halves, in the input's dtype, before fp32 takes over."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )

    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    if pool_size > 16 and pool_size % 2 == 0:
        half = pool_size // 2
        folded = nl.ndarray((channels, rows, columns, half, pool_size), dtype=in_tensor.dtype, buffer=nl.sbuf)
        upper, lower = windows[:, :, :, 0:half, :], windows[:, :, :, half:pool_size, :]
        nisa.tensor_tensor(dst=folded, data1=upper, data2=lower, op=nl.add)
        windows = folded
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def folds_columns_of_large_windows(in_tensor, pool_size):
    """Fold windows of more than 16 columns in halves, in the input's dtype, before fp32 takes over."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )

    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    if pool_size > 16 and pool_size % 2 == 0:
        half = pool_size // 2
        folded = nl.ndarray((channels, rows, columns, pool_size, half), dtype=in_tensor.dtype, buffer=nl.sbuf)
        left, right = windows[:, :, :, :, 0:half], windows[:, :, :, :, half:pool_size]
        nisa.tensor_tensor(dst=folded, data1=left, data2=right, op=nl.add)
        windows = folded
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor
