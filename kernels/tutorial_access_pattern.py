"""Average pool over an access pattern: the form of the tutorial from SDK 2.29 on."""

import nki
import nki.isa as nisa
import nki.language as nl
from nki.typing import tensor


@nki.jit
def tensor_avgpool_kernel(in_tensor: tensor, pool_size):
    """Average every square window of one tile of channels.

    Args:
        in_tensor: C x H x W in HBM, C at most 128; one channel's image must fit one SBUF partition.
        pool_size: window height, width and stride.

    Returns:
        C x H//pool_size x W//pool_size in shared HBM, in the input's dtype.
    """
    assert len(in_tensor.shape) == 3, f"the input must be C x H x W, got {len(in_tensor.shape)} dimensions"
    channels, height, width = in_tensor.shape
    assert pool_size >= 1, f"pool_size must be at least 1, got {pool_size}"
    assert pool_size <= min(height, width), f"pool_size {pool_size} exceeds the {height} x {width} image"
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
    # The sum takes the dtype of the image before it is scaled: bf16 and fp16 round twice.
    sums = nl.sum(windows, axis=[3, 4])
    means = nl.ndarray(sums.shape, dtype=sums.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / (pool_size * pool_size))

    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out_tensor, src=means)
    return out_tensor
