"""Instructions of `neuronxcc.nki.isa` that apply functions, and those that reduce what they write."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import activation as core
from pytest_nki_pool.emulator.core import engine, scan
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.masks import region_of
from pytest_nki_pool.emulator.core.registers import reduce_result
from pytest_nki_pool.emulator.legacy.compute import condition_of, dtype_of_operand, fit_column, run
from pytest_nki_pool.emulator.legacy.elementwise import unary
from pytest_nki_pool.emulator.legacy.operations import activation_function, alu_operation
from pytest_nki_pool.emulator.legacy.promotion import promote
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, is_scalar, new_tile

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern


class reduce_cmd(Enum):  # noqa: N801  (NKI's name)
    """What an instruction does with the accumulator of its engine."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3


@documented("nisa")
def activation(
    op: Any,
    data: Tile,
    *,
    bias: Tile | None = None,
    scale: float | Tile = 1.0,
    reduce_op: Any = None,
    reduce_res: Tile | None = None,
    reduce_cmd: reduce_cmd = reduce_cmd.idle,
    mask: object = None,
    dtype: object = None,
) -> Tile:
    """Compute `op(data * scale + bias)` on ScalarE with one rounding.

    Args:
        op: function of `nl` or NumPy.
        data: on-chip tile.
        bias: tile of shape (partitions, 1).
        scale: number, or a tile of that shape.
        reduce_op: add, which the accumulators of ScalarE do.
        reduce_res: tile of shape (partitions, 1) for what the accumulators hold in the end.
        reduce_cmd: what to do with the accumulators.
        mask: condition on the elements that are computed; not together with a reduction.
        dtype: dtype of the result, else the input's.

    Raises:
        NKIError: bias or scale of another kind ("NKI error manual", err_activation_bias_invalid_type,
            err_activation_scale_invalid_type).
    """
    name = "nisa.activation"
    if not _is_idle(reduce_cmd) or reduce_op is not None or reduce_res is not None:
        return _activate_and_reduce(name, op, data, reduce_op, reduce_res, reduce_cmd.name, bias, scale, mask, dtype)
    tile = as_tile(data, "data", name)
    operands = _scale_and_bias(tile, scale, bias, name)
    function = activation_function(op, name)
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)

    def instruction(dst: AccessPattern, source: AccessPattern, factor: Any, offset: Any) -> None:
        core.activate(dst, function, source, scale=factor, bias=offset, api=name)

    return run(name, result, (tile, *operands), instruction, mask)


@documented("nisa")
def activation_reduce(
    op: Any,
    data: Tile,
    *,
    reduce_op: Any,
    reduce_res: Tile,
    bias: Tile | None = None,
    scale: float | Tile = 1.0,
    mask: object = None,
    dtype: object = None,
) -> Tile:
    """Compute `activation` and sum its fp32 results along the free dimensions into `reduce_res` (partitions, 1)."""
    return _activate_and_reduce(
        "nisa.activation_reduce", op, data, reduce_op, reduce_res, "reset_reduce", bias, scale, mask, dtype
    )


def _activate_and_reduce(
    api: str,
    op: Any,
    data: Tile,
    reduce_op: Any,
    reduce_res: Tile | None,
    command: str,
    bias: Tile | None,
    scale: float | Tile,
    mask: object,
    dtype: object,
) -> Tile:
    if condition_of(mask, api) is not None:
        raise UnsupportedByEmulator(f"{api}(mask=…) with a reduction", "legacy", "nisa.activation and nl.sum")
    if reduce_op is not None and alu_operation(reduce_op, api) != "add":
        raise NKIError(f"{api}: reduce_op is add, got {getattr(reduce_op, '__name__', reduce_op)}")
    if reduce_op is None and command in {"reduce", "reset_reduce"}:
        raise NKIError(f"{api}: reduce_cmd {command} needs reduce_op=np.add")
    tile = as_tile(data, "data", api)
    factor, offset = (_operand(value) for value in _scale_and_bias(tile, scale, bias, api))
    sums = None if reduce_res is None else as_tile(reduce_res, "reduce_res", api).access
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    function = activation_function(op, api)
    values, defined = core.activate(result.access, function, tile.access, scale=factor, bias=offset, api=api)
    reduce_result("scalar", command, "add", tile.access, values, defined, sums, api=api)
    return result


def _operand(value: Tile | float) -> AccessPattern | float:
    return value.access if isinstance(value, Tile) else value


def _is_idle(command: object) -> bool:
    if not isinstance(command, reduce_cmd):
        raise NKIError(f"nisa.activation: reduce_cmd is a member of nisa.reduce_cmd, got {command!r}")
    return command is reduce_cmd.idle


def _scale_and_bias(data: Tile, scale: Any, bias: Any, api: str) -> tuple[Any, Any]:
    if bias is not None and not isinstance(bias, Tile):
        raise NKIError(
            f"{api}: bias is a tensor of shape [{data.shape[0]}, 1] or None, got {type(bias).__name__}",
            "err_activation_bias_invalid_type",
        )
    if not isinstance(scale, Tile) and not is_scalar(scale):
        raise NKIError(
            f"{api}: scale is a number or a tensor of shape [{data.shape[0]}, 1], got {type(scale).__name__}",
            "err_activation_scale_invalid_type",
        )
    if isinstance(scale, Tile) and scale.shape != (data.shape[0], 1):
        raise NKIError(
            f"{api}: scale is a scalar or a tile of shape [{data.shape[0]}, 1], got {scale!r}",
            "err_activation_scale_scalar_or_vector",
        )
    return fit_column(scale, data, "scale", api), 0.0 if bias is None else fit_column(bias, data, "bias", api)


