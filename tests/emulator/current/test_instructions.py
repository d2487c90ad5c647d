"""`nki.isa`: what each instruction computes and what it refuses."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.random.default_rng(5).standard_normal((4, 6, 10)).astype(np.float32)


def tile_of(*shape, dtype="float32", buffer=None):
    return nl.ndarray(shape, dtype, buffer=buffer)


def into(shape, instruction, dtype="float32", buffer=None):
    """A body that runs an instruction on a new tile and the loaded input, and returns the tile."""

    def body(x):
        dst = tile_of(*shape, dtype=dtype, buffer=buffer)
        assert instruction(dst, nl.load(x)) is None
        return dst

    return body


def psum_copy(tile):
    copy = tile_of(*tile.shape, buffer=nl.psum)
    nisa.tensor_copy(dst=copy, src=tile)
    return copy


def per_partition(*values):
    tile = tile_of(len(values), 1)
    for i in range(len(values)):
        column = nl.full((1, 1), values[i], nl.float32)
        nisa.dma_copy(dst=tile[i], src=column)
    return tile


SCALES = np.float32([1, -2, 0.5, 3])[:, None, None]

COMPUTED = {
    "dma_copy to another shape": (into((4, 60), nisa.dma_copy), X.reshape(4, 60)),
    "dma_copy casts": (
        into((4, 6, 10), lambda d, t: nisa.dma_copy(dst=d, src=t), "bfloat16"),
        X.astype(ml_dtypes.bfloat16),
    ),
    "dma_copy with options": (
        into((4, 6, 10), lambda d, t: nisa.dma_copy(d, t, dge_mode=nisa.dge_mode.hwdge, engine=nisa.engine.sync)),
        X,
    ),
    "dma_copy to any partition": (into((2, 6, 10), lambda d, t: nisa.dma_copy(d, t[1:3])), X[1:3]),
    "tensor_copy": (into((4, 10, 6), lambda d, t: nisa.tensor_copy(d, t.permute((0, 2, 1)))), X.transpose(0, 2, 1)),
    "tensor_copy to psum": (into((4, 6, 10), nisa.tensor_copy, buffer="psum"), X),
    "tensor_copy to another shape": (into((4, 60), nisa.tensor_copy), X.reshape(4, 60)),
    "memset": (into((4, 2), lambda d, t: nisa.memset(d, 2.5)), np.full((4, 2), 2.5, np.float32)),
    "memset of integers": (into((4, 2), lambda d, t: nisa.memset(d, 7), "int8"), np.full((4, 2), 7, np.int8)),
    "memset by an engine": (
        into((4, 2), lambda d, t: nisa.memset(d, value=1, engine=nisa.engine.gpsimd)),
        np.ones((4, 2), np.float32),
    ),
    "tensor_reduce max": (into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.maximum, t, axis=2)), X.max(axis=2)),
    "tensor_reduce min of two axes": (
        into((4, 1), lambda d, t: nisa.tensor_reduce(dst=d, op=nl.minimum, data=t, axis=[1, 2])),
        X.min(axis=(1, 2)).reshape(4, 1),
    ),
    "tensor_reduce by a negative axis": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.maximum, t, -1)),
        X.max(axis=2),
    ),
    "tensor_reduce by NumPy's maximum": (into((4, 6), lambda d, t: nisa.tensor_reduce(d, np.max, t, 2)), X.max(axis=2)),
    "tensor_reduce by nl.max": (into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.max, t, 2)), X.max(axis=2)),
    "tensor_reduce with keepdims": (
        into((4, 6, 1), lambda d, t: nisa.tensor_reduce(d, nl.maximum, t, 2, keepdims=True)),
        X.max(axis=2, keepdims=True),
    ),
    "tensor_reduce negated": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.maximum, t, 2, negate=True)),
        -X.max(axis=2),
    ),
    "tensor_reduce of a psum tile": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.maximum, psum_copy(t), 2)),
        X.max(axis=2),
    ),
    "tensor_tensor": (into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, t, t, nl.multiply)), X * X),
    "tensor_tensor of two shapes": (
        into((4, 60), lambda d, t: nisa.tensor_tensor(d, t, t.reshape((4, 60)), op=nl.subtract)),
        np.zeros((4, 60), np.float32),
    ),
    "tensor_tensor of sbuf and psum": (
        into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, psum_copy(t), t, nl.maximum)),
        X,
    ),
    "tensor_scalar": (into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.multiply, 0.25)), X / 4),
    "tensor_scalar reversed": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.subtract, 1, reverse0=True)),
        1 - X,
    ),
    "tensor_scalar of two operations": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.maximum, 0.0, op1=nl.minimum, operand1=1.0)),
        X.clip(0, 1),
    ),
    "tensor_scalar by a tile": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.multiply, per_partition(1, -2, 0.5, 3))),
        X * SCALES,
    ),
    "tensor_scalar to another shape": (
        into((4, 60), lambda d, t: nisa.tensor_scalar(d, t, nl.add, 0.0)),
        X.reshape(4, 60),
    ),
    "tensor_scalar on ScalarE": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.multiply, 2.0, engine=nisa.scalar_engine)),
        X * 2,
    ),
    "tensor_scalar by NumPy's multiply": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, np.multiply, 2.0)),
        X * 2,
    ),
    "reciprocal": (into((4, 6, 10), nisa.reciprocal), 1 / X),
    "activation copy": (into((4, 6, 10), lambda d, t: nisa.activation(dst=d, op=nl.copy, data=t, scale=0.5)), X / 2),
    "activation with bias": (
        into((4, 6, 10), lambda d, t: nisa.activation(d, nl.copy, t, bias=per_partition(1, -2, 0.5, 3))),
        X + SCALES,
    ),
}

REFUSED = {
    "dma_copy of another count": (
        into((4, 59), nisa.dma_copy),
        "dma_copy requires src and dst to have the same number of elements, got src=",
    ),
    "dma_copy to psum": (
        into((4, 6, 10), nisa.dma_copy, buffer="psum"),
        "dma_copy dst must be in ['hbm', 'private_hbm', 'shared_hbm', 'sbuf'], got psum",
    ),
    "dma_copy of an array": (
        into((4, 6), lambda d, t: nisa.dma_copy(d, X)),
        "dma_copy src must be an NkiTensor, got ndarray",
    ),
    "dma_copy hwdge that casts": (
        into((4, 6, 10), lambda d, t: nisa.dma_copy(d, t, dge_mode=nisa.dge_mode.hwdge), "bfloat16"),
        "hwdge takes equal dtypes",
    ),
    "dma_copy with a number for an enum": (
        into((4, 6, 10), lambda d, t: nisa.dma_copy(d, t, dge_mode=2)),
        "dma_copy dge_mode must be a member of nisa.dge_mode, got 2",
    ),
    "dma_copy with priority": (
        into((4, 6, 10), lambda d, t: nisa.dma_copy(d, t, priority=1)),
        "priority is 0 to 3 on Neuron",
    ),
    "tensor_copy to HBM": (
        into((4, 6, 10), nisa.tensor_copy, buffer="shared_hbm"),
        "tensor_copy dst must be in ['sbuf', 'psum'], got shared_hbm",
    ),
    "tensor_copy of another count": (into((4, 61), nisa.tensor_copy), "tensor_copy"),
    "tensor_copy to other partitions": (into((3, 80), nisa.tensor_copy), "tensor_copy"),
    "tensor_copy on no such engine": (
        into((4, 6, 10), lambda d, t: nisa.tensor_copy(d, t, engine=nisa.engine.tensor)),
        "tensor_copy does not run on engine tensor; use one of vector, scalar, gpsimd",
    ),
    "tensor_copy from psum on GpSimdE": (
        into((4, 6, 10), lambda d, t: nisa.tensor_copy(d, psum_copy(t), engine=nisa.gpsimd_engine)),
        "tensor_copy on engine gpsimd cannot reach psum",
    ),
    "one partition at an odd start": (
        into((1, 6, 10), lambda d, t: nisa.tensor_copy(d, t[1])),
        "Invalid access of 1 partitions starting at partition 1",
    ),
    "memset of a float into integers": (
        into((4, 2), lambda d, t: nisa.memset(d, 1.0), "int8"),
        "memset value 1.0 does not match",
    ),
    "memset of no number": (into((4, 2), lambda d, t: nisa.memset(d, "1")), "memset value must be a number, got '1'"),
    "memset in HBM": (
        into((4, 2), lambda d, t: nisa.memset(d, 0), buffer="hbm"),
        "memset dst must be in ['sbuf', 'psum'], got hbm",
    ),
    "tensor_reduce of the partitions": (
        into((6, 10), lambda d, t: nisa.tensor_reduce(d, nl.add, t, 0)),
        "axis 0 is the partition dimension",
    ),
    "tensor_reduce of an inner axis": (
        into((4, 10), lambda d, t: nisa.tensor_reduce(d, nl.add, t, 1)),
        "axis [1] of tensor",
    ),
    "tensor_reduce of an axis that does not exist": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.add, t, 3)),
        "has to be the last free dimensions without a gap, such as [2] or [1, 2]",
    ),
    "tensor_reduce of no axis": (into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.add, t, [])), "axis [] of tensor"),
    "tensor_reduce of one axis twice": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.add, t, [2, 2])),
        "axis [2, 2]",
    ),
    "tensor_reduce into a larger tile": (
        into((4, 9), lambda d, t: nisa.tensor_reduce(d, nl.add, t, 2)),
        "tensor_reduce",
    ),
    "tensor_reduce by no operation": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, "add", t, 2)),
        "tensor_reduce op must be an operation such as nl.add, got 'add'",
    ),
    "tensor_reduce by divide": (
        into((4, 6), lambda d, t: nisa.tensor_reduce(d, nl.divide, t, 2)),
        "divide is not an operation",
    ),
    "tensor_tensor of other counts": (
        into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, t, t[:, 0:1], nl.add)),
        "tiles do not broadcast",
    ),
    "tensor_tensor of other partitions": (
        into((2, 120), lambda d, t: nisa.tensor_tensor(d, t, t, nl.add)),
        "differ in partitions or free elements",
    ),
    "tensor_tensor of two psum tiles": (
        into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, psum_copy(t), psum_copy(t), nl.add)),
        "tensor_tensor: both operands are in psum",
    ),
    "tensor_tensor of a number": (
        into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, t, 2.0, nl.add)),
        "tensor_tensor data2 must be an NkiTensor, got float",
    ),
    "tensor_tensor divides": (
        into((4, 6, 10), lambda d, t: nisa.tensor_tensor(d, t, t, nl.divide)),
        "tensor_tensor op: divide is not an operation of the engines; multiply by the reciprocal",
    ),
    "tensor_scalar divides": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.divide, 4.0)),
        "tensor_scalar op0: divide is not an operation of the engines",
    ),
    "tensor_scalar divides by NumPy": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.add, 0.0, op1=np.divide, operand1=2.0)),
        "tensor_scalar op1: divide is not an operation of the engines",
    ),
    "tensor_scalar into other counts": (
        into((4, 6, 9), lambda d, t: nisa.tensor_scalar(d, t, nl.add, 1.0)),
        "differ in partitions or free elements",
    ),
    "tensor_scalar by a row": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.add, t[:, 0])),
        "tensor_scalar operand0 must be a number or a float32 tile of shape [4, 1]",
    ),
    "tensor_scalar by a bf16 column": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.add, nl.zeros((4, 1), nl.bfloat16))),
        "tensor_scalar operand0 must be a number or a float32 tile of shape [4, 1]",
    ),
    "tensor_scalar op1 without operand1": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.add, 1.0, op1=nl.add)),
        "op1 and operand1 belong together",
    ),
    "tensor_scalar maximum on ScalarE": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.maximum, 1.0, engine=nisa.engine.scalar)),
        "tensor_scalar on scalar does not compute maximum; use nisa.engine.vector",
    ),
    "tensor_scalar on GpSimdE": (
        into((4, 6, 10), lambda d, t: nisa.tensor_scalar(d, t, nl.add, 1.0, engine=nisa.engine.gpsimd)),
        "tensor_scalar on gpsimd does not compute add",
    ),
    "activation with no number for bias": (
        into((4, 6, 10), lambda d, t: nisa.activation(d, nl.copy, t, bias="1.0")),
        "activation bias must be an NkiTensor, got str",
    ),
}

NOT_SUPPORTED = {
    "difference over two axes": (
        into((4, 1), lambda d, t: nisa.tensor_reduce(d, nl.subtract, t, [1, 2])),
        "nisa.tensor_reduce(nl.subtract) over several axes",
    ),
}


def named(table):
    return [pytest.param(*row, id=name) for name, row in table.items()]


@pytest.mark.parametrize(("body", "expected"), named(COMPUTED))
def test_an_instruction_computes(run, body, expected):
    np.testing.assert_array_equal(run(body, X), expected, strict=True)


@pytest.mark.parametrize(("body", "fragment"), named(REFUSED))
def test_an_instruction_is_refused(run, body, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(body, X)
    assert fragment in str(error.value)
    assert "test_instructions.py:" in error.value.where


@pytest.mark.parametrize(("body", "fragment"), named(NOT_SUPPORTED))
def test_an_instruction_is_not_supported(run, body, fragment):
    with pytest.raises(emulator.UnsupportedByEmulator) as error:
        run(body, X)
    assert fragment in str(error.value)


def test_a_refusal_names_the_tensor(run):
    def body(x):
        tile = nl.ndarray((4, 7), nl.bfloat16, name="sums")
        nisa.tensor_copy(dst=tile, src=nl.load(x))

    with pytest.raises(emulator.NKIError, match=r"`sums` \[4, 7\] bfloat16 in sbuf"):
        run(body, X)


@pytest.mark.parametrize(
    ("generation", "instruction", "fragment"),
    [
        ("gen2", lambda d, t: nisa.dma_copy(d, t, dge_mode=nisa.dge_mode.hwdge), "on gen2"),
        (
            "gen2",
            lambda d, t: nisa.tensor_copy(d, t, engine=nisa.engine.scalar),
            "does not run on engine scalar; use one of vector, gpsimd on gen2",
        ),
        ("gen4", lambda d, t: nisa.dma_copy(d, t, priority=4), "priority is 0 to 3"),
    ],
    ids=["hwdge", "copy on ScalarE", "priority"],
)
def test_a_generation_refuses(run, generation, instruction, fragment):
    with pytest.raises(emulator.NKIError, match=fragment):
        run(into((4, 6, 10), instruction), X, generation=generation)


@pytest.mark.parametrize(
    ("generation", "instruction"),
    [
        ("gen3", lambda d, t: nisa.dma_copy(d, t, dge_mode=nisa.dge_mode.hwdge)),
        ("gen3", lambda d, t: nisa.tensor_copy(d, t, engine=nisa.engine.scalar)),
        ("gen4", lambda d, t: nisa.dma_copy(d, t, priority=3)),
    ],
    ids=["hwdge", "copy on ScalarE", "priority"],
)
def test_a_newer_generation_accepts(run, generation, instruction):
    np.testing.assert_array_equal(run(into((4, 6, 10), instruction), X, generation=generation), X)


@pytest.mark.parametrize("generation", ["gen2", "gen3", "gen4"])
def test_get_nc_version(run, generation):
    def body(x):
        assert nisa.get_nc_version() is nisa.nc_version[generation]
        assert nisa.get_nc_version().value == int(generation[-1])

    run(body, X, generation=generation)


def test_the_enums_have_the_numbers_of_the_dialect():
    assert {e.name: e.value for e in nisa.dge_mode} == {"unknown": 0, "swdge": 1, "hwdge": 2, "none": 3}
    assert {e.name: e.value for e in nisa.oob_mode} == {"error": 0, "skip": 1}
    assert {e.name: e.value for e in nisa.engine} == {
        "unknown": 0, "tensor": 1, "scalar": 2, "gpsimd": 3, "dma": 4, "vector": 5, "sync": 6,
    }  # fmt: skip
    assert {e.name: e.value for e in nisa.reduce_cmd} == {
        "idle": 0, "reset": 1, "reduce": 2, "reset_reduce": 3, "load_reduce": 4,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nc_matmul_mx", "range_select", "core_barrier", "register_alloc", "VirtualRegister"])
def test_other_instructions_are_not_supported(name):
    with pytest.raises(emulator.UnsupportedByEmulator, match=rf"nki\.isa\.{name} of the current dialect"):
        getattr(nisa, name)


@pytest.mark.parametrize("name", ["tensor_divide", "average_pool"])
def test_an_unknown_instruction_is_pythons_error(name):
    with pytest.raises(AttributeError, match=rf"module 'nki.isa' has no attribute '{name}'"):
        getattr(nisa, name)
