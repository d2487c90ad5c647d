"""Every error id of the NKI error manual that applies to the emulator, each with a kernel that earns it."""

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import mutable_tensor, tensor

X = np.arange(288, dtype=np.float32).reshape(8, 6, 6)

P = nl.arange(8)[:, None, None]
H = nl.arange(6)[None, :, None]
W = nl.arange(6)[None, None, :]


def output() -> Any:
    return nl.ndarray((8, 6, 6), nl.float32, buffer=nl.shared_hbm)


def truth_of_a_tile(x: Any) -> Any:
    return 1 if nl.load(x) else 0


def and_of_masks(x: Any) -> Any:
    return nl.load(x, mask=H < 3 and W < 3)


def not_of_a_mask(x: Any) -> Any:
    return nl.load(x, mask=not H < 3)


def condition_on_arange(x: Any) -> Any:
    return 1 if H < 3 else 0


def condition_on_a_tensor(x: Any) -> Any:
    return 1 if nl.load(x) < 3 else 0


def wrong_annotation(x: Any) -> Any:
    tile: tensor[8, 6, 5] = nl.load(x)
    return tile


def assigned_index(x: Any) -> Any:
    nl.mgrid[0:8, 0:6][0] = 1


def written_input(x: Any) -> Any:
    out = output()
    nl.store(out, nl.load(x))
    nl.store(x, 1)
    return out


def transposed_in_three_dimensions(x: Any) -> Any:
    return nl.transpose(nl.load(x))


def filled_in_hbm(x: Any) -> Any:
    return nl.full((8, 6), 1, nl.float32, buffer=nl.shared_hbm)


def indirect_free_dimension(x: Any) -> Any:
    tile = nl.load(x)
    return nl.load(x[P, nl.copy(tile), W])


def permuted_partitions(x: Any) -> Any:
    return nl.copy(nl.load(x)[H, nl.arange(6)[:, None, None], W])


def used_outside_its_block(x: Any) -> Any:
    for _ in nl.affine_range(2):
        tile = nl.load(x)
    out = output()
    nl.store(out, tile)
    return out


def kept_mutable(x: mutable_tensor) -> Any:
    out = output()
    nl.store(out, 1)
    nl.store(x, 1)
    return out


def unwritten_output(x: Any) -> Any:
    return output()


def nested_with_a_grid(x: Any) -> Any:
    return nki.jit(unwritten_output)[2](x)


def shared_in_a_loop(x: Any) -> Any:
    for _ in nl.affine_range(2):
        out = output()
        nl.store(out, nl.load(x))
    return out


def too_many_partitions(x: Any) -> Any:
    return nl.ndarray((129, 2), nl.float32)


def partitions_differ(x: Any) -> Any:
    return nl.load(x) + nl.load(x[0:4])


def stationary_too_wide(x: Any) -> Any:
    tile = nl.zeros((8, 200), nl.float32)
    return nisa.nc_matmul(tile, tile)


def smaller_destination(x: Any) -> Any:
    out = output()
    nl.store(out[:, :, 0:1], nl.load(x))


def out_of_bounds(x: Any) -> Any:
    return nl.load(x[P, H + 1, W])


def out_of_bounds_under_a_mask(x: Any) -> Any:
    return nl.load(x[P, H + 1, W], mask=W < 3)


def same_destination(x: Any) -> Any:
    out = output()
    for _ in nl.affine_range(2):
        nl.store(out, nl.load(x))
    return out


def loaded_from_sbuf(x: Any) -> Any:
    return nl.load(nl.load(x))


def stored_to_sbuf_under_a_mask(x: Any) -> Any:
    nl.store(nl.load(x), 1, mask=H < 3)


def mixed_indices(x: Any) -> Any:
    return nl.load(x[P, 0:6, W])


def tensor_as_a_mask(x: Any) -> Any:
    tile = nl.load(x)
    return nl.load(x, mask=tile < 3)


def or_of_masks(x: Any) -> Any:
    return nl.load(x, mask=(H < 3) | (W < 3))


def inverted_mask(x: Any) -> Any:
    return nl.load(x, mask=~(H < 3))


