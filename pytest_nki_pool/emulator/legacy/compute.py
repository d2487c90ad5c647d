"""Instructions of the legacy dialect that make a new tile or fill a piece of one, with or without a mask."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core import engine, masked, movement
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.affine import Condition
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.masks import region_of
from pytest_nki_pool.emulator.core.traffic import accumulate, read
from pytest_nki_pool.emulator.legacy.promotion import promote, scalar_dtype
from pytest_nki_pool.emulator.legacy.tensor import (
    OutsideTile,
    PartialTile,
    ProductTile,
    Tile,
    check_copied,
    is_scalar,
    new_tile,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from pytest_nki_pool.emulator.core.dtypes import DType

_HERE = __name__.rpartition(".")[0]


def condition_of(mask: object, api: str) -> Condition | None:
    """Check a mask; None for one that selects everything.

    Raises:
        NKIError: it is no condition on index expressions ("NKI error manual", err_unsupported_expression_in_mask).
    """
    if mask is None or mask is True or (isinstance(mask, np.bool_) and mask):
        return None
    if isinstance(mask, Condition):
        return mask
    if isinstance(mask, (bool, np.bool_)):
        return Condition(()) & False
    raise NKIError(
        f"{api}: a mask compares index expressions (nl.arange, nl.mgrid, loop variables, nl.program_id) and combines "
        f"them with `&`; it is known before the kernel runs, got {mask!r}",
        "err_unsupported_expression_in_mask",
    )


def part_of(tile: Tile, *, under_mask: bool) -> Any:
    """The access of an operand, or the reach of one that leaves its tensor under a mask."""
    return tile.reach if under_mask and isinstance(tile, OutsideTile) else tile.access


def run(
    api: str,
    result: Tile,
    operands: Sequence[Any],
    instruction: Callable[..., None],
    mask: object = None,
) -> Tile:
    """Run an elementwise instruction into a tile.

    Args:
        api: NKI function in messages.
        result: destination; operands broadcast to its shape.
        operands: tiles and scalars.
        instruction: called with the destination's access and the operands' accesses.
        mask: condition on the elements that are computed, or None.

    Returns:
        The result; under a mask it knows which of its elements were computed.
    """
    condition = None if mask is None else condition_of(mask, api)
    if condition is None:
        instruction(result.access, *[_operand(o) if isinstance(o, Tile) else o for o in operands])
        return result
    for operand in operands:
        if isinstance(operand, Tile) and not _repeats_to(operand.shape, result.shape):
            raise _too_small(api, operand, result)
    region = region_of(condition, result.shape, api)
    parts = [_operand(o, under_mask=True) if isinstance(o, Tile) else o for o in operands]
    masked.apply(part_of(result, under_mask=True), parts, region, instruction, api=api)
    return result if isinstance(result, OutsideTile) else PartialTile(result.access, region)


def _operand(tile: Tile, *, under_mask: bool = False) -> Any:
    access = part_of(tile, under_mask=under_mask)
    if isinstance(access, AccessPattern) and access.strides[0] == 0 and access.shape[0] > 1:
        # One partition repeated: the engine broadcasts it.
        return AccessPattern(access.storage, access.offset, (1, *access.shape[1:]), access.strides)
    return access


def fit(value: AccessPattern, dst: AccessPattern, api: str) -> AccessPattern:
    """Repeat a value's dimensions of size 1 to the destination's shape.

    Raises:
        NKIError: the shapes do not fit ("NKI error manual", err_store_dst_shape_smaller_than_other_shape).
    """
    if value.shape == dst.shape:
        return value
    if dst.storage.on_chip and value.shape[0] != dst.shape[0]:
        raise _partition_mismatch(
            f"{api}: {list(value.shape)} of {value.storage.describe()} and "
            f"{list(dst.shape)} of {dst.storage.describe()}"
        )
    fitted = value.broadcast_to(dst.shape) if len(value.shape) == len(dst.shape) else None
    if fitted is None:
        raise _too_small(api, value, dst)
    return fitted


def fit_column(operand: Any, data: Tile, role: str, api: str) -> Tile | float:
    """Check an operand that is a scalar or one element per partition, and give it the rank of the data.

    Raises:
        NKIError: it is neither.
    """
    if is_scalar(operand):
        return operand  # type: ignore[no-any-return]
    if not isinstance(operand, Tile) or operand.shape != (data.shape[0], 1):
        raise NKIError(f"{api}: {role} is a scalar or a tile of shape [{data.shape[0]}, 1], got {operand!r}")
    fitted = operand.access
    while len(fitted.shape) < data.ndim:
        fitted = fitted.insert(1)
    return Tile(fitted)


def _repeats_to(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    return len(shape) == len(larger) and all(n in (1, want) for n, want in zip(shape, larger, strict=True))


def _too_small(api: str, value: AccessPattern | Tile, dst: AccessPattern | Tile) -> NKIError:
    return NKIError(
        f"Illegal assignment destination shape in '{api}': shape {list(dst.shape)} of {dst.storage.describe()} "
        f"does not fit, or is smaller than, the value's shape {list(value.shape)} of {value.storage.describe()}; "
        "only dimensions of size 1 of the value repeat",
        "err_store_dst_shape_smaller_than_other_shape",
    )


def _partition_mismatch(what: str) -> NKIError:
    return NKIError(
        f"{what}: number of partitions (dimension 0 size of a tile) mismatch in parameters; operators and assignments "
        "do not broadcast partitions, an nl function does",
        "err_num_partition_mismatch",
    )


def assign(dst: Tile, value: object) -> None:
    """`tile[…] = value`: copy a tile or fill with a scalar, on chip.

    A value that comes straight from an instruction with a mask is computed in place: masked-off elements keep what they
    were. One that has a name is a tile of its own, and all of it is copied.

    Raises:
        NKIError: the destination is not on chip, or the shapes do not fit.
    """
    if isinstance(value, PartialTile) and value.shape == dst.shape and not _has_name(value):
        masked.apply(part_of(dst, under_mask=True), [value.access], value.region, _copy, api="a[...] = b")
        return
    access = dst.access
    if isinstance(value, Tile):
        check_copied(value)
        src = value.access
        same = src.storage is access.storage and (src.offset, src.shape, src.strides) == (
            access.offset,
            access.shape,
            access.strides,
        )
        if not same:  # `tile[…] += x` assigns the piece it has just updated to itself
            _copy(access, fit(src, access, "a = b"))
    elif is_scalar(value):
        engine.memset(access, value, api="a[...] = scalar")  # type: ignore[arg-type]
    else:
        raise NKIError(f"{access.storage.describe()}: a tensor or a scalar can be assigned, got {type(value).__name__}")


def _copy(dst: AccessPattern, src: AccessPattern) -> None:
    movement.copy(dst, src, api="a[...] = b")


def _has_name(value: object) -> bool:
    """Whether a local variable of the kernel is the value."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals["__name__"].startswith(_HERE):
        frame = frame.f_back
    return frame is not None and any(local is value for local in frame.f_locals.values())


