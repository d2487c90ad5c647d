"""Whole kernels of the legacy dialect: masks, and operands of ScalarE and TensorE, see test_rules.py."""

from __future__ import annotations

from typing import Any

from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

DIALECT = "legacy kernel"

P = nl.arange(8)[:, None, None]
H = nl.arange(6)[None, :, None]
W = nl.arange(6)[None, None, :]


def output(shape: tuple[int, ...] = (8, 6, 6)) -> Any:
    return nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm)


def stored(tile: Any) -> Any:
    out = output(tile.shape)
    nl.store(out, tile)
    return out


def filled(shape: tuple[int, ...], dtype: Any = nl.float32) -> Any:
    return nl.full(shape, 1, dtype)


def both_masks(x: Any) -> Any:
    out = output()
    nl.store(out, 0)
    nl.store(out[P, H, W], 1, mask=(H < 3) & (W < 3))
    return out


def and_of_masks(x: Any) -> Any:
    return nl.load(x, mask=H < 3 and W < 3)


def not_of_a_mask(x: Any) -> Any:
    return nl.load(x, mask=not H < 3)


def bands(x: Any, height: int) -> Any:
    """Iterations write along diagonals, whose bounding boxes overlap."""
    tile = nl.load(x)
    for i in nl.affine_range(3):
        band = (4 * i <= H + W) & (4 * i + height > H + W)
        tile[P, H, W] = nl.add(tile[P, H, W], 1, mask=band)
    return stored(tile)


def disjoint_bands(x: Any) -> Any:
    return bands(x, 4)


def overlapping_bands(x: Any) -> Any:
    return bands(x, 5)


def selected_undefined(x: Any) -> Any:
    return stored(nl.load(x, mask=H < 3))


def tensor_as_a_mask(x: Any) -> Any:
    tile = nl.load(x)
    return nl.load(x, mask=tile < 3)


def or_of_masks(x: Any) -> Any:
    return nl.load(x, mask=(H < 3) | (W < 3))


def inverted_mask(x: Any) -> Any:
    return nl.load(x, mask=~(H < 3))


def mask_with_a_float(x: Any) -> Any:
    return nl.load(x, mask=H < 3.5)


def remainder_in_a_mask(x: Any) -> Any:
    return nl.load(x, mask=H % 2 < 1)


def number_as_a_mask(x: Any) -> Any:
    return nl.load(x, mask=1)


def unlifted_mask(x: Any) -> Any:
    return nl.load(x, mask=nl.arange(6) < 3)


def mask_makes_an_index_legal(x: Any) -> Any:
    out = output()
    nl.store(out, 0)
    nl.store(out[P, H + 3, W], 1, mask=H < 3)
    return out


def out_of_bounds_under_a_mask(x: Any) -> Any:
    return nl.load(x[P, H + 1, W], mask=W < 3)


def activated(x: Any, **options: Any) -> Any:
    return stored(nisa.activation(nl.relu, nl.load(x), **options))


def column_bias(x: Any) -> Any:
    return activated(x, bias=filled((8, 1)))


def number_bias(x: Any) -> Any:
    return activated(x, bias=1.0)


def number_scale(x: Any) -> Any:
    return activated(x, scale=2.0)


def text_scale(x: Any) -> Any:
    return activated(x, scale="1")


def column_scale(x: Any) -> Any:
    return activated(x, scale=filled((8, 1)))


def matrix_scale(x: Any) -> Any:
    return activated(x, scale=filled((8, 6, 6)))


def wide_product(x: Any) -> Any:
    return stored(nl.copy(nisa.nc_matmul(filled((8, 128)), filled((8, 4)))))


def too_wide_product(x: Any) -> Any:
    return nisa.nc_matmul(filled((8, 200)), filled((8, 4)))


RULES = [
    ("`and` of masks", both_masks, and_of_masks, "`and` needs one", "err_ambiguous_tensor_truth_value"),
    ("`not` of a mask", both_masks, not_of_a_mask, "`not` needs one", "err_ambiguous_tensor_truth_value"),
    (
        "iterations under masks write apart",
        disjoint_bands,
        overlapping_bands,
        "iteration 1 of affine_range(3,) reads elements",
        "err_unexpected_output_dependencies",
    ),
    ("masked-off elements are undefined", both_masks, selected_undefined, "are undefined (never written"),
    (
        "a mask is no tensor",
        both_masks,
        tensor_as_a_mask,
        "a mask compares index expressions",
        "err_unsupported_expression_in_mask",
    ),
    ("`|` of masks", both_masks, or_of_masks, "a mask is a conjunction", "err_unsupported_expression_in_mask"),
    ("`~` of a mask", both_masks, inverted_mask, "a mask is a conjunction", "err_unsupported_expression_in_mask"),
    ("a mask compares integers", both_masks, mask_with_a_float, "got float", "err_unsupported_expression_in_mask"),
    ("a mask is affine", both_masks, remainder_in_a_mask, "`%` of an index"),
    ("a mask is a comparison", both_masks, number_as_a_mask, "got 1", "err_unsupported_expression_in_mask"),
    ("lifted arange in a mask", both_masks, unlifted_mask, "1D arange", "err_1d_arange_not_supported"),
    (
        "a mask makes an index legal",
        mask_makes_an_index_legal,
        out_of_bounds_under_a_mask,
        "on dimension 1: index range [1, 6] exceed",
        "err_tensor_access_out_of_bound",
    ),
    (
        "bias of an activation",
        column_bias,
        number_bias,
        "bias is a tensor of shape [8, 1] or None, got float",
        "err_activation_bias_invalid_type",
    ),
    (
        "scale of an activation",
        number_scale,
        text_scale,
        "scale is a number or a tensor of shape [8, 1], got str",
        "err_activation_scale_invalid_type",
    ),
    (
        "scale per partition",
        column_scale,
        matrix_scale,
        "scale is a scalar or a tile of shape [8, 1]",
        "err_activation_scale_scalar_or_vector",
    ),
    (
        "stationary matrix",
        wide_product,
        too_wide_product,
        "has a free size of 200",
        "err_size_of_dimension_exceed_arch_limit",
    ),
]
