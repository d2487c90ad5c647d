"""Every instruction with every operand in every memory: it takes those that the NKI ISA lists and no other."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, launch
from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as nl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HBM, SBUF, PSUM = "hbm", "sbuf", "psum"
BUFFERS = {HBM: nl.hbm, SBUF: nl.sbuf, PSUM: nl.psum}
DMA, CHIP = (HBM, SBUF), (SBUF, PSUM)
GPSIMD = nisa.engine.gpsimd

#: Instruction -> call, and per operand its shape, its dtype and the memories where it may be.
INSTRUCTIONS: Mapping[str, tuple[Callable[..., Any], Mapping[str, tuple[Any, str, tuple[str, ...]]]]] = (
    MappingProxyType(
        {
            "load": (nl.load, {"src": ((4, 4), nl.float32, (HBM,))}),
            "load_transpose2d": (nl.load_transpose2d, {"src": ((4, 4), nl.float32, (HBM,))}),
            "store": (nl.store, {"dst": ((4, 4), nl.float32, (HBM,)), "value": ((4, 4), nl.float32, (SBUF,))}),
            "dma_copy": (nisa.dma_copy, {"dst": ((4, 4), nl.float32, DMA), "src": ((4, 4), nl.float32, DMA)}),
            "dma_transpose": (
                nisa.dma_transpose,
                {"dst": ((4, 8), nl.bfloat16, (SBUF,)), "src": ((8, 4), nl.bfloat16, DMA)},
            ),
            "tensor_copy": (nisa.tensor_copy, {"dst": ((4, 4), nl.float32, CHIP), "src": ((4, 4), nl.float32, CHIP)}),
            "tensor_copy on GpSimdE": (
                lambda dst, src: nisa.tensor_copy(dst, src, engine=GPSIMD),
                {"dst": ((4, 4), nl.float32, (SBUF,)), "src": ((4, 4), nl.float32, (SBUF,))},
            ),
            "memset": (lambda dst: nisa.memset(dst, 1.0), {"dst": ((4, 4), nl.float32, CHIP)}),
            "memset on GpSimdE": (
                lambda dst: nisa.memset(dst, 1.0, engine=GPSIMD),
                {"dst": ((4, 4), nl.float32, (SBUF,))},
            ),
            "tensor_reduce": (
                lambda dst, data: nisa.tensor_reduce(dst, nl.add, data, 1),
                {"dst": ((4, 1), nl.float32, CHIP), "data": ((4, 4), nl.float32, CHIP)},
            ),
            "tensor_scalar": (
                lambda dst, data, operand0: nisa.tensor_scalar(dst, data, nl.add, operand0),
                {
                    "dst": ((4, 4), nl.float32, CHIP),
                    "data": ((4, 4), nl.float32, CHIP),
                    "operand0": ((4, 1), nl.float32, CHIP),
                },
            ),
            "tensor_tensor": (
                lambda dst, data1, data2: nisa.tensor_tensor(dst, data1, data2, nl.add),
                {
                    "dst": ((4, 4), nl.float32, CHIP),
                    "data1": ((4, 4), nl.float32, CHIP),
                    "data2": ((4, 4), nl.float32, CHIP),
                },
            ),
            "power of tensor_tensor": (
                lambda dst, data1, data2: nisa.tensor_tensor(dst, data1, data2, nl.power),
                {
                    "dst": ((4, 4), nl.float32, (SBUF,)),
                    "data1": ((4, 4), nl.float32, (SBUF,)),
                    "data2": ((4, 4), nl.float32, (SBUF,)),
                },
            ),
            "tensor_tensor_scan": (
                lambda dst, data0, data1: nisa.tensor_tensor_scan(dst, data0, data1, 0.0, nl.multiply, nl.add),
                {
                    "dst": ((4, 4), nl.float32, CHIP),
                    "data0": ((4, 4), nl.float32, CHIP),
                    "data1": ((4, 4), nl.float32, CHIP),
                },
            ),
            "activation": (
                lambda dst, data, bias: nisa.activation(dst, nl.relu, data, bias=bias),
                {
                    "dst": ((4, 4), nl.float32, CHIP),
                    "data": ((4, 4), nl.float32, CHIP),
                    "bias": ((4, 1), nl.float32, CHIP),
                },
            ),
            "reciprocal": (nisa.reciprocal, {"dst": ((4, 4), nl.float32, CHIP), "data": ((4, 4), nl.float32, CHIP)}),
            "select_reduce": (
                lambda dst, predicate, on_true: nisa.select_reduce(dst, predicate, on_true, 0.0),
                {
                    "dst": ((4, 4), nl.float32, CHIP),
                    "predicate": ((4, 4), nl.uint8, CHIP),
                    "on_true": ((4, 4), nl.float32, CHIP),
                },
            ),
            "iota": (lambda dst: nisa.iota(dst, [[1, 4]]), {"dst": ((4, 4), nl.int32, (SBUF,))}),
            "affine_select": (
                lambda dst, on_true: nisa.affine_select(dst, [[1, 4]], 1, on_true, 0.0),
                {"dst": ((4, 4), nl.float32, (SBUF,)), "on_true": ((4, 4), nl.float32, (SBUF,))},
            ),
            "tensor_partition_reduce": (
                lambda dst, data: nisa.tensor_partition_reduce(dst, nl.add, data),
                {"dst": ((1, 4), nl.float32, (SBUF,)), "data": ((4, 4), nl.float32, (SBUF,))},
            ),
            "nc_matmul": (
                nisa.nc_matmul,
                {
                    "dst": ((4, 4), nl.float32, (PSUM,)),
                    "stationary": ((4, 4), nl.float32, (SBUF,)),
                    "moving": ((4, 4), nl.float32, (SBUF,)),
                },
            ),
            "nc_transpose on TensorE": (
                lambda dst, data: nisa.nc_transpose(dst, data, engine=nisa.engine.tensor),
                {"dst": ((4, 4), nl.float32, (PSUM,)), "data": ((4, 4), nl.float32, (SBUF,))},
            ),
            "sum": (lambda x: nl.sum(x, axis=1), {"x": ((4, 4), nl.float32, CHIP)}),
            "add": (lambda x: nl.add(x, 1.0), {"x": ((4, 4), nl.float32, CHIP)}),
            "exp": (nl.exp, {"x": ((4, 4), nl.float32, CHIP)}),
        }
    )
)
CASES = [
    (name, role, buffer) for name, (_, operands) in INSTRUCTIONS.items() for role in operands for buffer in BUFFERS
]


@pytest.mark.parametrize(("name", "role", "buffer"), CASES)
@pytest.mark.parametrize("generation", ["gen2", "gen3", "gen4"])
def test_an_operand_may_be_where_the_isa_lists_it(name: str, role: str, buffer: str, generation: str) -> None:
    call, operands = INSTRUCTIONS[name]

    @jit
    def kernel(x):
        places = {operand: SBUF if SBUF in legal else legal[0] for operand, (_, _, legal) in operands.items()}
        places[role] = buffer
        call(
            **{
                operand: nl.full(operands[operand][0], 1, operands[operand][1], BUFFERS[places[operand]])
                for operand in operands
            }
        )
        nisa.dma_copy(x, nl.zeros((1, 1), nl.float32))

    def run() -> None:
        launch(kernel, np.zeros((1, 1), np.float32), machine=Machine(generation))

    if buffer in operands[role][2]:
        run()
        return
    with pytest.raises(NKIError) as caught:
        run()
    assert f"in {buffer}" in str(caught.value) or f"reach {buffer}" in str(caught.value)
