"""Average pool whose output is an argument: the form of the SDK 2.20 tutorial."""

import neuronxcc.nki.language as nl


def tensor_avgpool_kernel_(in_tensor, out_tensor, pool_size):
    """Average every square window of one tile of channels.

    Args:
        in_tensor: C x H x W in HBM, C at most 128; one channel's image must fit one SBUF partition.
        out_tensor: C x H//pool_size x W//pool_size in HBM, written.
        pool_size: window height, width and stride.
    """
    assert len(in_tensor.shape) == 3, f"the input must be C x H x W, got {len(in_tensor.shape)} dimensions"
    channels, height, width = in_tensor.shape
    assert pool_size >= 1, f"pool_size must be at least 1, got {pool_size}"
    assert pool_size <= min(height, width), f"pool_size {pool_size} exceeds the {height} x {width} image"
    rows, columns = height // pool_size, width // pool_size
    assert tuple(out_tensor.shape) == (channels, rows, columns), (
        f"the output must be {(channels, rows, columns)}, got {tuple(out_tensor.shape)}"
    )

    channel = nl.arange(channels)[:, None, None]
    in_row = nl.arange(height)[None, :, None]
    in_column = nl.arange(width)[None, None, :]
    out_row = nl.arange(rows)[None, :, None]
    out_column = nl.arange(columns)[None, None, :]

    image = nl.ndarray([channels, height, width], dtype=in_tensor.dtype)
    image[:, :, :] = nl.load(in_tensor[channel, in_row, in_column])

    lane = nl.arange(channels)[:, None, None, None, None]
    row = nl.arange(rows)[None, :, None, None, None]
    down = nl.arange(pool_size)[None, None, :, None, None]
    column = nl.arange(columns)[None, None, None, :, None]
    across = nl.arange(pool_size)[None, None, None, None, :]

    # The sum takes the dtype of the image before it is divided: bf16 and fp16 round twice.
    windows = image[lane, pool_size * row + down, pool_size * column + across]
    means = nl.sum(windows, axis=[2, 4]) / (pool_size * pool_size)
    nl.store(out_tensor[channel, out_row, out_column], value=means)
