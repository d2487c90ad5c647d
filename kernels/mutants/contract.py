"""Kernels that accept what they must refuse, or write to their input."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def accepts_pool_larger_than_image(in_tensor, pool_size):
    """Shrink a pool that does not fit instead of refusing it."""
    channels, height, width = in_tensor.shape
    assert pool_size >= 1, f"pool_size must be at least 1, got {pool_size}"
    pool_size = min(pool_size, height, width)
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
def accepts_pool_of_zero(in_tensor, pool_size):
    """Take a pool size below 1 for 1."""
    channels, height, width = in_tensor.shape
    pool_size = max(1, pool_size)
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
def accepts_batches(in_tensor, pool_size):
    """Pool the first image of a batch and drop the others."""
    if len(in_tensor.shape) == 4:
        in_tensor = in_tensor[0]
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
def accepts_single_images(in_tensor, pool_size):
    """Take an image without channels for one of one channel."""
    if len(in_tensor.shape) == 2:
        in_tensor = in_tensor.reshape((1, in_tensor.shape[0], in_tensor.shape[1]))
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
def scales_input_in_place(in_tensor, pool_size):
    """Scale the input where it lies and then add."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    nisa.tensor_scalar(dst=image, data=image, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    nisa.dma_copy(dst=in_tensor, src=image)
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
    nisa.tensor_copy(dst=means, src=sums)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def clears_trim_of_input(in_tensor, pool_size):
    """Set the trimmed columns of the input to zero, so that nobody reads them."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)
    if width > columns * pool_size:
        zeros = nl.zeros((channels, height, width - columns * pool_size), dtype=in_tensor.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=in_tensor[:, :, columns * pool_size : width], src=zeros)
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
def clears_input_after_use(in_tensor, pool_size):
    """Release the input by overwriting its first element when the work is done."""
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
    nothing = nl.zeros((1, 1, 1), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=in_tensor[0:1, 0:1, 0:1], src=nothing)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor
