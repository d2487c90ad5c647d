"""The names of `nki.isa`: instructions write to a destination, their first argument, and return nothing."""

from __future__ import annotations

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.current.enums import dge_mode, engine, matmul_perf_mode, nc_version, oob_mode, reduce_cmd
from pytest_nki_pool.emulator.current.matrix import (
    affine_select,
    iota,
    nc_matmul,
    nc_transpose,
    tensor_partition_reduce,
)
from pytest_nki_pool.emulator.current.missing import refuse_missing
from pytest_nki_pool.emulator.current.movement import (
    dma_copy,
    dma_transpose,
    memset,
    tensor_copy,
    tensor_copy_predicated,
)
from pytest_nki_pool.emulator.current.scalar import activation, activation_reduce
from pytest_nki_pool.emulator.current.vector import (
    reciprocal,
    scalar_tensor_tensor,
    select_reduce,
    tensor_reduce,
    tensor_scalar,
    tensor_scalar_reduce,
    tensor_tensor,
    tensor_tensor_scan,
)

#: What NKI raises when a hardware constraint is violated, for kernels that catch it.
NkiValidationError = NKIError

tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
unknown_engine = engine.unknown


def get_nc_version() -> nc_version:
    """Version of the NeuronCore that is modelled."""
    return nc_version(current_launch("get_nc_version").generation.number)


_MISSING = (
    "bn_aggr bn_stats core_barrier dma_engine dropout local_gather nc_find_index8 nc_match_replace8 nc_n_gather "
    "nc_stream_shuffle nonzero_with_count quantize_mx rand2 rand_get_state rand_set_state register_alloc register_load "
    "register_move register_store rng sendrecv sequence_bounds set_rng_seed VirtualRegister"
)
_NEAREST = {
    "activate2": "nisa.activation",
    "dma_compute": "nisa.dma_copy",
    "exponential": "nisa.activation(op=nl.exp)",
    "max8": "nisa.tensor_reduce",
    "nc_matmul_mx": "nisa.nc_matmul",
    "range_select": "nisa.affine_select",
    "tensor_copy_dynamic_dst": "nisa.tensor_copy",
    "tensor_copy_dynamic_src": "nisa.tensor_copy",
    "tensor_scalar_cumulative": "nisa.tensor_tensor_scan",
}

__getattr__ = refuse_missing("nki.isa", {**dict.fromkeys(_MISSING.split(), ""), **_NEAREST})

__all__ = [
    "NkiValidationError",
    "activation",
    "activation_reduce",
    "affine_select",
    "dge_mode",
    "dma_copy",
    "dma_transpose",
    "engine",
    "get_nc_version",
    "gpsimd_engine",
    "iota",
    "matmul_perf_mode",
    "memset",
    "nc_matmul",
    "nc_transpose",
    "nc_version",
    "oob_mode",
    "reciprocal",
    "reduce_cmd",
    "scalar_engine",
    "scalar_tensor_tensor",
    "select_reduce",
    "tensor_copy",
    "tensor_copy_predicated",
    "tensor_engine",
    "tensor_partition_reduce",
    "tensor_reduce",
    "tensor_scalar",
    "tensor_scalar_reduce",
    "tensor_tensor",
    "tensor_tensor_scan",
    "unknown_engine",
    "vector_engine",
]
