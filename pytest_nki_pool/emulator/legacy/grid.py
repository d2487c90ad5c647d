"""Launch grids: `nl.nc`, `nl.spmd_dim`, `nl.program_id` and its relatives ("NKI programming model, SPMD")."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.affine import Index
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.legacy.indices import static_integer

if TYPE_CHECKING:
    from collections.abc import Sequence


class nc(int):  # noqa: N801  (NKI's name)
    """Programs of a grid dimension that run on different physical NeuronCores."""

    __slots__ = ()

    def __mul__(self, other: int) -> nc:
        return nc(int(self) * other)

    __rmul__ = __mul__


def spmd_dim(*sizes: int) -> nc:
    """One grid dimension of several factors, such as `nl.spmd_dim(n, nl.nc(2))`."""
    return nc(prod(programs_of(size) for size in sizes))


def grid_of(entries: object) -> tuple[int, ...]:
    """Programs per dimension of a launch grid, `kernel[2, 4]` or `kernel[2]`, see `programs_of`."""
    return tuple(programs_of(entry) for entry in (entries if isinstance(entries, (list, tuple)) else (entries,)))


def programs_of(size: object) -> int:
    """Check a dimension of a launch grid.

    Raises:
        NKIError: it is no positive integer.
    """
    programs = static_integer(size, "a launch grid")
    if programs < 1:
        raise NKIError(f"a launch grid has at least one program per dimension, got {programs}")
    return programs


def program_id(axis: int) -> Index:
    """Index of the running program along a dimension of the launch grid; symbolic like a loop variable.

    Raises:
        NKIError: the grid has no such dimension.
    """
    programs = current_launch("program_id").programs
    return Index(programs.index[_axis(axis, programs.grid)])


def num_programs(axes: int | Sequence[int] | None = None) -> int:
    """Programs along dimensions of the launch grid, or of all of it; 1 without a grid.

    Raises:
        NKIError: the grid has no such dimension.
    """
    grid = current_launch("num_programs").programs.grid
    if axes is None:
        return prod(grid)
    return prod(grid[_axis(axis, grid)] for axis in (axes if isinstance(axes, (list, tuple)) else (axes,)))


def program_ndim() -> int:
    """Dimensions of the launch grid; 0 without one."""
    return len(current_launch("program_ndim").programs.grid)


def _axis(axis: object, grid: tuple[int, ...]) -> int:
    value = static_integer(axis, "nl.program_id")
    if not 0 <= value < len(grid):
        raise NKIError(f"the launch grid {list(grid)} has no dimension {value}; launch with kernel[grid](…)")
    return value
