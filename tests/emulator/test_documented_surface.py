"""Every name and parameter that NKI documents in what the emulator claims to cover, in both dialects.

Sources: the API reference of Neuron SDK 2.25 and 2.26 for the legacy dialect, and that of NKI 0.6 for the current one.
"""

from __future__ import annotations

import inspect

import pytest

from pytest_nki_pool import emulator

#: What follows a bare `*` is passed by name only; a parameter with `=` has a default.
LEGACY = {
    "nki": """
        jit(func=, mode=) baremetal(kernel=) benchmark(kernel=) profile(func=) simulate_kernel(kernel)
    """,
    "nki.language": """
        ndarray(shape, dtype, *, buffer=, name=) zeros(shape, dtype, *, buffer=, name=)
        ones(shape, dtype, *, buffer=, name=) full(shape, fill_value, dtype, *, buffer=, name=)
        zeros_like(a, dtype=, *, buffer=, name=) empty_like(a, dtype=, *, buffer=, name=)
        ds(start, size) program_id(axis) num_programs(axes=) program_ndim()
        static_cast(arr, dtype) device_print(prefix, x, *, mask=)
        load(src, *, mask=, dtype=) store(dst, value, *, mask=) load_transpose2d(src, *, mask=, dtype=)
        copy(src, *, mask=, dtype=) broadcast_to(src, *, shape) expand_dims(data, axis)
        sum(x, axis, *, dtype=, mask=, keepdims=) max(x, axis, *, dtype=, mask=, keepdims=)
        min(x, axis, *, dtype=, mask=, keepdims=) mean(x, axis, *, dtype=, mask=, keepdims=)
        prod(x, axis, *, dtype=, mask=, keepdims=) var(x, axis, *, dtype=, mask=) all(x, axis, *, dtype=, mask=)
        add(x, y, *, dtype=, mask=) subtract(x, y, *, dtype=, mask=) multiply(x, y, *, dtype=, mask=)
        divide(x, y, *, dtype=, mask=) maximum(x, y, *, dtype=, mask=) minimum(x, y, *, dtype=, mask=)
        power(x, y, *, dtype=, mask=) mod(x, y, dtype=, mask=) fmod(x, y, dtype=, mask=)
        abs(x, *, dtype=, mask=) ceil(x, *, dtype=, mask=) floor(x, *, dtype=, mask=) trunc(x, *, dtype=, mask=)
        negative(x, *, dtype=, mask=) exp(x, *, dtype=, mask=) log(x, *, dtype=, mask=) sqrt(x, *, dtype=, mask=)
        rsqrt(x, *, dtype=, mask=) reciprocal(x, *, dtype=, mask=) square(x, *, dtype=, mask=)
        sign(x, *, dtype=, mask=) relu(x, *, dtype=, mask=) invert(x, *, dtype=, mask=)
        equal(x, y, *, dtype=, mask=) not_equal(x, y, *, dtype=, mask=) less(x, y, *, dtype=, mask=)
        less_equal(x, y, *, dtype=, mask=) greater(x, y, *, dtype=, mask=) greater_equal(x, y, *, dtype=, mask=)
        logical_and(x, y, *, dtype=, mask=) logical_or(x, y, *, dtype=, mask=) logical_not(x, *, dtype=, mask=)
        where(condition, x, y, *, dtype=, mask=) matmul(x, y, *, transpose_x=, mask=) transpose(x, *, dtype=, mask=)
        loop_reduce(x, op, loop_indices, *, dtype=, mask=) all_reduce(x, op, program_axes, *, dtype=, mask=)
    """,
    "nki.isa": """
        tensor_reduce(op, data, axis, *, mask=, dtype=, negate=, keepdims=)
        tensor_tensor(data1, data2, op, *, dtype=, mask=, engine=)
        tensor_scalar(data, op0, operand0, reverse0=, op1=, operand1=, reverse1=, *, dtype=, mask=, engine=)
        tensor_scalar_reduce(*, data, op0, operand0, reduce_op, reduce_res, reverse0=, dtype=, mask=)
        scalar_tensor_tensor(*, data, op0, operand0, op1, operand1, reverse0=, reverse1=, dtype=, mask=)
        tensor_tensor_scan(data0, data1, initial, op0, op1, reverse0=, reverse1=, *, dtype=, mask=)
        tensor_copy(src, *, mask=, dtype=, engine=)
        tensor_copy_predicated(*, src, dst, predicate, mask=, reverse_pred=)
        activation(op, data, *, bias=, scale=, reduce_op=, reduce_res=, reduce_cmd=, mask=, dtype=)
        activation_reduce(op, data, *, reduce_op, reduce_res, bias=, scale=, mask=, dtype=)
        memset(shape, value, dtype, *, mask=, engine=)
        dma_copy(*, dst, src, mask=, dst_rmw_op=, oob_mode=, dge_mode=)
        iota(expr, dtype, *, mask=) affine_select(pred, on_true_tile, on_false_value, *, mask=, dtype=)
        reciprocal(data, *, dtype=, mask=) tensor_partition_reduce(op, data, *, mask=, dtype=)
        nc_matmul(stationary, moving, *, is_stationary_onezero=, is_moving_onezero=, is_transpose=, mask=)
        nc_transpose(data, *, mask=, dtype=, engine=) get_nc_version()
        select_reduce(*, dst, predicate, on_true, on_false, reduce_res=, reduce_cmd=, reduce_op=, reverse_pred=)
    """,
}

