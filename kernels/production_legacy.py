"""Average pool of any channel count and image size, for the `neuronxcc.nki` API."""

import neuronxcc.nki.language as nl
from neuronxcc import nki

# Elements per partition of one band. Two bands with their fp32 sums and their results take 24 bytes per element at most
# (fp32, windows of one element), which is the whole of the smallest SBUF partition, 192 KiB on NeuronCore-v2. This also
# keeps the strides of an access pattern below the 32767 elements that an instruction can encode.
_BAND = 8192


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

    window = pool_size * pool_size
    whole = window <= _BAND
    band_columns = min(columns, _BAND // window) if whole else 1
    band_rows = min(rows, _BAND // (window * band_columns)) if whole else 1
    pool = _pool_bands if whole else _pool_in_pieces

    channel_runs = _runs(channels, nl.tile_size.pmax)
    row_runs = _runs(rows, band_rows)
    column_runs = _runs(columns, band_columns)
    for c in nl.static_range(len(channel_runs)):
        for r in nl.static_range(len(row_runs)):
            for w in nl.static_range(len(column_runs)):
                pool(in_tensor, out_tensor, pool_size, (channel_runs[c], row_runs[r], column_runs[w]))
    return out_tensor


def _runs(total, piece):
    """Cut range(total) into runs (start, size of a piece, number of pieces): whole pieces, then the remainder.

    Sizes must be static while the loop over the pieces of a run is traced once.
    """
    count = total // piece
    runs = [(0, piece, count), (count * piece, total - count * piece, 1)]
    return [run for run in runs if run[1] > 0 and run[2] > 0]


def _pool_bands(in_tensor, out_tensor, pool_size, runs):
    """Pool bands of whole windows, each with one load and one reduction."""
    first_channel, lanes, channel_pieces = runs[0]
    first_row, rows, row_pieces = runs[1]
    first_column, columns, column_pieces = runs[2]
    lane, row, down, column, across = nl.mgrid[0:lanes, 0:rows, 0:pool_size, 0:columns, 0:pool_size]
    for c in nl.affine_range(channel_pieces):
        for r in nl.affine_range(row_pieces):
            for w in nl.affine_range(column_pieces):
                channel = nl.ds(first_channel + c * lanes, lanes)
                top = first_row + r * rows
                left = first_column + w * columns
                band = nl.load(
                    in_tensor[
                        channel,
                        nl.ds(top * pool_size, rows * pool_size),
                        nl.ds(left * pool_size, columns * pool_size),
                    ]
                )
                windows = band[lane, pool_size * row + down, pool_size * column + across]
                sums = nl.sum(windows, axis=[2, 4], dtype=nl.float32)
                means = nl.multiply(sums, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
                nl.store(out_tensor[channel, nl.ds(top, rows), nl.ds(left, columns)], value=means)


def _pool_in_pieces(in_tensor, out_tensor, pool_size, runs):
    """Pool windows too large for a band, one at a time, each from the fp32 sums of its pieces."""
    first_channel, lanes, channel_pieces = runs[0]
    first_row, _, row_pieces = runs[1]
    first_column, _, column_pieces = runs[2]
    piece_width = min(pool_size, _BAND)
    across_runs = _runs(pool_size, piece_width)
    down_runs = _runs(pool_size, _BAND // piece_width)
    for c in nl.affine_range(channel_pieces):
        for r in nl.affine_range(row_pieces):
            for w in nl.affine_range(column_pieces):
                channel = nl.ds(first_channel + c * lanes, lanes)
                top = first_row + r
                left = first_column + w
                total = nl.zeros((lanes, 1, 1), dtype=nl.float32, buffer=nl.sbuf)
                for d in nl.static_range(len(down_runs)):
                    for a in nl.static_range(len(across_runs)):
                        origin = (channel, top * pool_size, left * pool_size)
                        _add_pieces(total, in_tensor, origin, (down_runs[d], across_runs[a]))
                mean = nl.multiply(total, 1.0 / (pool_size * pool_size), dtype=in_tensor.dtype)
                nl.store(out_tensor[channel, nl.ds(top, 1), nl.ds(left, 1)], value=mean)


def _add_pieces(total, in_tensor, origin, runs):
    """Add the pieces of one window to its total, in order: each addition needs the one before."""
    channel, top, left = origin
    first_down, height, down_pieces = runs[0]
    first_across, width, across_pieces = runs[1]
    for d in nl.sequential_range(down_pieces):
        for a in nl.sequential_range(across_pieces):
            piece = nl.load(
                in_tensor[
                    channel,
                    nl.ds(top + first_down + d * height, height),
                    nl.ds(left + first_across + a * width, width),
                ]
            )
            total[...] = nl.add(total, nl.sum(piece, axis=[1, 2], dtype=nl.float32, keepdims=True))
