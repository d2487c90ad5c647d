"""Instructions beyond the plain ones: activation, scan, selection, index patterns, reductions."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
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


STEPS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


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
