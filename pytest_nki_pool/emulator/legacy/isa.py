"""`neuronxcc.nki.isa`: instructions that return their result."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_nki_pool.emulator.core import engine as core
from pytest_nki_pool.emulator.core import integers, movement
from pytest_nki_pool.emulator.core.engines import check_engine
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.rules import DMA, check_buffer
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.compute import fit_column, run
from pytest_nki_pool.emulator.legacy.operations import alu_operation
from pytest_nki_pool.emulator.legacy.patterns import affine_select, iota, select_reduce, tensor_copy_predicated
from pytest_nki_pool.emulator.legacy.promotion import promote
from pytest_nki_pool.emulator.legacy.reductions import free_axes, reduce_free
from pytest_nki_pool.emulator.legacy.scalar_engine import (
    activation,
    activation_reduce,
    reciprocal,
    reduce_cmd,
    scalar_tensor_tensor,
    tensor_scalar_reduce,
    tensor_tensor_scan,
)
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.surface import missing
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, new_tile
from pytest_nki_pool.emulator.legacy.tensor_engine import nc_matmul, nc_transpose, tensor_partition_reduce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern

__all__ = [
    "activation", "activation_reduce", "affine_select", "dge_mode", "dma_copy", "engine", "get_nc_version",
    "gpsimd_engine", "iota", "memset", "nc_matmul", "nc_transpose", "nc_version", "oob_mode", "reciprocal",
    "reduce_cmd", "scalar_engine", "scalar_tensor_tensor", "select_reduce", "sync_engine", "tensor_copy",
    "tensor_copy_predicated", "tensor_engine", "tensor_partition_reduce", "tensor_reduce", "tensor_scalar",
    "tensor_scalar_reduce", "tensor_tensor", "tensor_tensor_scan", "unknown_engine", "vector_engine",
]  # fmt: skip


class engine(Enum):  # noqa: N801  (NKI's name)
    """Engines that an instruction may be given to."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    vector = 5
    sync = 6


class nc_version(Enum):  # noqa: N801
    """NeuronCore generations."""

    gen2 = 2
    gen3 = 3
    gen4 = 4


class dge_mode(Enum):  # noqa: N801  (NKI's name)
    """Who makes the descriptors of a DMA."""

    none = 0
    swdge = 1
    hwdge = 2
    unknown = 3


class oob_mode(Enum):  # noqa: N801  (NKI's name)
    """What an indirect DMA does with an index outside its tensor."""

    error = 0
    skip = 1


unknown_engine = engine.unknown
tensor_engine = engine.tensor
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
vector_engine = engine.vector
sync_engine = engine.sync


def _check_engine(api: str, value: object, **sources: object) -> None:
    """Check that an engine runs an instruction and reaches its operands, see `core.engines`.

    Raises:
        NKIError: it does not, or is no member of the enum.
    """
    if not isinstance(value, engine):
        raise NKIError(f"{api}: engine is a member of nisa.engine, got {value!r}")
    check_engine(api.removeprefix("nisa."), value.name, current_launch(api).generation, **sources)


@documented("nisa")
def get_nc_version() -> nc_version:
    """Return the generation of the running launch."""
    return nc_version(current_launch("get_nc_version").generation.number)


@documented("nisa")
def tensor_reduce(
    op: Any,
    data: Tile,
    axis: int | Sequence[int],
    *,
    mask: object = None,
    dtype: object = None,
    negate: bool = False,
    keepdims: bool = False,
) -> Tile:
    """Reduce the last free axes of a tile on the vector engine.

    Args:
        op: add, subtract, multiply, maximum or minimum of NumPy or `nl`.
        data: on-chip tile.
        axis: the last axis, or the last several in ascending order.
        mask: condition on the elements that are computed.
        dtype: dtype of the result, else the input's.
        negate: negate the result.
        keepdims: keep reduced axes with size 1.

    Raises:
        NKIError: an operation or axes that the instruction does not take.
    """
    api = "nisa.tensor_reduce"
    tile = as_tile(data, "data", api)
    axes = free_axes(axis, tile, api)
    if axes != tuple(range(tile.ndim - len(axes), tile.ndim)):
        raise NKIError(f"{api}: axes are the last ones of {tile!r}, got {axis!r}; use nl.sum for others")
    return reduce_free(
        tile,
        alu_operation(op, "nisa.tensor_reduce"),
        axis,
        dtype=dtype,
        mask=mask,
        keepdims=keepdims,
        negate=negate,
        api="nisa.tensor_reduce",
    )


@documented("nisa")
def tensor_tensor(
    data1: Tile, data2: Tile, op: Any, *, dtype: object = None, mask: object = None, engine: engine = engine.unknown
) -> Tile:
    """Compute `data1 op data2` element by element; shapes are equal and not both operands live in PSUM.

    Raises:
        NKIError: operands that the instruction does not take.
    """
    api = "nisa.tensor_tensor"
    a, b = as_tile(data1, "data1", api), as_tile(data2, "data2", api)
    _check_engine(api, engine, data1=a, data2=b)
    if a.buffer is b.buffer is nl.psum:
        raise NKIError(f"{api}: {a!r} and {b!r}: only one operand may live in PSUM")
    if a.shape[0] != b.shape[0]:
        raise NKIError(
            f"{api}: number of partitions (dimension 0 size of a tile) mismatch in parameters: {a!r} and {b!r}",
            "err_num_partition_mismatch",
        )
    if a.shape != b.shape:
        raise NKIError(f"{api}: {a!r} and {b!r} have different free shapes; use nl functions to repeat dimensions")
    result = new_tile(a.shape, promote(a.dtype, b.dtype) if dtype is None else dtype)
    name = alu_operation(op, api)

    def instruction(dst: AccessPattern, x: AccessPattern, y: AccessPattern) -> None:
        if name in integers.BITWISE:
            integers.bitwise(dst, x, [(name, y, False)], api=api)
        elif engine in {gpsimd_engine, unknown_engine} and integers.is_exact(name, dst, x, y):
            integers.exact(dst, name, x, y, api=api)
        else:
            core.elementwise(dst, name, x, y, api=api)

    return run(api, result, (a, b), instruction, mask)


