"""Average pool of any channel count and image size, for the `nki` API."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def avgpool(in_tensor, pool_size):
    """Average every square window, accumulating in fp32 and rounding once.

    Args:
        in_tensor: C x H x W in HBM.
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

    # Elements per partition of one band. Two bands with their fp32 sums and their results take 24 bytes per element at
    # most (fp32, windows of one element). On every generation this also keeps the strides of an access pattern below
    # the 32767 elements that an instruction can encode.
    capacity = nl.tile_size.total_available_sbuf_size // 24
    window = pool_size * pool_size
    whole = window <= capacity
    band_columns = min(columns, capacity // window) if whole else 1
    band_rows = min(rows, capacity // (window * band_columns)) if whole else 1

    for channel in range(0, channels, nl.tile_size.pmax):
        lanes = min(nl.tile_size.pmax, channels - channel)
        for row in range(0, rows, band_rows):
            for column in range(0, columns, band_columns):
                height_in_windows = min(band_rows, rows - row)
                width_in_windows = min(band_columns, columns - column)
                source = in_tensor[
                    channel : channel + lanes,
                    row * pool_size : (row + height_in_windows) * pool_size,
                    column * pool_size : (column + width_in_windows) * pool_size,
                ]
                sums = nl.ndarray((lanes, height_in_windows, width_in_windows), dtype=nl.float32, buffer=nl.sbuf)
                if whole:
                    _sum_band(sums, source, pool_size)
                else:
                    _sum_pieces(sums, source, capacity)
                means = nl.ndarray(sums.shape, dtype=in_tensor.dtype, buffer=nl.sbuf)
                nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=1.0 / window)
                nisa.dma_copy(
                    dst=out_tensor[
                        channel : channel + lanes,
                        row : row + height_in_windows,
                        column : column + width_in_windows,
                    ],
                    src=means,
                )
    return out_tensor


def _sum_band(sums, source, pool_size):
    """Sum whole windows of a band: one load, one reduction over a window-shaped view."""
    lanes, rows, columns = sums.shape
    width = columns * pool_size
    band = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=band, src=source)
    windows = band.ap(
        [
            [rows * pool_size * width, lanes],
            [pool_size * width, rows],
            [pool_size, columns],
            [width, pool_size],
            [1, pool_size],
        ]
    )
    nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=[3, 4])


def _sum_pieces(total, source, capacity):
    """Sum one window too large for a band: every piece leaves one fp32 partial sum, then those are summed."""
    lanes, height, width = source.shape
    piece_width = min(width, capacity)
    piece_height = capacity // piece_width
    across = (width + piece_width - 1) // piece_width
    down = (height + piece_height - 1) // piece_height
    partial = nl.ndarray((lanes, down, across), dtype=nl.float32, buffer=nl.sbuf)
    for d in range(down):
        for a in range(across):
            top, left = d * piece_height, a * piece_width
            part = source[
                :,
                top : top + min(piece_height, height - top),
                left : left + min(piece_width, width - left),
            ]
            piece = nl.ndarray(part.shape, dtype=source.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=piece, src=part)
            nisa.tensor_reduce(dst=partial[:, d : d + 1, a : a + 1], op=nl.add, data=piece, axis=[1, 2])
    nisa.tensor_reduce(dst=total, op=nl.add, data=partial, axis=[1, 2])
