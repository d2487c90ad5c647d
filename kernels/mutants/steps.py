"""Arithmetic that rounds in steps where it need not round at all."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def running_mean(in_tensor, pool_size):
    """Update a running mean along rows, then along columns: each of its k divisions rounds."""
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

    across = nl.ndarray((channels, rows, columns, pool_size), dtype=nl.float32, buffer=nl.sbuf)
    step = nl.ndarray((channels, rows, columns, pool_size), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=across, value=0.0)
    for i in range(pool_size):
        nisa.tensor_tensor(dst=step, data1=windows[:, :, :, :, i], data2=across, op=nl.subtract)
        nisa.tensor_scalar(dst=step, data=step, op0=nl.multiply, operand0=1.0 / (i + 1))
        nisa.tensor_tensor(dst=across, data1=across, data2=step, op=nl.add)
    mean = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    move = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=mean, value=0.0)
    for i in range(pool_size):
        nisa.tensor_tensor(dst=move, data1=across[:, :, :, i], data2=mean, op=nl.subtract)
        nisa.tensor_scalar(dst=move, data=move, op0=nl.multiply, operand0=1.0 / (i + 1))
        nisa.tensor_tensor(dst=mean, data1=mean, data2=move, op=nl.add)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=mean)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def weighs_means_of_bands(in_tensor, pool_size):
    """Average five rows of a large window at a time and weigh the averages: every weight rounds."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)

    mean = nl.zeros((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    most = 5 if pool_size > 16 else pool_size
    for first in range(0, pool_size, most):
        band = min(most, pool_size - first)
        windows = image.ap(
            [
                [height * width, channels],
                [pool_size * width, rows],
                [pool_size, columns],
                [width, band],
                [1, pool_size],
            ],
            offset=first * width,
        )
        part = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=part, op=nl.add, data=windows, axis=[3, 4])
        nisa.tensor_scalar(dst=part, data=part, op0=nl.multiply, operand0=1.0 / (band * pool_size))
        nisa.tensor_scalar(dst=part, data=part, op0=nl.multiply, operand0=band / pool_size)
        nisa.tensor_tensor(dst=mean, data1=mean, data2=part, op=nl.add)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=mean)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def running_mean_of_rows(in_tensor, pool_size):
    """Update a running mean with the mean of each row of a large window: each division rounds."""
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

    mean = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=mean, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    if pool_size > 16:
        row_means = nl.ndarray((channels, rows, columns, pool_size), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=row_means, op=nl.add, data=windows, axis=[4])
        nisa.tensor_scalar(dst=row_means, data=row_means, op0=nl.multiply, operand0=1.0 / pool_size)
        nisa.memset(dst=mean, value=0.0)
        move = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        for i in range(pool_size):
            nisa.tensor_tensor(dst=move, data1=row_means[:, :, :, i], data2=mean, op=nl.subtract)
            nisa.tensor_scalar(dst=move, data=move, op0=nl.multiply, operand0=1.0 / (i + 1))
            nisa.tensor_tensor(dst=mean, data1=mean, data2=move, op=nl.add)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=mean)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def reciprocal_by_logarithm(in_tensor, pool_size):
    """Compute the reciprocal of large areas as exp(-log(area)), which is off by some ulps."""
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

    scale = nl.ndarray((channels, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=scale, value=1.0 / (pool_size * pool_size))
    if pool_size > 2:
        nisa.memset(dst=scale, value=float(pool_size * pool_size))
        nisa.activation(dst=scale, op=nl.log, data=scale)
        nisa.activation(dst=scale, op=nl.exp, data=scale, scale=-1.0)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=scale)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def scales_large_windows_by_sevenths(in_tensor, pool_size):
    """Scale windows of more than 16 rows in two steps, by a seventh and by seven over the area."""
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
    area = pool_size * pool_size
    scales = (1.0 / 7.0, 7.0 / area) if pool_size > 16 else (1.0 / area, 1.0)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=scales[0], op1=nl.multiply, operand1=scales[1])
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor
