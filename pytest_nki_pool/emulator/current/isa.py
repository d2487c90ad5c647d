"""The names of `nki.isa`: instructions write to a destination, their first argument, and return nothing."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engine as core
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer
from pytest_nki_pool.emulator.current.language import copy
from pytest_nki_pool.emulator.current.missing import refuse_missing, unsupported
from pytest_nki_pool.emulator.current.operands import (
    align,
    alu_op,
    check_fill,
    check_pair,
    column,
    on_chip,
    placed,
    tensor,
    trailing_axes,
    widen,
)
from pytest_nki_pool.emulator.current.tensor import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.current.operands import Axes
    from pytest_nki_pool.emulator.current.tensor import NkiTensor


class engine(Enum):  # noqa: N801
    """Engines of a NeuronCore."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    dma = 4
    vector = 5
    sync = 6


class reduce_cmd(Enum):  # noqa: N801
    """Commands to the reduction registers of an engine."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class dge_mode(Enum):  # noqa: N801
    """Who generates the descriptors of a DMA; the numbers differ from those of the legacy dialect."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class oob_mode(Enum):  # noqa: N801
    """What a DMA does with a dynamic index out of bounds."""

    error = 0
    skip = 1


class nc_version(Enum):  # noqa: N801
    """Versions of the NeuronCore."""

    gen2 = 2
    gen3 = 3
    gen4 = 4


#: What NKI raises when a hardware constraint is violated, for kernels that catch it.
NkiValidationError = NKIError

tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
unknown_engine = engine.unknown

_DMA_BUFFERS = (*sorted(OFF_CHIP), Buffer.SBUF)

#: Engines that run an instruction, beside `unknown` (the compiler chooses).
_ENGINES: Mapping[str, tuple[engine, ...]] = MappingProxyType(
    {
        "dma_copy": (engine.sync, engine.scalar, engine.gpsimd, engine.dma),
        "memset": (engine.vector, engine.gpsimd),
        "tensor_copy": (engine.vector, engine.scalar, engine.gpsimd),
        "tensor_scalar": (engine.vector, engine.scalar, engine.gpsimd),
        "tensor_tensor": (engine.vector, engine.gpsimd),
    }
)

#: What ScalarE computes of tensor_scalar.
_SCALAR_ENGINE_STEPS = (["multiply"], ["add"], ["multiply", "add"])


def get_nc_version() -> nc_version:
    """Version of the NeuronCore that is modelled."""
    return nc_version(current_launch("get_nc_version").generation.number)


def dma_copy(
    dst: NkiTensor,
    src: NkiTensor,
    priority: int | None = None,
    oob_mode: oob_mode = oob_mode.error,
    dge_mode: dge_mode = dge_mode.unknown,
    engine: engine = engine.unknown,
    name: str | None = None,  # noqa: ARG001
) -> None:
    """Move elements in order between HBM and SBUF, through float32 when the dtypes differ.

    Args:
        dst: destination, as many elements as `src`; the shapes may differ.
        src: source.
        priority: 0 (first) to 3; NeuronCore-v4 only.
        oob_mode: for dynamic indices.
        dge_mode: `hwdge` takes equal dtypes and NeuronCore-v3 or newer.
        engine: who triggers the DMA.
        name: name of the instruction.
    """
    target = placed(dst, "dst", "dma_copy", _DMA_BUFFERS)
    source = placed(src, "src", "dma_copy", _DMA_BUFFERS)
    _check_member("dma_copy", "oob_mode", oob_mode, _OOB_MODE)
    _check_member("dma_copy", "dge_mode", dge_mode, _DGE_MODE)
    _check_engine("dma_copy", engine)
    generation = current_launch("dma_copy").generation
    if dge_mode is _DGE_MODE.hwdge and (generation.number < 3 or target.storage.dtype != source.storage.dtype):
        raise NKIError(
            f"dma_copy dge_mode hwdge takes equal dtypes and NeuronCore-v3 or newer, got {describe(source)} and "
            f"{describe(target)} on {generation.name}"
        )
    if priority is not None and (generation.number < 4 or priority not in range(4)):
        raise NKIError(f"dma_copy priority is 0 to 3 on NeuronCore-v4 or newer, got {priority!r} on {generation.name}")
    core.dma(target, source)


