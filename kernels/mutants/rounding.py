"""Results that are rounded the wrong way."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def truncates_to_bf16(in_tensor, pool_size):
    """Cut the lower half of an fp32 mean off instead of rounding it to bf16."""
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

    exact = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=exact, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    if in_tensor.dtype == nl.bfloat16:
        bits = exact.view(nl.uint32)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFF0000)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=exact)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def rounds_bf16_ties_up(in_tensor, pool_size):
    """Add half a step and cut: ties go away from zero, not to even."""
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

    exact = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=exact, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))
    if in_tensor.dtype == nl.bfloat16:
        bits = exact.view(nl.uint32)
        half = nl.ndarray((channels, rows, columns), dtype=nl.uint32, buffer=nl.sbuf)
        nisa.memset(dst=half, value=0x8000)
        nisa.tensor_tensor(dst=bits, data1=bits, data2=half, op=nl.add, engine=nisa.engine.gpsimd)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFF0000)
    means = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=means, src=exact)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def truncates_last_fp32_bit(in_tensor, pool_size):
    """Clear the last bit of an fp32 mean, which draws every result towards zero."""
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
    if in_tensor.dtype == nl.float32 and pool_size > 1:
        bits = means.view(nl.uint32)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFFFFFE)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def steps_down_one_ulp(in_tensor, pool_size):
    """Return the fp32 value next to the mean, towards zero, for every window of more than four elements."""
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
    if in_tensor.dtype == nl.float32 and pool_size > 2:
        bits = means.view(nl.uint32)
        one = nl.ndarray((channels, rows, columns), dtype=nl.uint32, buffer=nl.sbuf)
        nisa.memset(dst=one, value=1)
        nisa.tensor_tensor(dst=bits, data1=bits, data2=one, op=nl.subtract, engine=nisa.engine.gpsimd)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def steps_up_for_large_windows(in_tensor, pool_size):
    """Return the fp32 value next to the mean, away from zero, for windows of more than 16 rows."""
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
    if in_tensor.dtype == nl.float32 and pool_size > 16:
        bits = means.view(nl.uint32)
        one = nl.ndarray((channels, rows, columns), dtype=nl.uint32, buffer=nl.sbuf)
        nisa.memset(dst=one, value=1)
        nisa.tensor_tensor(dst=bits, data1=bits, data2=one, op=nl.add, engine=nisa.engine.gpsimd)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def truncates_negative_means(in_tensor, pool_size):
    """Clear the last bit of a negative fp32 mean where k is odd."""
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
    if in_tensor.dtype == nl.float32 and pool_size % 2 and pool_size > 1:
        cut = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=cut, src=means)
        bits = cut.view(nl.uint32)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFFFFFE)
        chosen = nl.ndarray((channels, rows, columns), dtype=nl.uint8, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=chosen, data=means, op0=nl.less, operand0=0.0)
        nisa.tensor_copy_predicated(dst=means, src=cut, predicate=chosen)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def truncates_large_means(in_tensor, pool_size):
    """Clear the last bit of an fp32 mean above 1e6 where k is odd, for lack of room in a fixed-point output."""
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
    if in_tensor.dtype == nl.float32 and pool_size % 2 and pool_size > 1:
        cut = nl.ndarray((channels, rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=cut, src=means)
        bits = cut.view(nl.uint32)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFFFFFE)
        chosen = nl.ndarray((channels, rows, columns), dtype=nl.uint8, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=chosen, data=means, op0=nl.greater, operand0=1e6)
        nisa.tensor_copy_predicated(dst=means, src=cut, predicate=chosen)
    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor


@nki.jit
def cuts_low_bits_of_inputs(in_tensor, pool_size):
    """Cut the last three bits of fp32 inputs where windows have 16 elements or more."""
    channels, height, width = in_tensor.shape
    assert 1 <= pool_size <= min(height, width), f"pool_size {pool_size} does not fit {height} x {width}"
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=in_tensor.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=in_tensor)

    if in_tensor.dtype == nl.float32 and pool_size >= 4:
        bits = image.view(nl.uint32)
        nisa.tensor_scalar(dst=bits, data=bits, op0=nl.bitwise_and, operand0=0xFFFFFFF8)
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