def mask_with_a_float(x: Any) -> Any:
    return nl.load(x, mask=H < 3.5)


def number_as_a_mask(x: Any) -> Any:
    return nl.load(x, mask=1)


def unlifted_arange(x: Any) -> Any:
    return nl.load(x[nl.arange(8), H, W])


def unlifted_mask(x: Any) -> Any:
    return nl.load(x, mask=nl.arange(6) < 3)


def scalar_bias(x: Any) -> Any:
    return nisa.activation(nl.exp, nl.load(x), bias=1.0)


def text_scale(x: Any) -> Any:
    return nisa.activation(nl.exp, nl.load(x), scale="1")


def matrix_scale(x: Any) -> Any:
    tile = nl.load(x)
    return nisa.activation(nl.exp, tile, scale=tile)


def updated_in_place(x: Any) -> None:
    nl.store(x, nl.load(x) + 1)


KERNELS = [
    ("err_1d_arange_not_supported", unlifted_arange),
    ("err_1d_arange_not_supported", unlifted_mask),
    ("err_activation_bias_invalid_type", scalar_bias),
    ("err_activation_scale_invalid_type", text_scale),
    ("err_activation_scale_scalar_or_vector", matrix_scale),
    ("err_ambiguous_tensor_truth_value", truth_of_a_tile),
    ("err_ambiguous_tensor_truth_value", and_of_masks),
    ("err_ambiguous_tensor_truth_value", not_of_a_mask),
    ("err_annotation_shape_mismatch", wrong_annotation),
    ("err_cannot_assign_to_index", assigned_index),
    ("err_cannot_update_immutable_parameter", written_input),
    ("err_cannot_update_immutable_parameter", updated_in_place),
    ("err_control_flow_condition_depending_on_arange", condition_on_arange),
    ("err_control_flow_condition_depending_on_tensor", condition_on_a_tensor),
    ("err_exceed_max_supported_dimension", transposed_in_three_dimensions),
    ("err_hbm_tensor_with_init_value_not_supported", filled_in_hbm),
    ("err_indirect_indices_free_dim", indirect_free_dimension),
    ("err_leading_dimension_of_tensor_must_be_partition", permuted_partitions),
    ("err_local_variable_used_out_of_scope", used_outside_its_block),
    ("err_mutable_parameter_not_returned", kept_mutable),
    ("err_nested_kernel_with_spmd_grid", nested_with_a_grid),
    ("err_num_partition_exceed_arch_limit", too_many_partitions),
    ("err_num_partition_mismatch", partitions_differ),
    ("err_shared_hbm_must_in_kernel_level", shared_in_a_loop),
    ("err_size_of_dimension_exceed_arch_limit", stationary_too_wide),
    ("err_store_dst_shape_smaller_than_other_shape", smaller_destination),
    ("err_tensor_access_out_of_bound", out_of_bounds),
    ("err_tensor_access_out_of_bound", out_of_bounds_under_a_mask),
    ("err_tensor_output_not_written_to", unwritten_output),
    ("err_unexpected_output_dependencies", same_destination),
    ("err_unsupported_expression_in_mask", tensor_as_a_mask),
    ("err_unsupported_expression_in_mask", or_of_masks),
    ("err_unsupported_expression_in_mask", inverted_mask),
    ("err_unsupported_expression_in_mask", mask_with_a_float),
    ("err_unsupported_expression_in_mask", number_as_a_mask),
    ("err_unsupported_memory", loaded_from_sbuf),
    ("err_unsupported_memory", stored_to_sbuf_under_a_mask),
    ("err_unsupported_mixing_basic_advanced_tensor_indexing", mixed_indices),
]


@pytest.mark.parametrize(("rule", "kernel"), KERNELS, ids=[kernel.__name__ for _, kernel in KERNELS])
def test_a_kernel_earns_its_documented_error(rule: str, kernel: Any) -> None:
    with pytest.raises(NKIError) as error:
        launch(kernel, X.copy())
    assert error.value.rule == rule
    assert error.value.where.startswith(__file__)
