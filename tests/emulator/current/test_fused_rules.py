"""What the instructions beyond the plain ones refuse: activation, scan, selection, index patterns, reductions."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
RNG = np.random.default_rng(21)
X = RNG.standard_normal((4, 12)).astype(np.float32)
PER_ROW = np.float32([[1], [-2], [0.5], [3]])
MASK = (RNG.random((4, 12)) < 0.5).astype(np.uint8)


def tile(*shape, dtype="float32", buffer=None):
    return nl.ndarray(shape, dtype, buffer=buffer)


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
    assert "test_fused_rules.py:" in error.value.where


def test_a_number_for_bias_needs_gen3(run):
    def body(x):
        nisa.activation(tile(4, 12), nl.copy, nl.load(x), bias=1.0)

    with pytest.raises(emulator.NKIError, match=r"bias must be a \(P, 1\) tile on gen2, got the number 1.0"):
        run(body, X, generation="gen2")