@documented("nisa")
def tensor_scalar(
    data: Tile,
    op0: Any,
    operand0: Tile | float,
    reverse0: bool = False,
    op1: Any = None,
    operand1: Tile | float | None = None,
    reverse1: bool = False,
    *,
    dtype: object = None,
    mask: object = None,
    engine: engine = engine.unknown,
) -> Tile:
    """Compute `(data op0 operand0) op1 operand1` with one rounding at the end.

    Args:
        data: on-chip tile.
        op0: operation, see `tensor_reduce`.
        operand0: scalar, or a tile of shape (partitions, 1).
        reverse0: compute `operand0 op0 data`.
        op1: second operation.
        operand1: its operand.
        reverse1: compute `operand1 op1 (…)`.
        dtype: dtype of the result, else the input's.
        mask: condition on the elements that are computed.
        engine: engine that executes it.

    Raises:
        NKIError: operands or an operation that the instruction does not take.
    """
    api = "nisa.tensor_scalar"
    tile = as_tile(data, "data", api)
    if (op1 is None) != (operand1 is None):
        raise NKIError(f"{api}: op1 and operand1 come together")
    _check_engine(api, engine, data=tile, operand0=operand0, operand1=operand1)
    steps = [(alu_operation(op0, api), reverse0), *([] if op1 is None else [(alu_operation(op1, api), reverse1)])]
    operands = [fit_column(operand0, tile, "operand0", api)]
    if op1 is not None:
        operands.append(fit_column(operand1, tile, "operand1", api))
    kinds = {name in integers.BITWISE for name, _ in steps}
    if len(kinds) > 1:
        raise NKIError(f"{api}: op0 and op1 are both bitwise or both arithmetic, got {steps[0][0]} and {steps[1][0]}")
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)

    def instruction(dst: AccessPattern, source: AccessPattern, *values: core.Operand) -> None:
        chained = [(name, value, swap) for (name, swap), value in zip(steps, values, strict=True)]
        if kinds == {True}:
            integers.bitwise(dst, source, chained, api=api)  # type: ignore[arg-type]  # it checks its operands
        else:
            core.chain(dst, source, chained, api=api)

    return run(api, result, (tile, *operands), instruction, mask)


@documented("nisa")
def tensor_copy(src: Tile, *, mask: object = None, dtype: object = None, engine: engine = engine.unknown) -> Tile:
    """Copy an on-chip tile into a new SBUF tile."""
    _check_engine("nisa.tensor_copy", engine, src=src)
    return nl.copy(src, mask=mask, dtype=dtype)


@documented("nisa")
def memset(
    shape: Sequence[Any], value: float, dtype: object, *, mask: object = None, engine: engine = engine.unknown
) -> Tile:
    """Make a new SBUF tile filled with one value.

    Raises:
        NKIError: an engine that cannot fill, see also `nl.full`.
    """
    _check_engine("nisa.memset", engine)
    if mask is None:
        return nl.full(shape, value, dtype)
    return run("nisa.memset", nl.ndarray(shape, dtype), (), lambda dst: core.memset(dst, value), mask)


@documented("nisa")
def dma_copy(
    *,
    dst: Tile,
    src: Tile,
    mask: object = None,
    dst_rmw_op: Any = None,
    oob_mode: oob_mode = oob_mode.error,  # noqa: ARG001  (no access here is indirect)
    dge_mode: dge_mode = dge_mode.unknown,  # noqa: ARG001  (who makes descriptors changes no value)
) -> None:
    """Copy between HBM and SBUF, through fp32 when the dtypes differ.

    Args:
        dst: destination.
        src: source of its shape.
        mask: condition on the elements that are moved.
        dst_rmw_op: `np.add` to add to the destination, in fp32, instead of replacing it.
        oob_mode: what an index outside its tensor does, which no access here has.
        dge_mode: who makes the descriptors, which changes no value.

    Raises:
        NKIError: an operand in PSUM, different shapes, undefined elements on their way to HBM.
    """
    target, source = as_tile(dst, "dst", "nisa.dma_copy"), as_tile(src, "src", "nisa.dma_copy")
    check_buffer(target, "dst", "dma_copy", DMA)
    if dst_rmw_op is not None and alu_operation(dst_rmw_op, "nisa.dma_copy") != "add":
        raise NKIError(f"nisa.dma_copy: dst_rmw_op is np.add or None, got {dst_rmw_op!r}")
    move = movement.dma if dst_rmw_op is None else movement.dma_add
    run("nisa.dma_copy", target, (source,), lambda part, value: move(part, value, api="dma_copy"), mask)


def __getattr__(name: str) -> NoReturn:
    raise missing("nki.isa", name)
