"""The right kernels, each of which comes to its result in another way."""

from __future__ import annotations

from pytest_nki_pool.spec.kernel import Capabilities
from pytest_nki_pool.zoo.specimen import Specimen, right

_ANY_CHANNELS = Capabilities(max_channels=None)
_SMALL_IMAGES = Capabilities(max_image_bytes=16384)
_SUM_CAST = Capabilities(accuracy="fp32_sum_cast")
_NO_TRIM = Capabilities(ragged="reject")

#: All right kernels.
VARIANTS: tuple[Specimen, ...] = (
    right("legacy", "multiplies_by_reciprocal", "Multiply the sum by the reciprocal of the area."),
    right("legacy", "divides_sum", "Divide the sum by the area."),
    right("legacy", "scales_before_summing", "Scale every element, then sum."),
    right("legacy", "sums_rows_then_columns", "Sum across each row of a window, then down."),
    right("legacy", "sums_columns_then_rows", "Sum down each column of a window, then across."),
    right("legacy", "takes_mean", "Let NKI take the mean."),
    right("legacy", "loads_as_fp32", "Cast the image to fp32 while it is loaded."),
    right("legacy", "reads_backwards", "Read every window from its last element to its first."),
    right("legacy", "reduces_with_instruction", "Bring the window to the last axes and let `tensor_reduce` sum it."),
    right(
        "legacy", "adds_strided_views", "Add the elements of all windows position by position.", claims=_SMALL_IMAGES
    ),
    right("legacy", "scales_in_two_steps", "Divide by k after each of two sums."),
    right("legacy", "tiles_channels", "Pool 128 channels at a time.", claims=_ANY_CHANNELS),
    right("legacy", "tiles_rows", "Pool one row of windows at a time."),
    right("legacy", "loads_windows_only", "Load no more of the image than the windows cover."),
    right("legacy", "writes_out_parameter", "Write the means into an argument."),
    right(
        "legacy",
        "rounds_sum_and_says_so",
        "Let the sum take the input's dtype before it is divided: accuracy class `fp32_sum_cast`.",
        claims=_SUM_CAST,
    ),
    right("legacy", "rejects_trim", "Refuse an image that the pool size does not divide.", claims=_NO_TRIM),
    right("current", "reduces_access_pattern", "Reduce a view of five dimensions in one instruction."),
    right("current", "inverts_area_on_chip", "Let VectorE compute the reciprocal of the area."),
    right("current", "prescales_image", "Scale the image, then sum."),
    right("current", "sums_across_then_down", "Sum across each row of a window, then down."),
    right("current", "sums_down_then_across", "Sum down each column of a window, then across."),
    right(
        "current",
        "adds_elements_in_fp32",
        "Add the elements of all windows position by position, in fp32.",
        claims=_SMALL_IMAGES,
    ),
    right(
        "current",
        "adds_elements_backwards",
        "Add the elements of all windows from the last position to the first.",
        claims=_SMALL_IMAGES,
    ),
    right("current", "sums_on_scalar_engine", "Scale on ScalarE with one activation instead of VectorE."),
    right("current", "slices_pairs", "Sum pairs of columns first where the pool size is even."),
    right("current", "loads_as_fp32", "Let the DMA cast the image to fp32."),
    right("current", "rearranges_windows", "Name the axes of the windows instead of counting strides."),
    right("current", "tiles_channels", "Pool 128 channels at a time.", claims=_ANY_CHANNELS),
    right("current", "tiles_rows", "Pool one row of windows at a time."),
)