CURRENT = {
    "nki": "jit(fn=) simulate(kernel)",
    "nki.language": """
        ndarray(shape, dtype, buffer=, name=, address=) zeros(shape, dtype, buffer=, name=)
        ones(shape, dtype, buffer=, name=) full(shape, fill_value, dtype, buffer=, name=)
        zeros_like(x, dtype=, buffer=, name=) empty_like(x, dtype=, buffer=, name=)
        load(src, dtype=) store(dst, value) load_transpose2d(src, dtype=) copy(x, dtype=)
        sum(x, axis, dtype=, keepdims=) max(x, axis, dtype=, keepdims=) min(x, axis, dtype=, keepdims=)
        mean(x, axis, dtype=, keepdims=) prod(x, axis, dtype=, keepdims=) var(x, axis, dtype=, keepdims=)
        all(x, axis, dtype=) add(x, y, dtype=) subtract(x, y, dtype=) multiply(x, y, dtype=) divide(x, y, dtype=)
        maximum(x, y, dtype=) minimum(x, y, dtype=) power(x, y, dtype=) equal(x, y, dtype=) greater(x, y, dtype=)
        where(condition, x, y, dtype=) broadcast_to(x, shape, dtype=) expand_dims(x, axis)
        affine_range(start, stop=, step=) sequential_range(start, stop=, step=) static_range(start, stop=, step=)
        program_id(axis=) num_programs(axes=) program_ndim() ds(start, size) device_print(print_prefix, tensor)
        is_hbm(buffer) is_sbuf(buffer) is_psum(buffer) is_on_chip(buffer) no_reorder()
        exp(x, dtype=) rsqrt(x, dtype=) reciprocal(x, dtype=) matmul(x, y, transpose_x=) transpose(x, dtype=)
    """,
    "nki.isa": """
        tensor_reduce(dst, op, data, axis, negate=, keepdims=, name=) tensor_tensor(dst, data1, data2, op, engine=)
        tensor_scalar(dst, data, op0, operand0, reverse0=, op1=, operand1=, reverse1=, engine=)
        tensor_copy(dst, src, engine=) memset(dst, value, engine=)
        activation(dst, op, data, bias=, scale=, reduce_op=, reduce_res=, reduce_cmd=)
        activation_reduce(dst, op, data, reduce_op, reduce_res, bias=, scale=)
        dma_copy(dst, src, priority=, oob_mode=, dge_mode=, engine=) dma_transpose(dst, src, axes=)
        iota(dst, pattern, offset=, channel_multiplier=)
        affine_select(dst, pattern, channel_multiplier, on_true_tile, on_false_value, cmp_op=, offset=)
        select_reduce(dst, predicate, on_true, on_false, reduce_res=, reduce_cmd=, reduce_op=, reverse_pred=)
        tensor_tensor_scan(dst, data0, data1, initial, op0, op1, reverse0=, reverse1=)
        tensor_scalar_reduce(dst, data, op0, operand0, reduce_op, reduce_res, reverse0=)
        scalar_tensor_tensor(dst, data, op0, operand0, op1, operand1, reverse0=, reverse1=)
        tensor_copy_predicated(dst, src, predicate, reverse_pred=) tensor_partition_reduce(dst, op, data)
        reciprocal(dst, data) nc_transpose(dst, data, engine=) get_nc_version()
        nc_matmul(dst, stationary, moving, is_stationary_onezero=, is_moving_onezero=, is_transpose=, accumulate=,
                  tile_position=, tile_size=, perf_mode=)
    """,
}


def _signatures():
    for root, table in (("neuronxcc.", LEGACY), ("", CURRENT)):
        for module, text in table.items():
            for entry in text.split(")")[:-1]:
                name, _, parameters = entry.strip().partition("(")
                yield pytest.param(root + module, name, parameters.split(","), id=f"{root}{module}.{name}")


