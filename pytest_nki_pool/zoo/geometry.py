"""Kernels that read, weigh or write the wrong elements."""

from __future__ import annotations

from pytest_nki_pool.spec.kernel import Capabilities
from pytest_nki_pool.zoo.specimen import Specimen, wrong

_ANY_CHANNELS = Capabilities(max_channels=None)

GEOMETRY: tuple[Specimen, ...] = (
    wrong("scaling", "divides_by_k", "values", "Divide by the side of the window instead of its area."),
    wrong("scaling", "divides_by_area_plus_one", "values", "Divide by one more than the elements of a window."),
    wrong(
        "scaling",
        "divides_by_area_minus_one",
        "values",
        "Divide by one less than the elements of a window, as for a sample variance.",
    ),
    wrong("scaling", "divides_by_twice_k", "values", "Divide by k + k instead of k * k: right for k = 2."),
    wrong(
        "scaling", "divides_by_output_size", "values", "Divide by the number of windows instead of the elements of one."
    ),
    wrong(
        "scaling", "divides_by_aspect", "values", "Divide by H * W over the number of windows, which counts the trim."
    ),
    wrong("scaling", "returns_sum", "values", "Return the sum without dividing."),
    wrong("scaling", "returns_maximum", "values", "Return the largest element."),
    wrong("scaling", "returns_midrange", "values", "Return the middle between the smallest and the largest element."),
    wrong("scaling", "averages_magnitudes", "values", "Average the absolute values."),
    wrong("scaling", "averages_activations", "values", "Average after a ReLU, as if the input were an activation map."),
    wrong(
        "scaling",
        "writes_reciprocal_with_three_digits",
        "values",
        "Multiply by a reciprocal written with three decimals: right for powers of two up to 8.",
    ),
    wrong("scaling", "adds_epsilon_to_divisor", "values", "Add an epsilon to the divisor, as a normalisation does."),
    wrong("scaling", "adds_bias", "values", "Add a small offset to every mean."),
    wrong(
        "scaling",
        "counts_nonzero_elements",
        "exactness",
        "Divide by the number of elements that are not zero, taking zeros for padding.",
    ),
    wrong(
        "windows",
        "window_one_column_right",
        "values",
        "Start every window one column late; a column of zeros keeps the last one inside.",
    ),
    wrong(
        "windows", "window_one_column_left", "values", "Start every window one column early, after a column of zeros."
    ),
    wrong(
        "windows",
        "window_one_row_down",
        "values",
        "Start every window one row late; a row of zeros keeps the last one inside.",
    ),
    wrong("windows", "window_one_row_up", "values", "Start every window one row early, after a row of zeros."),
    wrong(
        "windows",
        "window_one_column_wider",
        "values",
        "Sum k + 1 columns; a column of zeros keeps the last window inside.",
    ),
    wrong("windows", "window_one_row_higher", "values", "Sum k + 1 rows; a row of zeros keeps the last window inside."),
    wrong("windows", "skips_last_column_of_window", "values", "Sum only the first k - 1 columns of a window."),
    wrong("windows", "skips_last_row_of_window", "values", "Sum only the first k - 1 rows of a window."),
    wrong("windows", "skips_corner_of_window", "values", "Leave out the last element of a window."),
    wrong("windows", "counts_corner_twice", "values", "Add the first element of a window once more."),
    wrong("windows", "repeats_first_row_of_window", "values", "Read the first row of a window k times."),
    wrong("windows", "repeats_first_column_of_window", "values", "Read the first column of a window k times."),
    wrong("windows", "stride_one_less_across", "values", "Step k - 1 columns from window to window."),
    wrong("windows", "stride_one_less_down", "values", "Step k - 1 rows from window to window."),
    wrong(
        "windows", "dilates_rows", "values", "Swap the strides of window and row: a window takes every H // k-th row."
    ),
    wrong(
        "windows",
        "dilates_columns",
        "values",
        "Swap the strides of window and column: a window takes every W // k-th column.",
    ),
    wrong("windows", "aligns_windows_right", "values", "Trim at the left edge instead of the right one."),
    wrong("windows", "aligns_windows_to_bottom", "values", "Trim at the top edge instead of the bottom one."),
    wrong("windows", "centres_windows", "values", "Trim half on either side."),
    wrong("narrow", "wrong_for_pool_of_seven", "values", "Unroll k = 7 and forget its last row."),
    wrong("narrow", "wrong_for_pool_of_five", "values", "Take k = 5 for k = 4 when dividing."),
    wrong("narrow", "wrong_for_pool_of_eleven", "values", "Divide by 11 * 11 - 1 for k = 11 alone."),
    wrong("narrow", "wrong_for_global_pool", "values", "Divide a global pool by k only."),
    wrong("narrow", "wrong_for_pool_of_sixteen_up", "values", "Shift by a wrong power of two from k = 16 on."),
    wrong(
        "narrow",
        "wrong_for_thin_images",
        "values",
        "Take the height for the width where the image is wider than high: reads the left part alone.",
    ),
    wrong(
        "narrow",
        "wrong_for_odd_width",
        "values",
        "Assume an even width: an odd one loses its last window's last column.",
    ),
    wrong(
        "narrow",
        "divides_single_window_by_image",
        "values",
        "Divide a single window by the image's area, as a global pool without trim may.",
    ),
    wrong("narrow", "wrong_for_one_channel", "values", "Divide a single channel by k only."),
    wrong(
        "narrow",
        "wrong_for_width_thirteen",
        "special",
        "Read the first window of each row for all of them when W = 13.",
    ),
    wrong("narrow", "wrong_for_pool_of_one", "values", "Copy through bf16 when k = 1."),
    wrong(
        "narrow",
        "wrong_for_full_tile_of_threes",
        "values",
        "Leave out the last row of a window when 128 channels meet k = 3.",
    ),
    wrong(
        "narrow",
        "rounds_sums_of_many_rows",
        "values",
        "Let the sums take the dtype of the input where an image has more than 4000 elements.",
    ),
    wrong("narrow", "averages_trim_into_last_row", "values", "Add the trimmed rows to the last row of windows."),
    wrong(
        "narrow",
        "divides_last_column_by_clipped_window",
        "values",
        "Divide windows next to the trim by the larger area up to the edge.",
    ),
    wrong("patterns", "row_stride_without_pool", "values", "Step one row, not k, from window to window."),
    wrong("patterns", "column_stride_of_one", "values", "Step one column, not k, from window to window."),
    wrong("patterns", "rows_never_advance", "values", "Read the first row of windows for every row."),
    wrong("patterns", "columns_never_advance", "values", "Read the first column of windows for every column."),
    wrong("patterns", "row_pitch_without_trim", "values", "Take the trimmed width for the distance between rows."),
    wrong("patterns", "row_pitch_from_smaller_side", "values", "Take the smaller side for the distance between rows."),
    wrong("patterns", "window_rows_contiguous", "values", "Read the rows of a window as if they followed each other."),
    wrong(
        "patterns",
        "window_rows_drift",
        "values",
        "Step a row and a column from row to row of a window, where the trim leaves room.",
    ),
    wrong(
        "patterns", "sums_first_rows_only", "values", "Reduce one axis of two: average the first row of each window."
    ),
    wrong(
        "patterns",
        "swaps_strides_of_square_images",
        "values",
        "Swap the strides of window rows and columns where the image is square.",
    ),
    wrong(
        "patterns",
        "pattern_starts_late",
        "values",
        "Start the pattern at the second element where the trim leaves room.",
    ),
    wrong(
        "patterns",
        "pattern_leaves_image",
        "values",
        "Read windows of k + 1 columns with no room for them.",
        emulator_rule=True,
    ),
    wrong(
        "tiling",
        "second_tile_reads_first",
        "values",
        "Load the first channels for every tile of 128.",
        claims=_ANY_CHANNELS,
    ),
    wrong(
        "tiling",
        "last_tile_moved_back",
        "values",
        "Move the last tile back to keep its size, but only when reading.",
        claims=_ANY_CHANNELS,
    ),
    wrong(
        "tiling",
        "repeats_last_whole_tile",
        "values",
        "Fill an incomplete last tile from the whole tile before it.",
        claims=_ANY_CHANNELS,
    ),
    wrong(
        "tiling",
        "wrong_for_channel_129",
        "values",
        "Take the channel before it when one channel is left for a tile.",
        claims=_ANY_CHANNELS,
    ),
    wrong(
        "tiling",
        "wrong_for_two_channels_left_over",
        "metamorphic",
        "Take another path for more than 64 channels with two left over from fours, and lose a row there.",
        claims=_ANY_CHANNELS,
    ),
    wrong("tiling", "later_band_one_row_early", "values", "Start every band of rows but the first one row early."),
    wrong("tiling", "stale_last_band", "values", "Read the band before once more when the last band is incomplete."),
    wrong("tiling", "every_band_reads_first", "values", "Forget to move the source from band to band."),
    wrong(
        "tiling",
        "tile_of_one_more_than_partitions",
        "values",
        "Cut channels into tiles of 129, which no SBUF holds.",
        claims=_ANY_CHANNELS,
        emulator_rule=True,
    ),
    wrong(
        "out_parameter",
        "never_writes_last_row",
        "values",
        "Write all rows of windows but the last.",
        emulator_rule=True,
    ),
    wrong(
        "out_parameter",
        "never_writes_last_column",
        "values",
        "Write all columns of windows but the last.",
        emulator_rule=True,
    ),
    wrong(
        "out_parameter", "never_writes_last_channel", "values", "Write all channels but the last.", emulator_rule=True
    ),
    wrong(
        "out_parameter",
        "writes_whole_tiles_only",
        "values",
        "Count tiles of 128 channels by division and drop the incomplete last one.",
        claims=_ANY_CHANNELS,
        emulator_rule=True,
    ),
    wrong(
        "out_parameter",
        "zeros_beyond_255_columns",
        "values",
        "Count columns of windows in eight bits: those beyond 255 stay zero.",
    ),
    wrong("out_parameter", "stores_sums", "values", "Store the sums and forget the division."),
    wrong("out_parameter", "writes_first_row_everywhere", "values", "Store the first row of windows into every row."),
    wrong("out_parameter", "mirrors_output", "values", "Store the windows of a row from right to left."),
    wrong(
        "out_parameter",
        "swaps_image_for_square",
        "values",
        "Take width for height: rows and columns of square images change places.",
    ),
    wrong("out_parameter", "rounds_twice", "values", "Let the sum take the input's dtype before it is divided."),
)
