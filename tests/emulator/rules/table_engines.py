"""Engines, memories and dtypes per generation, in the current dialect, see test_rules.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import language as nl

DIALECT = "current"

X = np.arange(2048, dtype=np.float32).reshape(512, 4)


def tile(*shape: int, value: float = 1, dtype: str = "float32", buffer: Any = nl.sbuf) -> Any:
    return nl.full(shape, value, dtype, buffer)


def psum(*shape: int, dtype: str = "float32") -> Any:
    return tile(*shape, dtype=dtype, buffer=nl.psum)


def product(columns: int, dtype: str = "float32") -> Any:
    dst = nl.ndarray((2, columns), dtype, nl.psum)
    nisa.nc_matmul(dst, tile(4, 2), tile(4, columns))
    return nl.copy(dst), np.full((2, columns), 4)


def copied(engine: Any = nisa.engine.unknown, source: Any = None) -> Any:
    dst = tile(4, 4, value=0)
    nisa.tensor_copy(dst, tile(4, 4) if source is None else source, engine=engine)
    return dst, np.ones((4, 4))


def filled(engine: Any, buffer: Any = nl.sbuf) -> Any:
    dst = nl.ndarray((4, 4), nl.float32, buffer)
    nisa.memset(dst, 2.0, engine=engine)
    return nl.copy(dst), np.full((4, 4), 2)


def combined(op: Any = nl.add, engine: Any = nisa.engine.unknown, a: Any = None, b: Any = None) -> Any:
    dst = tile(4, 4, value=0)
    nisa.tensor_tensor(dst, tile(4, 4) if a is None else a, tile(4, 4) if b is None else b, op, engine=engine)
    return dst, np.full((4, 4), 2 if op is nl.add else 1)


def scaled(op0: Any, engine: Any = nisa.engine.unknown, **more: Any) -> Any:
    dst = tile(4, 4, value=0)
    nisa.tensor_scalar(dst, tile(4, 4), op0, None if op0 is nl.rsqrt else 3.0, engine=engine, **more)
    return dst, np.full((4, 4), {"multiply": 3, "add": 4, "rsqrt": 1, "subtract": -2}[op0.alu])


def turned(size: int, engine: Any, buffer: Any) -> Any:
    dst = nl.ndarray((size, size), nl.float32, buffer)
    nisa.nc_transpose(dst, tile(size, size), engine=engine)
    return nl.copy(dst), np.ones((size, size))


def activated(bias: Any, op: Any = nl.relu) -> Any:
    dst = tile(4, 4, value=0)
    nisa.activation(dst, op, tile(4, 4), bias=bias() if callable(bias) else bias)
    return dst, np.full((4, 4), 3)


def loaded(x: Any, dtype: str = "float32", **options: Any) -> Any:
    dst = nl.ndarray((4, 4), dtype)
    nisa.dma_copy(dst, x[0:4], **options)
    return dst, X[:4]


def selected(predicate: Any, on_true: Any) -> Any:
    dst = tile(4, 4, value=0)
    nisa.select_reduce(dst, predicate, on_true, 0.0)
    return dst, np.ones((4, 4))


def reduced(buffer: Any, op: Any = nl.add) -> Any:
    dst = tile(1, 4, value=0)
    nisa.tensor_partition_reduce(dst, op, tile(4, 4, buffer=buffer))
    return dst, np.full((1, 4), 4)


def transposed(dtype: str) -> Any:
    dst = nl.ndarray((4, 8), dtype)
    nisa.dma_transpose(dst, tile(8, 4, dtype=dtype))
    return dst, np.ones((4, 8))


def numbered(buffer: Any) -> Any:
    dst = nl.ndarray((2, 3), nl.int32, buffer)
    nisa.iota(dst, [[1, 3]], channel_multiplier=10)
    return dst, [[0, 1, 2], [10, 11, 12]]


def in_range(op: Any, value: float) -> Any:
    """A function of ScalarE of one value, in HBM: what is undefined does not get there."""
    dst = tile(4, 4, value=0)
    nisa.activation(dst, op, tile(4, 4, value=value))
    out = nl.ndarray((4, 4), nl.float32, nl.hbm)
    nisa.dma_copy(out, dst)
    return dst, np.full((4, 4), {"log": np.log, "sqrt": np.sqrt}.get(op.act, lambda x: 1 / x**0.5)(np.float32(value)))


RULES = [
    (
        "range of log",
        lambda x: in_range(nl.log, 2.0**64),
        lambda x: in_range(nl.log, 2.0**65),
        "beyond the input range of a ScalarE function",
    ),
    (
        "range of sqrt, which 0 has none of",
        lambda x: in_range(nl.sqrt, 0.0),
        lambda x: in_range(nl.sqrt, 2.0**-118),
        "beyond the input range of a ScalarE function",
    ),
    (
        "range of rsqrt",
        lambda x: in_range(nl.rsqrt, 2.0**96),
        lambda x: in_range(nl.rsqrt, 2.0**98),
        "beyond the input range of a ScalarE function",
    ),
    (
        "range of a reciprocal on ScalarE",
        lambda x: (nl.reciprocal(tile(4, 4, value=2.0**43)), np.full((4, 4), 2.0**-43)),
        lambda x: in_range(nl.reciprocal, 2.0**43),
        "beyond the input range of a ScalarE function",
    ),
    (
        "columns of a moving matrix",
        lambda x: product(512),
        lambda x: nisa.nc_matmul(tile(4, 1024), tile(4, 2), tile(4, 1024)) or product(1024),
        "nc_matmul dst must be in ['psum'], got sbuf",
        "err_unsupported_memory",
    ),
    (
        "columns of a moving matrix on gen4",
        lambda x: product(1024),
        lambda x: product(1024),
        "Matmult/Matmul moving free dimension 1024 exceeds max 512 for nc_version=gen3",
        "err_size_of_dimension_exceed_arch_limit",
        "gen4",
        "gen3",
    ),
    (
        "dtype of a product on gen2",
        lambda x: product(4),
        lambda x: product(4, "bfloat16"),
        "nc_matmul dst dtype must be float32 on gen2",
        "",
        "gen2",
        "gen2",
    ),
    (
        "dtype of a product on gen4",
        lambda x: product(4, "bfloat16"),
        lambda x: product(4, "float16"),
        "nc_matmul dst dtype must be float32 or bfloat16 on gen4",
        "",
        "gen4",
        "gen4",
    ),
    (
        "TensorE reads SBUF",
        lambda x: product(4),
        lambda x: nisa.nc_matmul(psum(2, 4), psum(4, 2), tile(4, 4)),
        "nc_matmul stationary must be in ['sbuf'], got psum",
        "err_unsupported_memory",
    ),
    (
        "TensorE transposes up to 128 x 128 into PSUM",
        lambda x: turned(128, nisa.engine.tensor, nl.psum),
        lambda x: turned(128, nisa.engine.tensor, nl.sbuf),
        "Expected operand 'dst' of 'nc_transpose' to be in address space 'psum'",
        "err_unsupported_memory",
    ),
    (
        "VectorE transposes up to 32 x 32",
        lambda x: turned(32, nisa.engine.vector, nl.sbuf),
        lambda x: turned(33, nisa.engine.vector, nl.sbuf),
        "on engine vector takes up to [32, 32], got [33, 33]",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    (
        "engines of a copy",
        lambda x: copied(nisa.engine.vector),
        lambda x: copied(nisa.engine.tensor),
        "tensor_copy does not run on engine tensor; use one of vector, scalar, gpsimd on gen3",
    ),
    (
        "ScalarE copies from gen3 on",
        lambda x: copied(nisa.engine.scalar),
        lambda x: copied(nisa.engine.scalar),
        "tensor_copy does not run on engine scalar; use one of vector, gpsimd on gen2",
        "",
        "gen3",
        "gen2",
    ),
    (
        "GpSimdE does not read PSUM",
        lambda x: copied(nisa.engine.gpsimd),
        lambda x: copied(nisa.engine.gpsimd, psum(4, 4)),
        "tensor_copy on engine gpsimd cannot reach psum: src",
    ),
    (
        "GpSimdE does not write PSUM",
        lambda x: filled(nisa.engine.gpsimd),
        lambda x: filled(nisa.engine.gpsimd, nl.psum),
        "memset on engine gpsimd cannot reach psum: dst",
    ),
    (
        "engines of memset",
        lambda x: filled(nisa.engine.vector, nl.psum),
        lambda x: filled(nisa.engine.scalar),
        "memset does not run on engine scalar; use one of vector, gpsimd on gen3",
    ),
    (
        "engines are members",
        lambda x: copied(nisa.vector_engine),
        lambda x: copied("vector"),
        "engine must be a member of nisa.engine, got 'vector'",
    ),
    (
        "one operand in PSUM",
        lambda x: combined(a=psum(4, 4)),
        lambda x: combined(a=psum(4, 4), b=psum(4, 4)),
        "tensor_tensor: both operands are in psum",
    ),
    (
        "power runs on GpSimdE",
        lambda x: combined(nl.power),
        lambda x: combined(nl.power, nisa.engine.vector),
        "power runs on GpSimdE",
    ),
    (
        "power without PSUM",
        lambda x: combined(nl.power),
        lambda x: combined(nl.power, a=psum(4, 4)),
        "tensor_tensor on engine gpsimd cannot reach psum: data1",
    ),
    (
        "divide is no operation of the ALU",
        lambda x: scaled(nl.multiply),
        lambda x: scaled(nl.divide),
        "divide is not an operation of the engines",
    ),
    (
        "abs_max from gen4 on",
        lambda x: combined(nl.abs_max),
        lambda x: combined(nl.abs_max),
        "abs_max needs NeuronCore-v4 or newer, got gen3",
        "",
        "gen4",
        "gen3",
    ),
    (
        "ScalarE multiplies and adds",
        lambda x: scaled(nl.add, nisa.engine.scalar),
        lambda x: scaled(nl.subtract, nisa.engine.scalar),
        "tensor_scalar on scalar does not compute subtract",
    ),
    (
        "GpSimdE computes rsqrt",
        lambda x: scaled(nl.rsqrt, nisa.engine.gpsimd),
        lambda x: scaled(nl.add, nisa.engine.gpsimd),
        "tensor_scalar on gpsimd does not compute add",
    ),
    (
        "both steps bitwise or both arithmetic",
        lambda x: scaled(nl.add, op1=nl.multiply, operand1=1.0),
        lambda x: scaled(nl.add, op1=nl.bitwise_and, operand1=1),
        "op0 and op1 are both bitwise or both arithmetic",
    ),
    (
        "a number as bias from gen3 on",
        lambda x: activated(2.0),
        lambda x: activated(2.0),
        "activation bias must be a (P, 1) tile on gen2",
        "",
        "gen3",
        "gen2",
    ),
    (
        "a tile as bias",
        lambda x: activated(lambda: tile(4, 1, value=2)),
        lambda x: activated(lambda: tile(4, 4)),
        "activation bias must be a number or a tile of shape [4, 1]",
        "",
        "gen2",
        "gen3",
    ),
    (
        "an activation function",
        lambda x: activated(2.0, nl.copy),
        lambda x: activated(2.0, nl.floor),
        "activation op must be an activation function",
    ),
    (
        "hwdge from gen3 on",
        lambda x: loaded(x, dge_mode=nisa.dge_mode.hwdge),
        lambda x: loaded(x, dge_mode=nisa.dge_mode.hwdge),
        "dge_mode hwdge takes equal dtypes and NeuronCore-v3 or newer…on gen2",
        "",
        "gen3",
        "gen2",
    ),
    (
        "hwdge does not cast",
        lambda x: loaded(x, "bfloat16"),
        lambda x: loaded(x, "bfloat16", dge_mode=nisa.dge_mode.hwdge),
        "dge_mode hwdge takes equal dtypes",
    ),
    (
        "priority of a DMA from gen4 on",
        lambda x: loaded(x, priority=0),
        lambda x: loaded(x, priority=0),
        "priority is 0 to 3 on NeuronCore-v4 or newer, got 0 on gen3",
        "",
        "gen4",
        "gen3",
    ),
    (
        "predicate and source of a selection",
        lambda x: selected(psum(4, 4, dtype="uint8"), tile(4, 4)),
        lambda x: selected(psum(4, 4, dtype="uint8"), psum(4, 4)),
        "select_reduce: both operands are in psum",
    ),
    (
        "dtype of a predicate",
        lambda x: selected(tile(4, 4, dtype="int8"), tile(4, 4)),
        lambda x: selected(tile(4, 4), tile(4, 4)),
        "select_reduce predicate dtype must be one of int8, uint8, int16, uint16",
    ),
    (
        "a reduction over partitions reads SBUF",
        lambda x: reduced(nl.sbuf),
        lambda x: reduced(nl.psum),
        "tensor_partition_reduce data must be in ['sbuf'], got psum",
        "err_unsupported_memory",
    ),
    (
        "operations of a reduction over partitions",
        lambda x: reduced(nl.sbuf),
        lambda x: reduced(nl.sbuf, nl.multiply),
        "reduces by add, maximum, bitwise_and or bitwise_or, got multiply",
    ),
    (
        "a transposing DMA moves 2 bytes",
        lambda x: transposed("bfloat16"),
        lambda x: transposed("float32"),
        "dma_transpose moves 2-byte elements without a cast",
    ),
    (
        "iota writes SBUF",
        lambda x: numbered(nl.sbuf),
        lambda x: numbered(nl.psum),
        "iota dst must be in ['sbuf'], got psum",
        "err_unsupported_memory",
    ),
    (
        "a fill of integers",
        lambda x: (tile(2, 2, value=3, dtype="int32"), np.full((2, 2), 3)),
        lambda x: tile(2, 2, value=3.5, dtype="int32"),
        "value 3.5 does not match",
    ),
    (
        "fp8_e5m2 from gen3 on",
        lambda x: (nl.copy(tile(2, 2, dtype="float8_e5m2"), "float32"), np.ones((2, 2))),
        lambda x: tile(2, 2, dtype="float8_e5m2"),
        "dtype float8_e5m2 does not exist on gen2",
        "",
        "gen3",
        "gen2",
    ),
    (
        "fp8_e4m3fn from gen4 on",
        lambda x: (nl.copy(tile(2, 2, dtype="float8_e4m3fn", value=448), "float32"), np.full((2, 2), 448)),
        lambda x: tile(2, 2, dtype="float8_e4m3fn"),
        "dtype float8_e4m3fn does not exist on gen3",
        "",
        "gen4",
        "gen3",
    ),
    (
        "fp8_e4m3 on every generation",
        lambda x: (nl.copy(tile(2, 2, dtype="float8_e4m3", value=240), "float32"), np.full((2, 2), 240)),
        lambda x: tile(2, 2, dtype="float64"),
        "dtype float64 does not exist on a NeuronCore",
        "",
        "gen2",
        "gen2",
    ),
]