@pytest.mark.parametrize(("module", "name", "documented"), list(_signatures()))
def test_every_documented_parameter_is_taken_as_documented(module, name, documented):
    have = inspect.signature(getattr(emulator.resolve(module), name)).parameters
    keyword_only = False
    position = 0
    for text in filter(None, map(str.strip, documented)):
        if text == "*":
            keyword_only = True
            continue
        parameter = have[text.rstrip("=")]
        by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert by_name == keyword_only, f"{text}: {parameter.kind.description}"
        assert (parameter.default is not inspect.Parameter.empty) == text.endswith("="), f"{text}: default"
        if not keyword_only:
            assert list(have).index(parameter.name) == position, f"{text}: position {list(have)}"
            position += 1


NAMES = {
    "neuronxcc.nki": "tensor",
    "neuronxcc.nki.typing": "tensor mutable_tensor",
    "neuronxcc.nki.language": """
        affine_range sequential_range static_range arange mgrid par_dim spmd_dim nc tile_size finfo fp32 sbuf psum hbm
        private_hbm shared_hbm bool_ int8 int16 int32 uint8 uint16 uint32 float16 float32 bfloat16 float8_e4m3
        float8_e5m2
    """,
    "neuronxcc.nki.isa": """
        engine nc_version reduce_cmd dge_mode oob_mode tensor_engine vector_engine scalar_engine gpsimd_engine
        sync_engine unknown_engine
    """,
    "nki.typing": "tensor",
    "nki.language": """
        NkiTensor NKIObject tile_size sbuf psum hbm private_hbm shared_hbm bool_ int8 int16 int32 uint8 uint16 uint32
        float16 float32 bfloat16 float8_e4m3 float8_e4m3fn float8_e5m2
    """,
    "nki.isa": "engine nc_version reduce_cmd dge_mode oob_mode NkiValidationError",
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in NAMES for name in NAMES[module].split()])
def test_every_documented_name_is_there(module, name):
    assert getattr(emulator.resolve(module), name) is not None


NUMBERS = {
    ("neuronxcc.nki.isa", "engine"): "unknown0 tensor1 scalar2 gpsimd3 vector5 sync6",
    ("neuronxcc.nki.isa", "reduce_cmd"): "idle0 reset1 reduce2 reset_reduce3",
    ("neuronxcc.nki.isa", "dge_mode"): "none0 swdge1 hwdge2 unknown3",
    ("neuronxcc.nki.isa", "oob_mode"): "error0 skip1",
    ("neuronxcc.nki.isa", "nc_version"): "gen2:2 gen3:3",
    ("nki.isa", "engine"): "unknown0 tensor1 scalar2 gpsimd3 dma4 vector5 sync6",
    ("nki.isa", "reduce_cmd"): "idle0 reset1 reduce2 reset_reduce3 load_reduce4",
    ("nki.isa", "dge_mode"): "unknown0 swdge1 hwdge2 none3",
    ("nki.isa", "oob_mode"): "error0 skip1",
    ("nki.isa", "nc_version"): "gen2:2 gen3:3 gen4:4",
}


@pytest.mark.parametrize(("module", "name"), NUMBERS, ids=".".join)
def test_an_enum_has_the_numbers_of_its_dialect(module, name):
    enum = getattr(emulator.resolve(module), name)
    for text in NUMBERS[module, name].split():
        member, number = text[:-1].rstrip(":"), int(text[-1])
        assert enum[member].value == number


METHODS = {
    "neuronxcc.nki": "assert_shape astype broadcast_to dtype expand_dims itemsize ndim reshape shape view",
    "nki.language": """
        shape strides offset dtype buffer ndim size name slice select permute broadcast expand_dim squeeze_dim
        reshape_dim flatten_dims reshape rearrange view is_contiguous get_pattern is_indirect ap
    """,
}
TENSOR = {"neuronxcc.nki": "tensor", "nki.language": "NkiTensor"}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in METHODS for name in METHODS[module].split()])
def test_a_tensor_has_every_documented_member(module, name):
    assert hasattr(getattr(emulator.resolve(module), TENSOR[module]), name)


TILE_SIZES = {
    "neuronxcc.nki.language": """
        pmax psum_fmax gemm_stationary_fmax gemm_moving_fmax bn_stats_fmax psum_min_align sbuf_min_align
        total_available_sbuf_size
    """,
    "nki.language": """
        pmax psum_fmax psum_bank_fmax psum_bank_fmax_bytes psum_num_banks gemm_stationary_fmax gemm_moving_fmax
        bn_stats_fmax sbuf_size_bytes sbuf_fmax sbuf_fmax_bytes total_available_sbuf_size
    """,
}


@pytest.mark.parametrize("module", TILE_SIZES)
def test_tile_size_has_every_documented_limit(module):
    limits = type(emulator.resolve(module).tile_size)
    assert [name for name in TILE_SIZES[module].split() if not hasattr(limits, name)] == []
