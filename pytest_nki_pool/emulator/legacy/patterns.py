"""Instructions on index patterns and predicates: `iota`, `affine_select`, predicated copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core import select
from pytest_nki_pool.emulator.core.affine import Condition, Index
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.masks import region_of
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.operands import SBUF, check_operands, values_of
from pytest_nki_pool.emulator.core.registers import reduce_result
from pytest_nki_pool.emulator.legacy.compute import condition_of, fit_column, run
from pytest_nki_pool.emulator.legacy.operations import alu_operation
from pytest_nki_pool.emulator.legacy.scalar_engine import reduce_cmd
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, is_scalar, new_tile

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern


_IDLE = reduce_cmd.idle


@documented("nisa")
def iota(expr: Index, dtype: object, *, mask: object = None) -> Tile:
    """Make a tile of the values of an index expression on GpSimdE.

    Args:
        expr: index expression; its first axis becomes the partition dimension.
        dtype: dtype of the result.
        mask: condition on the elements that are computed.

    Raises:
        NKIError: no index expression of at least two axes.
    """
    name = "nisa.iota"
    if not isinstance(expr, Index) or expr.ndim < 2:
        raise NKIError(f"{name}: expr is an index expression of at least two axes, got {expr!r}")
    result = new_tile(expr.shape, dtype)

    def instruction(dst: AccessPattern) -> None:
        (multiplier, lanes), *pattern = expr.axes
        values = select.affine_values(lanes, [(c, n) for c, n in pattern], expr.offset, multiplier, name)
        select.iota(dst, values, api=name)

    if mask is None:
        return run(name, result, (), instruction)
    whole = iota(expr, dtype)
    return run(name, result, (whole,), lambda dst, part: _copy(dst, part, name), mask)


def _copy(dst: AccessPattern, src: AccessPattern, api: str) -> None:
    select.choose(dst, np.ones((1, 1), np.bool_), True, src, src, api=api)


@documented("nisa")
def affine_select(
    pred: Condition, on_true_tile: Tile, on_false_value: float, *, mask: object = None, dtype: object = None
) -> Tile:
    """Keep the elements whose index compares true and replace the others by a number, on GpSimdE.

    Args:
        pred: comparison of index expressions.
        on_true_tile: tile in SBUF.
        on_false_value: number.
        mask: condition on the elements that are computed.
        dtype: dtype of the result, else the tile's.

    Raises:
        NKIError: no comparison, or one that does not fit the tile.
    """
    name = "nisa.affine_select"
    tile = as_tile(on_true_tile, "on_true_tile", name)
    if not isinstance(pred, Condition):
        raise NKIError(f"{name}: pred is a comparison of index expressions, got {type(pred).__name__}")
    if not is_scalar(on_false_value):
        raise NKIError(f"{name}: on_false_value is a number, got {type(on_false_value).__name__}")
    region = region_of(pred, tile.shape, name)
    chosen = np.zeros(tile.shape, np.bool_)
    box = tuple(slice(start, start + count) for start, count in zip(region.start, region.count, strict=True))
    chosen[box] = True if region.where is None else region.where
    flags = new_tile(tile.shape, tile.dtype if dtype is None else dtype)

    def instruction(dst: AccessPattern, source: AccessPattern) -> None:
        check_operands(name, SBUF, on_true_tile=source)
        select.choose(dst, chosen.reshape(tile.shape[0], -1), True, source, on_false_value, api=name)

    run(name, flags, (tile,), instruction)
    if mask is None:
        return flags
    result = new_tile(flags.shape, flags.dtype)
    return run(name, result, (flags,), lambda dst, part: _copy(dst, part, name), mask)


@documented("nisa")
def tensor_copy_predicated(
    *,
    src: Tile | float,
    dst: Tile,
    predicate: Tile,
    mask: object = None,
    dtype: object = None,
    reverse_pred: bool = False,
) -> None:
    """Copy elements into `dst` where a predicate is not 0, or is 0 with `reverse_pred`; the others stay.

    Raises:
        NKIError: operands of other shapes.
    """
    name = "nisa.tensor_copy_predicated"
    target, flags = as_tile(dst, "dst", name), as_tile(predicate, "predicate", name)
    if dtype is not None and dtype != target.dtype:
        raise NKIError(f"{name}: dtype is the destination's, {target.dtype}, got {dtype}")
    source: Any = src if is_scalar(src) else as_tile(src, "src", name)

    def instruction(part: AccessPattern, value: Any, flag: AccessPattern) -> None:
        select.copy_predicated(part, value, flag, reverse=reverse_pred, api=name)

    run(name, target, (source, flags), instruction, mask)


@documented("nisa")
def select_reduce(
    *,
    dst: Tile,
    predicate: Tile,
    on_true: Tile,
    on_false: float | Tile,
    reduce_res: Tile | None = None,
    reduce_cmd: reduce_cmd = reduce_cmd.idle,
    reduce_op: Any = np.max,
    reverse_pred: bool = False,
    mask: object = None,
    dtype: object = None,
) -> None:
    """Take elements of a tile where a predicate is not 0 and a number per partition elsewhere; reduce the result.

    Args:
        dst: destination on chip.
        predicate: int8, uint8, int16 or uint16 of the shape of `dst`.
        on_true: tile of that shape; not in PSUM together with the predicate.
        on_false: a number, or a tile of shape (partitions, 1).
        reduce_res: tile of shape (partitions, 1) for what the registers hold in the end.
        reduce_cmd: what to do with the registers of VectorE.
        reduce_op: maximum.
        reverse_pred: take `on_true` where the predicate is 0.
        mask: not supported.
        dtype: None or the destination's.

    Raises:
        NKIError: operands that the instruction does not take.
    """
    name = "nisa.select_reduce"
    if condition_of(mask, name) is not None:
        raise UnsupportedByEmulator(f"{name}(mask=…)", "legacy", f"{name} on exact slices")
    target, flags = as_tile(dst, "dst", name), as_tile(predicate, "predicate", name)
    source = as_tile(on_true, "on_true", name)
    if not target.shape == flags.shape == source.shape:
        raise NKIError(f"{name}: dst, predicate and on_true have one shape, got {target!r}, {flags!r} and {source!r}")
    if flags.dtype.kind not in "iu" or flags.itemsize > 2:
        raise NKIError(f"{name}: predicate is int8, uint8, int16 or uint16, got {flags!r}")
    if flags.buffer is source.buffer is Buffer.PSUM:
        raise NKIError(f"{name}: {flags!r} and {source!r}: only one operand may live in PSUM")
    if dtype is not None and dtype != target.dtype:
        raise NKIError(f"{name}: dtype is the destination's, {target.dtype}, got {dtype}")
    if alu_operation(reduce_op, name) != "maximum":
        raise NKIError(f"{name}: reduce_op is maximum, got {getattr(reduce_op, '__name__', reduce_op)}")
    if not isinstance(reduce_cmd, type(_IDLE)):
        raise NKIError(f"{name}: reduce_cmd is a member of nisa.reduce_cmd, got {reduce_cmd!r}")
    otherwise: Any = fit_column(on_false, target, "on_false", name)
    condition, known = select.predicate_of(flags.access, reverse=bool(reverse_pred))
    other = otherwise.access if isinstance(otherwise, Tile) else otherwise
    select.choose(target.access, condition, known, source.access, other, api=name)
    values = values_of(target.access, target.shape[0])
    result = None if reduce_res is None else as_tile(reduce_res, "reduce_res", name).access
    reduce_result("vector", reduce_cmd.name, "maximum", source.access, values, True, result, api=name)
