"""Instructions beyond the plain ones: activation, scan, selection, index patterns, reductions."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
RNG = np.random.default_rng(21)
X = RNG.standard_normal((4, 12)).astype(np.float32)
N = RNG.integers(-9, 10, (4, 12)).astype(np.float32)
PER_ROW = np.float32([[1], [-2], [0.5], [3]])
MASK = (RNG.random((4, 12)) < 0.5).astype(np.uint8)


def tile(*shape, dtype="float32", buffer=None):
    return nl.ndarray(shape, dtype, buffer=buffer)


def computed(instruction, shape=(4, 12), dtype="float32"):
    """A body that runs an instruction on a new tile and the loaded arguments, and returns the tile."""

    def body(*arrays):
        dst = tile(*shape, dtype=dtype)
        assert instruction(dst, *map(nl.load, arrays)) is None
        return dst

    return body


def exp(values):
    return np.vectorize(math.exp, otypes=[np.float64])(values.astype(np.float64)).astype(np.float32)


VALUES = {
    "activation": (computed(lambda d, x, c: nisa.activation(d, nl.exp, x)), exp(X)),
    "activation by NumPy's function": (computed(lambda d, x, c: nisa.activation(d, np.square, x)), X * X),
    "activation with scale": (computed(lambda d, x, c: nisa.activation(d, nl.exp, x, scale=0.5)), exp(X / 2)),
    "activation with a bias tile": (
        computed(lambda d, x, c: nisa.activation(d, nl.relu, x, bias=c)),
        np.maximum(X + PER_ROW, 0),
    ),
    "activation with a bf16 bias": (
        computed(lambda d, x, c: nisa.activation(d, nl.copy, x, bias=nl.copy(c, nl.bfloat16))),
        X + PER_ROW,
    ),
    "activation with a bias": (computed(lambda d, x, c: nisa.activation(d, nl.copy, x, bias=1.0)), X + 1),
    "activation with both": (
        computed(lambda d, x, c: nisa.activation(d, nl.square, x, bias=1.0, scale=c)),
        np.square(X * PER_ROW + np.float32(1)),
    ),
    "scalar_tensor_tensor": (
        computed(lambda d, x, c: nisa.scalar_tensor_tensor(d, x, nl.multiply, c, nl.add, x)),
        X * PER_ROW + X,
    ),
    "scalar_tensor_tensor reversed": (
        computed(lambda d, x, c: nisa.scalar_tensor_tensor(d, x, nl.subtract, 1.0, nl.subtract, x, True, True)),
        X - (1 - X),
    ),
    "tensor_scalar of one value": (computed(lambda d, x, c: nisa.tensor_scalar(d, x, nl.abs, None)), np.abs(X)),
    "tensor_scalar rsqrt on GpSimdE": (
        computed(lambda d, x, c: nisa.tensor_scalar(d, nl.square(x), nl.rsqrt, 0, engine=nisa.gpsimd_engine)),
        (1 / np.sqrt((X * X).astype(np.float64))).astype(np.float32),
    ),
    "tensor_scalar compares": (
        computed(lambda d, x, c: nisa.tensor_scalar(d, x, nl.greater, 0.0, op1=nl.multiply, operand1=5.0)),
        5 * (X > 0).astype(np.float32),
    ),
    "tensor_tensor power": (
        computed(lambda d, x, c: nisa.tensor_tensor(d, nl.abs(x), nl.abs(x), nl.power)),
        np.abs(X) ** np.abs(X),
    ),
    "tensor_copy_predicated of a number": (
        computed(
            lambda d, x, c: nisa.tensor_copy(d, x) or nisa.tensor_copy_predicated(d, 7.0, nl.greater(x, 0.0, nl.uint8))
        ),
        np.where(X > 0, np.float32(7), X),
    ),
    "tensor_partition_reduce": (
        computed(lambda d, x, c: nisa.tensor_partition_reduce(d, nl.maximum, x), (1, 12)),
        X.max(axis=0, keepdims=True),
    ),
    "iota": (
        computed(lambda d, x, c: nisa.iota(d, [[10, 3], [1, 4]], offset=-5, channel_multiplier=100), dtype="int32"),
        (-5 + 100 * np.arange(4)[:, None, None] + 10 * np.arange(3)[:, None] + np.arange(4))
        .reshape(4, 12)
        .astype(np.int32),
    ),
    "iota saturates": (
        computed(lambda d, x, c: nisa.iota(d, [[100, 12]]), dtype="int8"),
        np.broadcast_to(np.minimum(100 * np.arange(12), 127).astype(np.int8), (4, 12)),
    ),
    "iota of floats": (
        computed(lambda d, x, c: nisa.iota(d, [[-1, 12]]), dtype="bfloat16"),
        np.broadcast_to(-np.arange(12, dtype=ml_dtypes.bfloat16), (4, 12)),
    ),
    "affine_select": (
        computed(lambda d, x, c: nisa.affine_select(d, [[-1, 12]], 1, x, -9.5, nl.greater_equal, offset=2)),
        np.where(2 + np.arange(4)[:, None] - np.arange(12) >= 0, X, np.float32(-9.5)),
    ),
}


@pytest.mark.parametrize(("body", "expected"), VALUES.values(), ids=VALUES)
def test_an_instruction_computes(run, body, expected):
    np.testing.assert_array_equal(run(body, X, PER_ROW), expected, strict=True)


def with_result(instruction):
    """A body that returns what an instruction leaves in its (P, 1) result."""

    def body(x, c, m):
        dst, result = tile(4, 12, dtype="bfloat16"), tile(4, 1)
        instruction(dst, nl.load(x), nl.load(c), nl.load(m), result)
        return result

    return body


def in_two_parts(d, x, c, m, r):
    nisa.activation(d[:, 0:6], nl.copy, x[:, 0:6], reduce_op=nl.add, reduce_cmd=nisa.reduce_cmd.reset_reduce)
    nisa.activation(d[:, 6:12], nl.copy, x[:, 6:12], reduce_op=nl.add, reduce_cmd=nisa.reduce_cmd.reduce, reduce_res=r)


def scaled_in_two_parts(d, x, c, m, r):
    nisa.tensor_scalar_reduce(d, x, nl.add, 1.0, nl.maximum, r)
    nisa.tensor_scalar_reduce(d, x, nl.multiply, 2.0, nl.maximum, r, reduce_cmd=nisa.reduce_cmd.reduce)


SUMS = {
    "activation_reduce": (
        with_result(lambda d, x, c, m, r: nisa.activation_reduce(d, nl.square, x, nl.add, r)),
        (N * N).sum(1),
    ),
    "activation in two parts": (with_result(in_two_parts), N.sum(1)),
    "activation resets": (
        with_result(
            lambda d, x, c, m, r: nisa.activation(d, nl.copy, x, reduce_cmd=nisa.reduce_cmd.reset, reduce_res=r)
        ),
        np.zeros(4),
    ),
    "tensor_scalar_reduce": (
        with_result(lambda d, x, c, m, r: nisa.tensor_scalar_reduce(d, x, nl.multiply, c, nl.add, r)),
        (N * PER_ROW).sum(1),
    ),
    "tensor_scalar_reduce in two parts": (with_result(scaled_in_two_parts), np.maximum((N + 1).max(1), (2 * N).max(1))),
    "tensor_scalar_reduce from a value": (
        with_result(
            lambda d, x, c, m, r: nisa.tensor_scalar_reduce(
                d, x, nl.add, 0.0, nl.minimum, r, reduce_cmd=nisa.reduce_cmd.load_reduce, reduce_init=-100.0
            )
        ),
        np.full(4, -100),
    ),
    "select_reduce": (
        with_result(
            lambda d, x, c, m, r: nisa.select_reduce(
                tile(4, 12), m, x, -100.0, reduce_res=r, reduce_cmd=nisa.reduce_cmd.reset_reduce
            )
        ),
        np.where(MASK, N, -100).max(1),
    ),
    "select_reduce reversed with a tile": (
        with_result(
            lambda d, x, c, m, r: nisa.select_reduce(
                tile(4, 12), m, x, c, reduce_res=r, reduce_cmd=nisa.reduce_cmd.reset_reduce, reverse_pred=True
            )
        ),
        np.where(MASK, PER_ROW, N).max(1),
    ),
}


@pytest.mark.parametrize(("body", "expected"), SUMS.values(), ids=SUMS)
def test_an_instruction_reduces_before_it_rounds(run, body, expected):
    np.testing.assert_array_equal(run(body, N, PER_ROW, MASK)[:, 0], expected)


def test_a_predicated_copy_keeps_the_rest(run):
    def body(x, m):
        dst = nl.zeros((4, 12), nl.float32)
        nisa.tensor_copy_predicated(dst, nl.load(x), nl.load(m), reverse_pred=True)
        return dst

    np.testing.assert_array_equal(run(body, X, MASK), np.where(MASK, np.float32(0), X), strict=True)


def test_a_predicated_copy_defines_what_it_copies(run):
    def body(x, m):
        dst = tile(4, 12)
        nisa.tensor_copy_predicated(dst, nl.load(x), nl.load(m))
        return dst

    np.testing.assert_array_equal(run(body, X, np.ones_like(MASK)), X)
    with pytest.raises(emulator.NKIError, match=f"{(MASK == 0).sum()} of 48 elements"):
        run(body, X, MASK)


def test_a_selection_takes_undefined_elements_only_where_it_selects_them(run):
    def body(x, m, rows):
        source = tile(4, 12)
        nisa.tensor_copy(source[:, 0:6], nl.load(x)[:, 0:6])
        dst = tile(4, 12)
        nisa.affine_select(dst, [[-1, 12]], 0, source, 0.0, nl.greater_equal, offset=rows)
        return dst

    assert run(lambda x, m: body(x, m, 5), X, MASK)[:, 6:].max() == 0
    with pytest.raises(emulator.NKIError, match="are undefined"):
        run(lambda x, m: body(x, m, 6), X, MASK)


def test_reductions_of_bits_and_truth(run):
    values = RNG.integers(0, 200, (4, 12)).astype(np.uint8)

    def reduced(op, dtype="uint8"):
        def body(x):
            dst = tile(4, 1, dtype=dtype)
            nisa.tensor_reduce(dst, op, nl.load(x), axis=1)
            return dst

        return run(body, values)[:, 0]

    np.testing.assert_array_equal(reduced(nl.bitwise_or), np.bitwise_or.reduce(values, axis=1), strict=True)
    np.testing.assert_array_equal(reduced(nl.bitwise_and), np.bitwise_and.reduce(values, axis=1), strict=True)
    np.testing.assert_array_equal(reduced(nl.logical_or, "float32"), values.any(axis=1).astype(np.float32), strict=True)


def test_two_bit_operations(run):
    values = RNG.integers(0, 2**16, (4, 12)).astype(np.uint16)

    def body(x):
        dst = tile(4, 12, dtype="uint16")
        nisa.tensor_scalar(dst, nl.load(x), nl.right_shift, 4, op1=nl.bitwise_and, operand1=255)
        return dst

    np.testing.assert_array_equal(run(body, values), values >> 4 & 255, strict=True)


def psum(x):
    copy = tile(*x.shape, buffer=nl.psum)
    nisa.tensor_copy(copy, x)
    return copy


def refuse_reduce(d, x, c, m):
    nisa.tensor_scalar_reduce(d, x, nl.add, 0.0, nl.add, tile(4, 1), reduce_cmd=nisa.reduce_cmd.reduce)


REFUSED = {
    "activation by an operation": (
        lambda d, x, c, m: nisa.activation(d, nl.add, x),
        "activation op must be an activation function",
    ),
    "activation by what is none": (
        lambda d, x, c, m: nisa.activation(d, nl.floor, x),
        "activation op must be an activation function",
    ),
    "activation reduced by max": (
        lambda d, x, c, m: nisa.activation(d, nl.exp, x, reduce_op=nl.maximum),
        "activation reduce_op must be nl.add",
    ),
    "activation without reduce_op": (
        lambda d, x, c, m: nisa.activation(d, nl.exp, x, reduce_cmd=nisa.reduce_cmd.reset_reduce),
        "reduce_cmd reset_reduce needs reduce_op=nl.add",
    ),
    "activation with a number for an enum": (
        lambda d, x, c, m: nisa.activation(d, nl.exp, x, reduce_cmd=3),
        "must be a member of nisa.reduce_cmd, got 3",
    ),
    "activation into another count": (
        lambda d, x, c, m: nisa.activation(d[:, 0:6], nl.exp, x),
        "differ in partitions or free elements",
    ),
    "activation with a wide result": (
        lambda d, x, c, m: nisa.activation_reduce(d, nl.exp, x, nl.add, tile(4, 2)),
        "reduce_res must hold one element per partition, [4, 1]",
    ),
    "reduce without reset": (refuse_reduce, "on registers that were never reset; begin with reset_reduce"),
    "reduce of another operation": (
        lambda d, x, c, m: (
            nisa.tensor_scalar_reduce(d, x, nl.add, 0.0, nl.maximum, tile(4, 1)) or refuse_reduce(d, x, c, m)
        ),
        "on registers that hold the result of maximum",
    ),
    "reduce after an idle select": (
        lambda d, x, c, m: (
            nisa.tensor_scalar_reduce(d, x, nl.add, 0.0, nl.add, tile(4, 1))
            or nisa.select_reduce(d, m, x, 0.0)
            or refuse_reduce(d, x, c, m)
        ),
        "on registers that were never reset",
    ),
    "reduce_init without load_reduce": (
        lambda d, x, c, m: nisa.tensor_scalar_reduce(d, x, nl.add, 0.0, nl.add, tile(4, 1), reduce_init=1.0),
        "reduce_init goes with load_reduce",
    ),
    "tensor_scalar_reduce reversed": (
        lambda d, x, c, m: nisa.tensor_scalar_reduce(d, x, nl.subtract, 0.0, nl.add, tile(4, 1), reverse0=True),
        "does not support reverse0",
    ),
    "tensor_scalar_reduce by subtract": (
        lambda d, x, c, m: nisa.tensor_scalar_reduce(d, x, nl.add, 0.0, nl.subtract, tile(4, 1)),
        "computes no add reduced by subtract",
    ),
    "tensor_scalar_reduce of four free dimensions": (
        lambda d, x, c, m: nisa.tensor_scalar_reduce(d, x.reshape((4, 1, 3, 2, 2)), nl.add, 0.0, nl.add, tile(4, 1)),
        "data has up to 3 free dimensions",
    ),
    "scan of two psum tiles": (
        lambda d, x, c, m: nisa.tensor_tensor_scan(d, psum(x), psum(x), 0.0, nl.add, nl.add),
        "tensor_tensor_scan: both operands are in psum",
    ),
    "scan by bits": (
        lambda d, x, c, m: nisa.tensor_tensor_scan(d, x, x, 0.0, nl.bitwise_and, nl.add),
        "op0 must be an arithmetic operation of two values",
    ),
    "scan from a row": (
        lambda d, x, c, m: nisa.tensor_tensor_scan(d, x, x, x, nl.add, nl.add),
        "initial must be a number or a tile of shape [4, 1]",
    ),
    "select by floats": (lambda d, x, c, m: nisa.select_reduce(d, x, x, 0.0), "predicate dtype must be one of int8"),
    "select of 32-bit integers": (
        lambda d, x, c, m: nisa.select_reduce(tile(4, 12, dtype="int32"), m, tile(4, 12, dtype="int32"), 0.0),
        "select_reduce on_true holds no 32-bit integers",
    ),
    "select of another shape": (lambda d, x, c, m: nisa.select_reduce(d, m, x[:, 0:6], 0.0), "have one shape"),
    "select reduced by add": (
        lambda d, x, c, m: nisa.select_reduce(d, m, x, 0.0, reduce_op=nl.add),
        "reduces by nl.maximum only",
    ),
    "predicated copy that casts": (
        lambda d, x, c, m: nisa.tensor_copy_predicated(tile(4, 12, dtype="bfloat16"), x, m),
        "src and dst have the same dtype",
    ),
    "predicated copy by int8": (
        lambda d, x, c, m: nisa.tensor_copy_predicated(d, x, nl.copy(m, nl.int8)),
        "predicate dtype must be one of uint8, uint16, uint32",
    ),
    "iota of another count": (
        lambda d, x, c, m: nisa.iota(d, [[1, 11]]),
        "iota: the pattern has 11 elements per partition",
    ),
    "iota in psum": (
        lambda d, x, c, m: nisa.iota(tile(4, 12, buffer=nl.psum), [[1, 12]]),
        "iota dst must be in ['sbuf'], got psum",
    ),
    "iota beyond int32": (lambda d, x, c, m: nisa.iota(d, [[2**30, 12]]), "leave the range of int32"),
    "iota of five dimensions": (lambda d, x, c, m: nisa.iota(d, [[1, 1]] * 4 + [[1, 12]]), "a list of 1 to 4 pairs"),
    "affine_select by no comparison": (
        lambda d, x, c, m: nisa.affine_select(d, [[1, 12]], 0, x, 0.0, nl.add),
        "cmp_op must be a comparison",
    ),
    "tensor_tensor by one value": (lambda d, x, c, m: nisa.tensor_tensor(d, x, x, nl.abs), "op must take two values"),
    "power on VectorE": (
        lambda d, x, c, m: nisa.tensor_tensor(d, x, x, nl.power, engine=nisa.engine.vector),
        "power runs on GpSimdE, not on engine vector",
    ),
    "power in psum": (
        lambda d, x, c, m: nisa.tensor_tensor(d, psum(x), x, nl.power),
        "tensor_tensor on engine gpsimd cannot reach psum",
    ),
    "abs with an operand": (lambda d, x, c, m: nisa.tensor_scalar(d, x, nl.abs, 2.0), "must be None or 0 for abs"),
    "bits and arithmetic": (
        lambda d, x, c, m: nisa.tensor_scalar(m, m, nl.bitwise_and, 1, op1=nl.add, operand1=1),
        "both bitwise or both arithmetic",
    ),
    "bits and NaN": (
        lambda d, x, c, m: nisa.tensor_scalar(m, m, nl.bitwise_and, float("nan")),
        "tensor_scalar operand0 takes integers for an operation on bit patterns, got nan",
    ),
    "bits on GpSimdE": (
        lambda d, x, c, m: nisa.tensor_scalar(m, m, nl.bitwise_and, 1, engine=nisa.engine.gpsimd),
        "bitwise operations run on VectorE, not on engine gpsimd",
    ),
    "reduction by a comparison": (
        lambda d, x, c, m: nisa.tensor_reduce(tile(4, 1), nl.less, x, 1),
        "less is no legal reduction operation",
    ),
    "reduction by mean": (
        lambda d, x, c, m: nisa.tensor_reduce(tile(4, 1), nl.mean, x, 1),
        "op must be an operation such as nl.add",
    ),
    "negated reduction of bits": (
        lambda d, x, c, m: nisa.tensor_reduce(tile(4, 1, dtype="uint8"), nl.bitwise_or, m, 1, negate=True),
        "negate goes with arithmetic operations",
    ),
    "partition reduction by multiply": (
        lambda d, x, c, m: nisa.tensor_partition_reduce(tile(1, 12), nl.multiply, x),
        "reduces by add, maximum, bitwise_and or bitwise_or, got multiply",
    ),
    "partition reduction into several": (
        lambda d, x, c, m: nisa.tensor_partition_reduce(d, nl.add, x),
        "does not hold one partition of 'data'",
    ),
}


@pytest.mark.parametrize(("instruction", "fragment"), REFUSED.values(), ids=REFUSED)
def test_an_instruction_is_refused(run, instruction, fragment):
    def body(x, c, m):
        instruction(tile(4, 12), nl.load(x), nl.load(c), nl.load(m))

    with pytest.raises(emulator.NKIError) as error:
        run(body, X, PER_ROW, MASK)
    assert fragment in str(error.value)
    assert "test_fused_instructions.py:" in error.value.where


def test_a_number_for_bias_needs_gen3(run):
    with pytest.raises(emulator.NKIError, match=r"bias must be a \(P, 1\) tile on gen2, got the number 1.0"):
        run(computed(lambda d, x: nisa.activation(d, nl.copy, x, bias=1.0)), X, generation="gen2")


STEPS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


@settings(max_examples=150, deadline=None)
@given(
    ops=st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(sorted(STEPS))),
    reverse=st.tuples(st.booleans(), st.booleans()),
    from_tile=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_scans(run, *, ops, reverse, from_tile, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 4, 9)).astype(np.float32)

    def body(a, b, c):
        dst = tile(4, 9)
        initial = nl.load(c) if from_tile else 0.5
        nisa.tensor_tensor_scan(dst, nl.load(a), nl.load(b), initial, *(getattr(nl, op) for op in ops), *reverse)
        return dst

    state = PER_ROW[:, 0] if from_tile else np.full(4, 0.5, np.float32)
    expected = np.empty_like(a)
    for i in range(9):
        for op, swap, operand in ((ops[0], not reverse[0], a), (ops[1], reverse[1], b)):
            left, right = (operand[:, i], state) if swap else (state, operand[:, i])
            state = STEPS[op](left.astype(np.float64), right.astype(np.float64)).astype(np.float32)
        expected[:, i] = state
    np.testing.assert_array_equal(run(body, a, b, PER_ROW), expected, strict=True)