@documented("nisa")
def reciprocal(data: Tile, *, dtype: object = None, mask: object = None) -> Tile:
    """Compute the reciprocal on VectorE."""
    return unary("reciprocal", data, dtype=dtype, mask=mask, api="nisa.reciprocal")


@documented("nisa")
def scalar_tensor_tensor(
    *,
    data: Tile,
    op0: Any,
    operand0: float | Tile,
    op1: Any,
    operand1: Tile,
    reverse0: bool = False,
    reverse1: bool = False,
    dtype: object = None,
    mask: object = None,
) -> Tile:
    """Compute `(data op0 operand0) op1 operand1` with one rounding; operand1 is a tile like the data."""
    name = "nisa.scalar_tensor_tensor"
    tile, other = as_tile(data, "data", name), as_tile(operand1, "operand1", name)
    if tile.shape != other.shape:
        raise NKIError(f"{name}: {tile!r} and {other!r} have different shapes")
    first = fit_column(operand0, tile, "operand0", name)
    names = alu_operation(op0, name), alu_operation(op1, name)
    result = new_tile(tile.shape, promote(tile.dtype, other.dtype) if dtype is None else dtype)

    def instruction(dst: AccessPattern, source: AccessPattern, a: Any, b: AccessPattern) -> None:
        engine.chain(dst, source, [(names[0], a, reverse0), (names[1], b, reverse1)], api=name)

    return run(name, result, (tile, first, other), instruction, mask)


@documented("nisa")
def tensor_scalar_reduce(
    *,
    data: Tile,
    op0: Any,
    operand0: float | Tile,
    reduce_op: Any,
    reduce_res: Tile,
    reverse0: bool = False,
    dtype: object = None,
    mask: object = None,
) -> Tile:
    """Compute `data op0 operand0`, and reduce its fp32 values along the free dimensions into `reduce_res`."""
    name = "nisa.tensor_scalar_reduce"
    if mask is not None:
        raise UnsupportedByEmulator(f"{name}(mask=…)", "legacy", "nisa.tensor_scalar and nisa.tensor_reduce")
    tile, total = as_tile(data, "data", name), as_tile(reduce_res, "reduce_res", name)
    operand = fit_column(operand0, tile, "operand0", name)
    op, reduction = alu_operation(op0, name), alu_operation(reduce_op, name)
    if reduction not in engine.REDUCTIONS:
        raise NKIError(f"{name}: reduce_op is one of {', '.join(sorted(engine.REDUCTIONS))}, got {reduction}")
    wide = new_tile(tile.shape, "float32")
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)

    def instruction(dst: AccessPattern, source: AccessPattern, value: Any) -> None:
        engine.chain(dst, source, [(op, value, reverse0)], api=name)

    for destination in (wide, result):
        run(name, destination, (tile, operand), instruction)
    engine.reduce(total.access, reduction, wide.access, tuple(range(1, tile.ndim)), api=name)
    return result


@documented("nisa")
def tensor_tensor_scan(
    data0: Tile,
    data1: Tile,
    initial: float | Tile,
    op0: Any,
    op1: Any,
    reverse0: bool = False,
    reverse1: bool = False,
    *,
    dtype: object = None,
    mask: object = None,
) -> Tile:
    """Compute `state = (data0 op0 state) op1 data1` element after element along the free dimension.

    Args:
        data0: on-chip tile of two dimensions.
        data1: tile of the same shape.
        initial: first state: a number, or a tile of shape (partitions, 1).
        op0: first operation.
        op1: second operation.
        reverse0: compute `state op0 data0`.
        reverse1: compute `data1 op1 (…)`.
        dtype: dtype of the result, else by promotion.
        mask: condition on the elements that are computed, which selects a rectangle.

    Raises:
        NKIError: operands of other shapes.
        UnsupportedByEmulator: the mask selects something else than a rectangle.
    """
    name = "nisa.tensor_tensor_scan"
    first, second = as_tile(data0, "data0", name), as_tile(data1, "data1", name)
    if first.shape != second.shape or first.ndim != 2:
        raise NKIError(f"{name}: data0 and data1 have one shape of two dimensions, got {first!r} and {second!r}")
    start = fit_column(initial, first, "initial", name)
    promoted = promote(dtype_of_operand(first), dtype_of_operand(second))
    result = new_tile(first.shape, promoted if dtype is None else dtype)
    ops = alu_operation(op0, name), alu_operation(op1, name)

    def instruction(dst: AccessPattern, a: AccessPattern, b: AccessPattern, state: Any) -> None:
        scan.scan(dst, a, b, state, ops, reverse=(reverse0, reverse1), api=name)

    condition = condition_of(mask, name)
    if condition is not None and region_of(condition, first.shape, name).where is not None:
        raise UnsupportedByEmulator(f"{name}(mask=…) of no rectangle", "legacy", f"{name} on exact slices")
    return run(name, result, (first, second, start), instruction, mask)