def tensor_copy(dst: NkiTensor, src: NkiTensor, engine: engine = engine.unknown, name: str | None = None) -> None:  # noqa: ARG001
    """Copy on chip; equal dtypes are bit-exact.

    Args:
        dst: destination of equal partitions and as many free elements.
        src: source.
        engine: who copies; GpSimdE does not reach PSUM and ScalarE of NeuronCore-v2 does not copy.
        name: name of the instruction.
    """
    target, source = on_chip(dst, "dst", "tensor_copy"), on_chip(src, "src", "tensor_copy")
    _check_engine("tensor_copy", engine, target, source)
    if engine is _ENGINE.scalar and current_launch("tensor_copy").generation.number < 3:
        raise NKIError("tensor_copy on ScalarE needs NeuronCore-v3 or newer; use nisa.activation(op=nl.copy)")
    core.copy(target, source)


def memset(dst: NkiTensor, value: float, engine: engine = engine.unknown, name: str | None = None) -> None:  # noqa: ARG001
    """Fill a tile.

    Args:
        dst: destination on chip.
        value: number; an integer for an integer tile.
        engine: who fills.
        name: name of the instruction.
    """
    target = on_chip(dst, "dst", "memset")
    _check_engine("memset", engine, target)
    core.memset(target, check_fill(target, value, "memset"))


def tensor_reduce(
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    axis: Axes,
    negate: bool = False,
    keepdims: bool = False,  # noqa: ARG001
    name: str | None = None,  # noqa: ARG001
) -> None:
    """Reduce the last free dimensions in float32, rounding once to the dtype of `dst`.

    Args:
        dst: as many partitions as `data` and as many free elements as it keeps.
        op: `nl.add`, `nl.subtract`, `nl.multiply`, `nl.maximum` or `nl.minimum`.
        data: source on chip.
        axis: the last free dimensions, without a gap.
        negate: negate the result before the rounding.
        keepdims: whether the shape of `dst` has the reduced dimensions, of size 1.
        name: name of the instruction.
    """
    target, source = on_chip(dst, "dst", "tensor_reduce"), on_chip(data, "data", "tensor_reduce")
    axes = trailing_axes(axis, source, "tensor_reduce")
    operation = alu_op(op, "op", "tensor_reduce")
    if operation == "subtract" and len(axes) > 1:
        raise unsupported("nisa.tensor_reduce(nl.subtract) over several axes", "one over a single axis")
    core.reduce(target, operation, source, axes, negate=negate)


def tensor_tensor(
    dst: NkiTensor,
    data1: NkiTensor,
    data2: NkiTensor,
    op: object,
    engine: engine = engine.unknown,
    name: str | None = None,  # noqa: ARG001
) -> None:
    """Combine two tiles element by element in float32, rounding once.

    Args:
        dst: destination on chip.
        data1: first operand.
        data2: second operand; equal partitions and free elements, not both in PSUM.
        op: operation.
        engine: VectorE, or GpSimdE without PSUM.
        name: name of the instruction.
    """
    api = "tensor_tensor"
    target, a, b = on_chip(dst, "dst", api), on_chip(data1, "data1", api), on_chip(data2, "data2", api)
    _check_engine(api, engine, target, a, b)
    check_pair(api, a, b)
    target, a, b = align(api, dst=target, data1=a, data2=b)
    core.elementwise(target, alu_op(op, "op", api), a, b, api=api)


def tensor_scalar(
    dst: NkiTensor,
    data: NkiTensor,
    op0: object,
    operand0: object,
    reverse0: bool = False,
    op1: object = None,
    operand1: object = None,
    reverse1: bool = False,
    engine: engine = engine.unknown,
    name: str | None = None,  # noqa: ARG001
) -> None:
    """Apply one or two operations with a number per partition in float32, rounding once.

    Args:
        dst: destination on chip, equal partitions and free elements.
        data: source on chip.
        op0: first operation.
        operand0: a number, or a (P, 1) float32 tile.
        reverse0: computes `operand0 op0 data`.
        op1: second operation or None.
        operand1: as `operand0`.
        reverse1: as `reverse0`.
        engine: ScalarE multiplies, adds, or multiplies and adds; GpSimdE has none of the operations here.
        name: name of the instruction.
    """
    api = "tensor_scalar"
    target, source = on_chip(dst, "dst", api), on_chip(data, "data", api)
    if (op1 is None) != (operand1 is None):
        raise NKIError(f"{api}: op1 and operand1 belong together, got {op1!r} and {operand1!r}")
    given = [(op0, operand0, reverse0)] + ([] if op1 is None else [(op1, operand1, reverse1)])
    target, source = align(api, dst=target, data=source)
    partitions, rank = target.shape[0], len(target.shape)
    steps = [
        (alu_op(op, f"op{i}", api), widen(column(operand, f"operand{i}", api, partitions), rank), bool(reverse))
        for i, (op, operand, reverse) in enumerate(given)
    ]
    _check_engine(api, engine, target, source)
    names = [op for op, _, _ in steps]
    if engine is _ENGINE.gpsimd or (engine is _ENGINE.scalar and names not in _SCALAR_ENGINE_STEPS):
        raise NKIError(f"{api} on {engine.name} does not compute {' and '.join(names)}; use nisa.engine.vector")
    core.chain(target, source, steps, api=api)


