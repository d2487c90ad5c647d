"""Honest average pools of the `nki` API, one tile of channels each."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def reduces_access_pattern(in_tensor, pool_size):
    """Reduce a view of five dimensions in one instruction."""
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
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def inverts_area_on_chip(in_tensor, pool_size):
    """Let VectorE compute the reciprocal of the area."""
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
    nisa.memset(dst=scale, value=float(pool_size * pool_size))
    nisa.reciprocal(dst=scale, data=scale)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=scale)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def prescales_image(in_tensor, pool_size):
    """Scale the image, then sum."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    raw = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=raw, src=in_tensor)
    image = nl.ndarray((channels, height, width), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=image, data=raw, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    windows = image.ap(
        [
            [height * width, channels],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=means, op=nl.add, data=windows, axis=[3, 4])
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def sums_across_then_down(in_tensor, pool_size):
    """Sum across each row of a window, then down."""
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
    nisa.tensor_reduce(dst=across, op=nl.add, data=windows, axis=[4])
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=across, axis=[3])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def sums_down_then_across(in_tensor, pool_size):
    """Sum down each column of a window, then across."""
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
            [1, pool_size],
            [width, pool_size],
        ]
    )

    down = nl.ndarray((channels, rows, columns, pool_size), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=down, op=nl.add, data=windows, axis=[4])
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=down, axis=[3])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def adds_elements_in_fp32(in_tensor, pool_size):
    """Add the elements of all windows position by position, in fp32."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    assert height * width <= 8192, f"one instruction per element of a window: {height} x {width} is too large"
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)

    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
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
def adds_elements_backwards(in_tensor, pool_size):
    """Add the elements of all windows from the last position to the first."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    assert height * width <= 8192, f"one instruction per element of a window: {height} x {width} is too large"
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)

    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=sums, value=0.0)
    for down in reversed(range(pool_size)):
        for across in reversed(range(pool_size)):
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
def sums_on_scalar_engine(in_tensor, pool_size):
    """Scale on ScalarE with one activation instead of VectorE."""
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
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.activation(dst=means, op=nl.copy, data=sums, scale=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def slices_pairs(in_tensor, pool_size):
    """Sum pairs of columns first where the pool size is even."""
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
    if pool_size % 2 == 0:
        half = pool_size // 2
        pairs = nl.ndarray((channels, rows, columns, pool_size, half), dtype=nl.float32, buffer=nl.sbuf)
        left, right = windows[:, :, :, :, 0:half], windows[:, :, :, :, half:pool_size]
        nisa.tensor_tensor(dst=pairs, data1=left, data2=right, op=nl.add)
        windows = pairs
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def loads_as_fp32(in_tensor, pool_size):
    """Let the DMA cast the image to fp32."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=nl.float32, buffer=nl.sbuf)
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
def rearranges_windows(in_tensor, pool_size):
    """Name the axes of the windows instead of counting strides."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, rows * pool_size, columns * pool_size), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor[:, 0 : rows * pool_size, 0 : columns * pool_size])
    windows = image.reshape((channels, rows, pool_size, columns, pool_size)).permute([0, 1, 3, 2, 4])
    sums = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
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
        image = nl.ndarray((lanes, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=image, src=in_tensor[start : start + lanes])
        windows = image.ap(
            [
                [height * width, lanes],
                [pool_size * width, rows],
                [pool_size, columns],
                [width, pool_size],
                [1, pool_size],
            ]
        )
        sums = nl.ndarray((lanes, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])
        means = nl.ndarray((lanes, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
        nisa.dma_copy(dst=out_tensor[start : start + lanes], src=means)
    return out_tensor


@nki.jit
def tiles_rows(in_tensor, pool_size):
    """Pool one row of windows at a time."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    for row in range(rows):
        band = nl.ndarray((channels, pool_size, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=band, src=in_tensor[:, row * pool_size : (row + 1) * pool_size, :])
        windows = band.ap([[pool_size * width, channels], [pool_size, columns], [width, pool_size], [1, pool_size]])
        sums = nl.ndarray((channels, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[2, 3])
        means = nl.ndarray((channels, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
        nisa.dma_copy(dst=out_tensor[:, row, :], src=means)
    return out_tensor
