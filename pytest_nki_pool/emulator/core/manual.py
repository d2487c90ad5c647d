"""The errors that NKI documents: an `NKIError` that matches one carries its id, or begins as its message does.

Sources: the NKI error manual of Neuron SDK 2.20 to 2.26, and what `nki.simulate` of NKI 0.3 to 0.6 says.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Id -> what earns it.
ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "err_1d_arange_not_supported": "an `nl.arange` of rank 1 in a subscript or mask",
        "err_activation_bias_invalid_type": "the bias of an activation is no tensor",
        "err_activation_scale_invalid_type": "the scale of an activation is neither a number nor a tensor",
        "err_activation_scale_scalar_or_vector": "the scale of an activation has more than one element per partition",
        "err_ambiguous_tensor_truth_value": "`and`, `or`, `not` or `if` on a tensor or mask",
        "err_annotation_shape_mismatch": "a local variable annotated with another shape than its tensor has",
        "err_cannot_assign_to_index": "an assignment to a piece of an index object",
        "err_cannot_update_immutable_parameter": "a write to a parameter that is not declared mutable",
        "err_control_flow_condition_depending_on_arange": "control flow on an index expression or loop variable",
        "err_control_flow_condition_depending_on_tensor": "control flow on the values of a tensor",
        "err_copy_dynamic_indirect_indices_not_natively_supported": "a copy of a tile indexed by a tensor",
        "err_exceed_max_supported_dimension": "more dimensions than a function takes",
        "err_failed_to_infer_tile_from_local_tensor": "block dimensions that are not indexed first",
        "err_hbm_tensor_with_init_value_not_supported": "a tensor in HBM made with an initial value",
        "err_indirect_indices_are_not_supported_with_nki_api": "a tensor as index where a function takes none",
        "err_indirect_indices_free_dim": "a tensor as index of a free dimension",
        "err_leading_dimension_of_tensor_must_be_partition": "an access whose first dimension is not the partitions",
        "err_local_variable_used_out_of_scope": "a tensor used outside of the block that first binds its name",
        "err_mutable_parameter_not_returned": "a mutable parameter that was written and is not returned",
        "err_nested_kernel_with_spmd_grid": "a kernel that another kernel calls with a launch grid",
        "err_nki_api_outside_of_nki_kernel": "a function of NKI called where no kernel runs",
        "err_num_partition_exceed_arch_limit": "more partitions than the memory has",
        "err_num_partition_mismatch": "operands of different partitions",
        "err_read_modify_write_on_kernel_parameter": "an output that is an input at the same time",
        "err_shared_hbm_must_in_kernel_level": "a tensor in shared HBM made in a loop",
        "err_size_of_dimension_exceed_arch_limit": "more elements than an instruction takes",
        "err_store_dst_shape_smaller_than_other_shape": "a destination smaller than the value",
        "err_tensor_access_out_of_bound": "an index outside its dimension",
        "err_tensor_output_not_written_to": "an output that is not, or not wholly, written or not returned",
        "err_unexpected_output_dependencies": "iterations of `affine_range` that depend on each other",
        "err_unsupported_expression_in_mask": "a mask that is no conjunction of affine comparisons",
        "err_unsupported_memory": "an operand in a memory that the function does not reach",
        "err_unsupported_mixing_basic_advanced_tensor_indexing": "slices or integers beside index expressions",
        "err_while_loop_requires_unconditional_entry": "`while` on a condition that is not known before the loop",
    }
)

#: Ids of kernels that place their tensors themselves through `neuronxcc.nki.compiler`, which is not emulated.
DIRECT_ALLOCATION = frozenset(
    {
        "err_bias_tensor_must_be_specified_in_allocation",
        "err_tensor_creation_on_scratchpad_with_init_value_not_supported",
        "err_transpose_on_tensor_engine_not_allowed_in_allocated_kernel",
    }
)

#: How messages of the current dialect begin, or what they hold.
MESSAGES = (
    "dma_copy requires src and dst to have the same number of elements, got src=",
    "ap() pattern has invalid partition stride. Partition step ",
    "Out-of-bound access for tensor `unnamed` on dimension 1: index ",
    "Out-of-bound access for tensor `unnamed` on dimension 1: index range ",
    "SBUF and PSUM tensors must have at least 2 dimensions (partition-dim and free-dim)",
    "Partition dim size must be preserved, got 1 -> 3",
    "shape mismatch: value array of shape ",
    "Matmult/Matmul moving free dimension 1024 exceeds max 512 for nc_version=gen3",
    "nc_matmul dst dtype must be float32 on gen2",
    "tensor_copy dst must be in ['sbuf', 'psum'], got shared_hbm",
    "Invalid access of 1 partitions starting at partition 1",
)
