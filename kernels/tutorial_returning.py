"""Average pool that returns its output: the form of the SDK 2.21 to 2.28 tutorials."""

import neuronxcc.nki.language as nl
from neuronxcc import nki
from neuronxcc.nki.typing import tensor  # noqa: TC002  (NKI evaluates the annotations of locals)


@nki.jit
def tensor_avgpool_kernel(in_tensor, pool_size):
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

    out_tensor = nl.ndarray((channels, rows, columns), dtype=in_tensor.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:channels, 0:rows, 0:pool_size, 0:columns, 0:pool_size]

    image: tensor[channels, height, width] = nl.load(in_tensor)
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    # The sum takes the dtype of the image before it is divided: bf16 and fp16 round twice.
    means: tensor[channels, rows, columns] = nl.sum(windows, axis=[2, 4]) / (pool_size * pool_size)

    nl.store(out_tensor, value=means)
    return out_tensor
