"""`neuronxcc.nki.isa`: instructions that return their result."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from pytest_nki_pool.emulator.core import engine as core
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy import reductions
from pytest_nki_pool.emulator.legacy.promotion import promote
from pytest_nki_pool.emulator.legacy.reductions import free_axes, reduce_free
from pytest_nki_pool.emulator.legacy.surface import missing, refuse_mask
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, is_scalar, new_tile

if TYPE_CHECKING:
    from collections.abc import Sequence


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


unknown_engine = engine.unknown
tensor_engine = engine.tensor
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
vector_engine = engine.vector

#: What an `op` argument may be, by the function given. Divide is no operation of the ALU.
_OPERATIONS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("add", (np.add, nl.add)),
    ("subtract", (np.subtract, nl.subtract)),
    ("multiply", (np.multiply, nl.multiply)),
    ("maximum", (np.maximum, np.max, nl.maximum, reductions.max)),
    ("minimum", (np.minimum, np.min, nl.minimum, reductions.min)),
)


def get_nc_version() -> nc_version:
    """Return the generation of the running launch."""
    return nc_version(current_launch("get_nc_version").generation.number)


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
        mask: not emulated.
        dtype: dtype of the result, else the input's.
        negate: negate the result.
        keepdims: keep reduced axes with size 1.

    Raises:
        NKIError: an operation or axes that the instruction does not take.
    """
    tile = as_tile(data, "data", "nisa.tensor_reduce")
    axes = free_axes(axis, tile, "nisa.tensor_reduce")
    if axes != tuple(range(tile.ndim - len(axes), tile.ndim)):
        raise NKIError(f"nisa.tensor_reduce: axes are the last ones of {tile!r}, got {axis!r}; use nl.sum for others")
    return reduce_free(
        tile, _operation(op), axis, dtype=dtype, mask=mask, keepdims=keepdims, negate=negate, api="nisa.tensor_reduce"
    )


def tensor_tensor(
    data1: Tile, data2: Tile, op: Any, *, dtype: object = None, mask: object = None, engine: engine = engine.unknown
) -> Tile:
    """Compute `data1 op data2` element by element; shapes are equal and not both operands live in PSUM.

    Raises:
        NKIError: operands that the instruction does not take.
    """
    api = "nisa.tensor_tensor"
    refuse_mask(api, mask)
    a, b = as_tile(data1, "data1", api), as_tile(data2, "data2", api)
    buffers = (a.buffer, b.buffer)
    if buffers == (nl.psum, nl.psum) or (engine is gpsimd_engine and nl.psum in buffers):
        raise NKIError(f"{api}: {a!r} and {b!r}: only one operand may live in PSUM, and none of the GpSimd engine")
    if a.shape[0] != b.shape[0]:
        raise NKIError(
            f"{api}: number of partitions (dimension 0 size of a tile) mismatch in parameters: {a!r} and {b!r}",
            "err_num_partition_mismatch",
        )
    if a.shape != b.shape:
        raise NKIError(f"{api}: {a!r} and {b!r} have different free shapes; use nl functions to repeat dimensions")
    result = new_tile(a.shape, promote(a.dtype, b.dtype) if dtype is None else dtype)
    core.elementwise(result.access, _operation(op), a.access, b.access, api=api)
    return result


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
        mask: not emulated.
        engine: engine that executes it.

    Raises:
        NKIError: operands or an operation that the instruction does not take.
    """
    api = "nisa.tensor_scalar"
    refuse_mask(api, mask)
    tile = as_tile(data, "data", api)
    if (op1 is None) != (operand1 is None):
        raise NKIError(f"{api}: op1 and operand1 come together")
    if engine is gpsimd_engine and nl.psum in (tile.buffer, getattr(operand0, "buffer", None)):
        raise NKIError(f"{api}: {tile!r}: the GpSimd engine does not reach PSUM")
    steps = [(_operation(op0), _scalar_operand(operand0, tile, "operand0"), reverse0)]
    if op1 is not None:
        steps.append((_operation(op1), _scalar_operand(operand1, tile, "operand1"), reverse1))
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    core.chain(result.access, tile.access, steps, api=api)
    return result


def _scalar_operand(operand: object, data: Tile, role: str) -> core.Operand:
    if is_scalar(operand):
        return operand  # type: ignore[return-value]
    tile = as_tile(operand, role, "nisa.tensor_scalar")
    if tile.shape != (data.shape[0], 1):
        raise NKIError(f"nisa.tensor_scalar: {role} is a scalar or a tile of shape [{data.shape[0]}, 1], got {tile!r}")
    fitted = tile.access
    while len(fitted.shape) < data.ndim:
        fitted = fitted.insert(1)
    return fitted


def tensor_copy(src: Tile, *, mask: object = None, dtype: object = None, engine: engine = engine.unknown) -> Tile:
    """Copy an on-chip tile into a new SBUF tile."""
    if engine is gpsimd_engine and as_tile(src, "src", "nisa.tensor_copy").buffer is nl.psum:
        raise NKIError(f"nisa.tensor_copy: {src!r}: the GpSimd engine does not reach PSUM")
    return nl.copy(src, mask=mask, dtype=dtype)


def memset(
    shape: Sequence[Any], value: float, dtype: object, *, mask: object = None, engine: engine = engine.unknown
) -> Tile:
    """Make a new SBUF tile filled with one value.

    Raises:
        NKIError: an engine that cannot fill, see also `nl.full`.
    """
    refuse_mask("nisa.memset", mask)
    if engine not in {unknown_engine, vector_engine, gpsimd_engine}:
        raise NKIError(f"nisa.memset runs on the vector or the GpSimd engine, got {engine}")
    return nl.full(shape, value, dtype)


def dma_copy(*, dst: Tile, src: Tile, mask: object = None, dst_rmw_op: Any = None, **_options: object) -> None:
    """Copy between HBM and SBUF, through fp32 when the dtypes differ.

    Raises:
        NKIError: an operand in PSUM, different shapes, undefined elements on their way to HBM.
    """
    refuse_mask("nisa.dma_copy", mask)
    if dst_rmw_op is not None:
        raise UnsupportedByEmulator("nisa.dma_copy(dst_rmw_op=…)", "legacy", "nisa.dma_copy")
    target, source = as_tile(dst, "dst", "nisa.dma_copy"), as_tile(src, "src", "nisa.dma_copy")
    core.dma(target.access, source.access, api="dma_copy")


def _operation(op: Any) -> str:
    for name, spellings in _OPERATIONS:
        if any(op is spelling for spelling in spellings):
            return name
    if op in (np.divide, nl.divide):
        raise NKIError("divide is no operation of the ALU; multiply by the reciprocal, or use nl.divide")
    raise UnsupportedByEmulator(
        f"op={getattr(op, '__name__', op)}", "legacy", "add, subtract, multiply, maximum, minimum"
    )


def __getattr__(name: str) -> NoReturn:
    raise missing("nki.isa", name)