def reciprocal(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> None:  # noqa: ARG001
    """Compute 1 / data in float32, rounding once."""
    target, source = on_chip(dst, "dst", "reciprocal"), on_chip(data, "data", "reciprocal")
    target, source = align("reciprocal", dst=target, data=source)
    core.chain(target, source, [("divide", 1.0, True)], api="reciprocal")


def activation(
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    bias: NkiTensor | None = None,
    scale: object = 1.0,
    reduce_op: object = None,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: reduce_cmd = reduce_cmd.idle,
    name: str | None = None,  # noqa: ARG001
) -> None:
    """Compute data * scale + bias on ScalarE in float32, rounding once; of the functions, `nl.copy` alone.

    Args:
        dst: destination on chip.
        op: `nl.copy`.
        data: source on chip.
        bias: (P, 1) float32 tile or None.
        scale: a number, or a (P, 1) float32 tile.
        reduce_op: not supported.
        reduce_res: not supported.
        reduce_cmd: not supported.
        name: name of the instruction.
    """
    api = "activation"
    if op is not copy:
        raise unsupported(f"nisa.activation with op {getattr(op, 'name', op)!r}", "nisa.activation(op=nl.copy)")
    if reduce_op is not None or reduce_res is not None or reduce_cmd is not _REDUCE_CMD.idle:
        raise unsupported("nisa.activation with a reduction", "nisa.activation and nisa.tensor_reduce")
    target, source = align(api, dst=on_chip(dst, "dst", api), data=on_chip(data, "data", api))
    partitions, rank = target.shape[0], len(target.shape)
    steps = [("multiply", widen(column(scale, "scale", api, partitions), rank), False)]
    if bias is not None:
        tensor(bias, "bias", api)
        steps.append(("add", widen(column(bias, "bias", api, partitions), rank), False))
    core.chain(target, source, steps, api=api)


# The parameters of the functions above are named after the enums, as in NKI, and hide them.
_ENGINE, _DGE_MODE, _OOB_MODE, _REDUCE_CMD = engine, dge_mode, oob_mode, reduce_cmd


def _check_member(api: str, parameter: str, value: object, kind: type[Enum]) -> None:
    if not isinstance(value, kind):
        raise NKIError(f"{api} {parameter} must be a member of nisa.{kind.__name__}, got {value!r}")


def _check_engine(api: str, value: object, *operands: AccessPattern) -> None:
    _check_member(api, "engine", value, _ENGINE)
    if value is not _ENGINE.unknown and value not in _ENGINES[api]:
        allowed = ", ".join(member.name for member in _ENGINES[api])
        raise NKIError(f"{api} does not run on engine {value.name}; use one of {allowed}")  # type: ignore[attr-defined]
    for access in operands:
        if value is _ENGINE.gpsimd and access.storage.buffer is Buffer.PSUM:
            raise NKIError(f"{api} on engine gpsimd cannot reach psum: {describe(access)}")


_MISSING = (
    "affine_select bn_aggr bn_stats core_barrier dma_engine dma_transpose dropout exponential iota local_gather "
    "matmul_perf_mode nc_find_index8 nc_match_replace8 nc_matmul nc_matmul_mx nc_n_gather nc_stream_shuffle "
    "nc_transpose quantize_mx rand2 rand_get_state rand_set_state range_select register_alloc register_load "
    "register_move register_store rng select_reduce sendrecv sequence_bounds set_rng_seed tensor_partition_reduce "
    "tensor_scalar_cumulative tensor_tensor_scan VirtualRegister"
)
_NEAREST = {
    "activation_reduce": "nisa.activation and nisa.tensor_reduce",
    "dma_compute": "nisa.dma_copy",
    "max8": "nisa.tensor_reduce",
    "scalar_tensor_tensor": "nisa.tensor_scalar and nisa.tensor_tensor",
    "tensor_copy_dynamic_dst": "nisa.tensor_copy",
    "tensor_copy_dynamic_src": "nisa.tensor_copy",
    "tensor_copy_predicated": "nisa.tensor_copy",
    "tensor_scalar_reduce": "nisa.tensor_scalar and nisa.tensor_reduce",
}

__getattr__ = refuse_missing("nki.isa", {**dict.fromkeys(_MISSING.split(), ""), **_NEAREST})
