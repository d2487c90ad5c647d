"""Reductions over loops and over programs: `nl.loop_reduce` and `nl.all_reduce`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.affine import Index
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator, kernel_line
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.regions import LoopRegions
from pytest_nki_pool.emulator.core.traffic import read
from pytest_nki_pool.emulator.legacy.compute import condition_of, run
from pytest_nki_pool.emulator.legacy.operations import alu_operation
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import Tile, as_tile, new_tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern


@documented("nl")
def loop_reduce(
    x: Tile, op: Any, loop_indices: Sequence[Index] | Index, *, dtype: object = None, mask: object = None
) -> Tile:
    """Reduce a tile over the iterations of loops, element by element.

    Args:
        x: on-chip tile of every iteration.
        op: operation of the ALU.
        loop_indices: variables of the innermost running `nl.affine_range` loops, all of which are reduced over.
        dtype: dtype of the result, else the tile's; every iteration rounds to it.
        mask: condition on the elements that are computed.

    Returns:
        What the iterations so far have gathered; it is complete after the loops.

    Raises:
        NKIError: no such loops are running.
    """
    name = "nl.loop_reduce"
    tile = as_tile(x, "x", name)
    operation = alu_operation(op, name)
    indices = list(loop_indices) if isinstance(loop_indices, (list, tuple)) else [loop_indices]
    launch = current_launch(name)
    running = [loop for loop in launch.loops if isinstance(loop, LoopRegions)]
    if not indices or not all(isinstance(index, Index) for index in indices) or len(indices) > len(running):
        raise NKIError(
            f"{name}: loop_indices are variables of the innermost nl.affine_range loops, {len(running)} of which are "
            f"running; got {loop_indices!r}"
        )
    loop = running[-len(indices)]
    owner, total = launch.carried.get(kernel_line(), (None, None))
    read(tile.access)
    watching, launch.loops = launch.loops, launch.loops[: launch.loops.index(loop)]
    try:
        if owner is not loop or total is None:
            total = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
            launch.carried[kernel_line()] = (loop, total)
            run(name, total, (tile,), lambda dst, a: movement.copy(dst, a, api=name), mask)
        else:
            if total.shape != tile.shape:
                raise NKIError(f"{name}: every iteration gives a tile of one shape, got {tile!r} and {total!r}")
            run(name, total, (total, tile), lambda d, a, b: engine.elementwise(d, operation, a, b, api=name), mask)
    finally:
        launch.loops = watching
    return Tile(total.access)


@documented("nl")
def all_reduce(
    x: Tile,
    op: Any,
    program_axes: int | Sequence[int],
    *,
    dtype: object = None,
    mask: object = None,
    parallel_reduce: bool = True,  # noqa: ARG001  (how, not what)
    asynchronous: bool = False,  # noqa: ARG001  (when, not what)
) -> Tile:
    """Reduce a tile over the programs of the launch grid, element by element; every program gets the result.

    Args:
        x: on-chip tile of every program.
        op: operation of the ALU.
        program_axes: axes of the launch grid that are reduced over.
        dtype: dtype of the result, else the tile's. The programs' tiles are combined in fp32.
        mask: not supported.
        parallel_reduce: hint, without effect here.
        asynchronous: hint, without effect here.

    Raises:
        NKIError: the launch grid has no such axis, or the programs' tiles differ in shape.
    """
    name = "nl.all_reduce"
    if condition_of(mask, name) is not None:
        raise UnsupportedByEmulator(f"{name}(mask=…)", "legacy", f"{name} on exact slices")
    tile = as_tile(x, "x", name)
    operation = alu_operation(op, name)
    axes = tuple(program_axes) if isinstance(program_axes, (list, tuple)) else (program_axes,)
    programs = current_launch(name).programs
    if not axes or any(type(axis) is not int or not 0 <= axis < len(programs.grid) for axis in axes):
        raise NKIError(f"{name}: program_axes are axes of the launch grid {list(programs.grid)}, got {program_axes!r}")
    result = new_tile(tile.shape, tile.dtype if dtype is None else dtype)
    defined = tile.access.defined()
    parts = programs.exchange(
        np.array(read(tile.access)), defined if isinstance(defined, bool) else defined.copy(), axes
    )
    if any(values.shape != tile.shape for values, _ in parts):
        raise NKIError(f"{name}: all programs reduce tiles of one shape, got {[list(v.shape) for v, _ in parts]}")
    _combine(result.access, operation, parts, name)
    return result


def _combine(dst: AccessPattern, operation: str, parts: Sequence[tuple[Any, Any]], api: str) -> None:
    lanes, columns = dst.shape[0], prod(dst.shape[1:])
    stacked = new_tile((lanes, columns, len(parts)), parts[0][0].dtype)
    for number, (values, defined) in enumerate(parts):
        part = stacked[:, :, number : number + 1].access
        part.view()[...] = values.reshape(lanes, columns, 1)
        part.mark(defined if isinstance(defined, bool) else defined.reshape(lanes, columns, 1))
    if operation not in engine.REDUCTIONS:
        raise NKIError(f"{api}: op is one of {', '.join(sorted(engine.REDUCTIONS))}, got {operation}")
    engine.reduce(dst, operation, stacked.access, (2,), api=api)
