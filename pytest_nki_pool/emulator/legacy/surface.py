"""Names that NKI has and the emulator does not, so that a kernel that uses one is told so and not judged.

Source: the API reference of Neuron SDK 2.25, `nki`, `nki.language` and `nki.isa`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import UnsupportedByEmulator

if TYPE_CHECKING:
    from collections.abc import Mapping

_LANGUAGE = """
    abs all all_reduce arctan atomic_rmw bitwise_and bitwise_or bitwise_xor broadcast_to ceil cos device_print
    dropout equal erf erf_dx exp expand_dims finfo floor fmod fp32 gather_flattened gelu gelu_apprx_sigmoid
    gelu_apprx_tanh gelu_dx greater greater_equal invert left_shift less less_equal load_transpose2d log
    logical_and logical_not logical_or logical_xor loop_reduce matmul mish mod nc negative not_equal num_programs
    power prod program_id program_ndim rand random_seed reciprocal relu right_shift rms_norm rsqrt shared_constant
    shared_identity_matrix sigmoid sign silu silu_dx sin skip_middle_end_transformations softmax softplus spmd_dim
    sqrt square static_cast tan tanh tfloat32 transpose trunc var where
"""

_ISA = """
    activation activation_reduce affine_select bn_aggr bn_stats builtin_custom_op dge_mode dropout iota
    local_gather max8 nc_find_index8 nc_match_replace8 nc_matmul nc_stream_shuffle nc_transpose oob_mode
    range_select reciprocal reduce_cmd scalar_tensor_tensor select_reduce sequence_bounds tensor_copy_dynamic_dst
    tensor_copy_dynamic_src tensor_copy_predicated tensor_partition_reduce tensor_scalar_reduce tensor_tensor_scan
"""

_KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "nki": frozenset({"benchmark", "compiler", "profile", "trace"}),
        "nki.language": frozenset(_LANGUAGE.split()),
        "nki.isa": frozenset(_ISA.split()),
    }
)

_NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "benchmark": "nki.baremetal",
        "profile": "nki.baremetal",
        "trace": "nki.jit",
        "broadcast_to": "tensor.broadcast_to(shape)",
        "expand_dims": "tensor.expand_dims(axis)",
        "load_transpose2d": "nl.load",
        "negative": "-tile",
        "prod": "nl.sum",
        "var": "nl.mean",
        "reciprocal": "1 / tile",
        "static_cast": "array.astype(dtype) outside the kernel",
        "scalar_tensor_tensor": "nisa.tensor_tensor",
        "tensor_scalar_reduce": "nisa.tensor_scalar",
    }
)


def missing(module: str, name: str) -> Exception:
    """Exception for a name that a module of the emulator does not have.

    Returns:
        UnsupportedByEmulator for a name of NKI, AttributeError for any other.
    """
    if name in _KNOWN[module]:
        return UnsupportedByEmulator(f"{module}.{name}", "legacy", _NEAREST.get(name, ""))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def refuse_mask(api: str, mask: object) -> None:
    """Refuse a mask instead of ignoring it.

    Raises:
        UnsupportedByEmulator: there is one.
    """
    if mask is not None:
        raise UnsupportedByEmulator(f"{api}(mask=…)", "legacy", f"{api} on exact slices")
