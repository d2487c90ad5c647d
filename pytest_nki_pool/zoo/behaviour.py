"""Kernels whose rounding, special values or contract is wrong."""

from __future__ import annotations

from pytest_nki_pool.spec.kernel import Capabilities
from pytest_nki_pool.zoo.specimen import Specimen, wrong

_FP32_AND_BF16 = Capabilities(dtypes=("fp32", "bf16"))

BEHAVIOUR: tuple[Specimen, ...] = (
    wrong("precision", "rounds_sum_to_dtype", "values", "Let the sum take the input's dtype before it is scaled."),
    wrong("precision", "rounds_sum_to_bf16", "values", "Keep the sum in bf16 whatever the input is."),
    wrong("precision", "loads_image_as_bf16", "values", "Load the image as bf16 to save room."),
    wrong(
        "precision", "accumulates_in_dtype", "values", "Add the elements of a window one by one in the input's dtype."
    ),
    wrong("precision", "rounds_row_sums", "values", "Round the sum of each row of a window to the input's dtype."),
    wrong("precision", "rounds_reciprocal_to_bf16", "values", "Keep the reciprocal of the area in bf16."),
    wrong("precision", "results_through_fp16", "values", "Round the mean to fp16 on the way to the output."),
    wrong(
        "precision",
        "halves_in_bf16",
        "values",
        "Fold the columns of large even windows in halves, in bf16, before fp32 takes over.",
        claims=_FP32_AND_BF16,
    ),
    wrong(
        "precision",
        "folds_rows_of_large_windows",
        "values",
        "Fold windows of more than 16 rows in halves, in the input's dtype, before fp32 takes over.",
        claims=_FP32_AND_BF16,
    ),
    wrong(
        "precision",
        "folds_columns_of_large_windows",
        "values",
        "Fold windows of more than 16 columns in halves, in the input's dtype, before fp32 takes over.",
        claims=_FP32_AND_BF16,
    ),
    wrong(
        "rounding",
        "truncates_to_bf16",
        "values",
        "Cut the lower half of an fp32 mean off instead of rounding it to bf16.",
    ),
    wrong("rounding", "rounds_bf16_ties_up", "values", "Add half a step and cut: ties go away from zero, not to even."),
    wrong(
        "rounding",
        "truncates_last_fp32_bit",
        "statistics",
        "Clear the last bit of an fp32 mean, which draws every result towards zero.",
    ),
    wrong(
        "rounding",
        "steps_down_one_ulp",
        "exactness",
        "Return the fp32 value next to the mean, towards zero, for every window of more than four elements.",
    ),
    wrong(
        "steps",
        "running_mean",
        "exactness",
        "Update a running mean along rows, then along columns: each of its k divisions rounds.",
    ),
    wrong(
        "steps",
        "weighs_means_of_bands",
        "exactness",
        "Average five rows of a large window at a time and weigh the averages: every weight rounds.",
    ),
    wrong(
        "steps",
        "running_mean_of_rows",
        "exactness",
        "Update a running mean with the mean of each row of a large window: each division rounds.",
    ),
    wrong(
        "rounding",
        "steps_up_for_large_windows",
        "exactness",
        "Return the fp32 value next to the mean, away from zero, for windows of more than 16 rows.",
    ),
    wrong(
        "rounding",
        "cuts_low_bits_of_inputs",
        "statistics",
        "Cut the last three bits of fp32 inputs where windows have 16 elements or more.",
    ),
    wrong(
        "steps",
        "reciprocal_by_logarithm",
        "statistics",
        "Compute the reciprocal of large areas as exp(-log(area)), which is off by some ulps.",
    ),
    wrong(
        "rounding",
        "truncates_negative_means",
        "metamorphic",
        "Clear the last bit of a negative fp32 mean where k is odd.",
    ),
    wrong(
        "rounding",
        "truncates_large_means",
        "metamorphic",
        "Clear the last bit of an fp32 mean above 1e6 where k is odd, for lack of room in a fixed-point output.",
    ),
    wrong(
        "steps",
        "scales_large_windows_by_sevenths",
        "exactness",
        "Scale windows of more than 16 rows in two steps, by a seventh and by seven over the area.",
    ),
    wrong("special", "ignores_nan", "special", "Take NaN for zero."),
    wrong(
        "special",
        "averages_what_is_no_nan",
        "special",
        "Average the elements that are not NaN, as `numpy.nanmean` does.",
    ),
    wrong(
        "special",
        "spreads_nan_over_channel",
        "special",
        "Add zero times the sum of the channel, which one NaN makes NaN.",
    ),
    wrong(
        "special",
        "multiplies_trim_by_zero",
        "special",
        "Weigh the trimmed columns with zero, which NaN and infinity survive.",
    ),
    wrong("special", "clamps_infinity", "special", "Clamp the input to the largest finite value."),
    wrong("special", "clamps_sums_to_fp16", "special", "Clamp fp32 sums to the range of fp16 before they are divided."),
    wrong(
        "special", "flushes_small_values", "special", "Take everything below the smallest normal fp16 value for zero."
    ),
    wrong("special", "replaces_nan_in_results", "special", "Return zero where a mean is NaN."),
    wrong(
        "special",
        "subtracts_first_element",
        "special",
        "Sum the differences from the first element and add it back: infinity minus itself is NaN.",
    ),
    wrong(
        "special",
        "takes_infinity_for_missing",
        "special",
        "Take infinities for missing values and put zero in their place.",
    ),
    wrong(
        "special",
        "ignores_nan_for_pool_of_eight",
        "special",
        "Take NaN for zero when k = 8, whose loop was unrolled by another hand.",
    ),
    wrong(
        "special",
        "takes_faint_values_for_zero",
        "values",
        "Take what is smaller than 1e-20 for noise and drop it.",
    ),
    wrong(
        "contract",
        "accepts_pool_larger_than_image",
        "contract",
        "Shrink a pool that does not fit instead of refusing it.",
    ),
    wrong("contract", "accepts_pool_of_zero", "contract", "Take a pool size below 1 for 1."),
    wrong("contract", "accepts_batches", "contract", "Pool the first image of a batch and drop the others."),
    wrong("contract", "accepts_single_images", "contract", "Take an image without channels for one of one channel."),
    wrong("contract", "scales_input_in_place", "contract", "Scale the input where it lies and then add."),
    wrong(
        "contract",
        "clears_trim_of_input",
        "contract",
        "Set the trimmed columns of the input to zero, so that nobody reads them.",
    ),
    wrong(
        "contract",
        "clears_input_after_use",
        "contract",
        "Release the input by overwriting its first element when the work is done.",
    ),
    wrong("outputs", "returns_fp32", "contract", "Return fp32 whatever the input is."),
    wrong("outputs", "returns_flat_images", "contract", "Return the windows of a channel in one row."),
    wrong(
        "outputs",
        "returns_ceil_shape",
        "contract",
        "Return a row and a column for the trim as well, filled with zeros.",
    ),
    wrong("outputs", "exchanges_rows_and_columns", "contract", "Return W // k rows of H // k windows."),
    wrong(
        "outputs",
        "returns_input_for_pool_of_one",
        "contract",
        "Return the input itself when there is nothing to average.",
        survives="the emulator hands a returned parameter back as a copy, which is right",
    ),
    wrong(
        "outputs",
        "leaves_last_row_unwritten",
        "contract",
        "Copy all rows of windows but the last to the output.",
        emulator_rule=True,
    ),
    wrong(
        "memory",
        "alternates_summation_order",
        "contract",
        "Sum rows first and columns first in turn, to spread the load over two engines.",
    ),
    wrong("memory", "adds_launch_number", "contract", "Leave a counter of launches in the results."),
    wrong(
        "memory",
        "remembers_scale_by_shape",
        "metamorphic",
        "Remember the scale by the input's shape, whatever the pool size.",
    ),
    wrong(
        "memory",
        "remembers_result_by_shape",
        "contract",
        "Remember a result by the input's shape and dtype.",
        emulator_rule=True,
    ),
)