def binary(
    op: str,
    x: object,
    y: object,
    *,
    dtype: object = None,
    mask: object = None,
    api: str,
    partitions: bool = True,
) -> Tile:
    """Compute `x op y` into a new SBUF tile.

    Args:
        op: operation of `engine.BINARY`.
        x: tile or scalar.
        y: tile or scalar, not both scalar.
        dtype: dtype of the result, else by promotion.
        mask: condition on the elements that are computed, or None.
        api: NKI function in messages.
        partitions: whether the partition dimension may broadcast.

    Raises:
        NKIError: operands that the operation does not take.
    """
    tiles = [operand for operand in (x, y) if isinstance(operand, Tile)]
    for operand in (x, y):
        if not isinstance(operand, Tile) and not is_scalar(operand):
            raise NKIError(f"{api}: operands are tensors and scalars, got {type(operand).__name__}")
    if not tiles:
        raise NKIError(f"{api}: at least one operand is a tensor; compute scalars in Python")
    result = new_tile(
        broadcast_shape(tiles, api, partitions=partitions),
        promote(dtype_of_operand(x), dtype_of_operand(y)) if dtype is None else dtype,
    )
    return run(api, result, (x, y), lambda dst, a, b: engine.elementwise(dst, op, a, b, api=api), mask)


def broadcast_shape(tiles: Sequence[Tile], api: str, *, partitions: bool) -> tuple[int, ...]:
    """Shape to which the first and the last of some tiles broadcast.

    Raises:
        NKIError: their shapes do not fit.
    """
    first, last = tiles[0].shape, tiles[-1].shape
    if first == last:
        return first
    what = f"{api}: {tiles[0]!r} and {tiles[-1]!r}"
    if len(first) != len(last):
        raise NKIError(f"{what} differ in rank; reshape one of them")
    if first[0] != last[0] and not (partitions and 1 in (first[0], last[0])):
        raise _partition_mismatch(what)
    if any(a != b and 1 not in (a, b) for a, b in zip(first, last, strict=True)):
        raise NKIError(f"{what}: shapes do not broadcast; dimensions are equal or 1")
    return tuple(map(max, first, last))


def dtype_of_operand(operand: Any) -> DType:
    """Dtype with which a tile or scalar takes part in promotion."""
    return operand.dtype if isinstance(operand, Tile) else scalar_dtype(operand)


def update(op: str, tile: Tile, other: object) -> Tile:
    """Compute `tile op= other` in place.

    Raises:
        NKIError: operands that the operation does not take.
    """
    api = f"operator {op}="
    if isinstance(other, Tile):
        fit(other.access, tile.access, api)
    elif not is_scalar(other):
        raise NKIError(f"{api}: operands are tensors and scalars, got {type(other).__name__}")
    if op == "add" and isinstance(other, ProductTile) and _sums_products(tile, other):
        _add_product(tile.access, other.access)
        return tile
    return run(api, tile, (tile, other), lambda dst, a, b: engine.elementwise(dst, op, a, b, api=api))


def _sums_products(tile: Tile, product: Tile) -> bool:
    return tile.buffer is product.buffer and tile.dtype == product.dtype and tile.shape == product.shape


def _add_product(dst: AccessPattern, product: AccessPattern) -> None:
    """Add a matrix product to a tile in PSUM, which TensorE does in any order."""
    defined = dst.defined()
    target = accumulate(dst)
    np.add(target, read(product), out=target)
    dst.mark(defined if product.defined() is True else False)
