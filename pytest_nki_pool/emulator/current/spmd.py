"""`nki.language`: loops, the launch grid, printing."""

from __future__ import annotations

import builtins
import sys
from contextlib import nullcontext
from math import prod
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer
from pytest_nki_pool.emulator.core.traffic import read
from pytest_nki_pool.emulator.current.operands import placed
from pytest_nki_pool.emulator.current.patterns import static_integer, static_integers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pytest_nki_pool.emulator.current.tensor import NkiTensor


def affine_range(start: int, stop: int | None = None, step: int = 1) -> builtins.range:
    """Iterate over Python integers; all ranges of this dialect are one."""
    given = [start, step] if stop is None else [start, stop, step]
    first, *rest = (static_integer(value, "bound or step of a range") for value in given)
    if rest[-1] < 1:
        raise NKIError(f"the step of a range is at least 1, got {rest[-1]}")
    return builtins.range(0, first, rest[-1]) if stop is None else builtins.range(first, *rest)


sequential_range = static_range = affine_range


def dynamic_range(start: int, stop: int | None = None, step: int = 1) -> builtins.range:
    """Iterate over Python integers, as `affine_range`.

    Raises:
        NKIError: SDK 2.33, whose NKI 0.7 has it no longer.
    """
    sdk = current_launch("nl.dynamic_range").machine.sdk
    if sdk == "2.33":
        raise NKIError(f"nl.dynamic_range was removed in NKI 0.7 (SDK {sdk}); use range")
    return affine_range(start, stop, step)


def program_ndim() -> int:
    """Number of dimensions of the launch grid; 0 without one."""
    return len(current_launch("nl.program_ndim").programs.grid)


def program_id(axis: int = 0) -> int:
    """Index of the running program along an axis of the launch grid; 0 without one.

    Raises:
        NKIError: no such axis.
    """
    programs = current_launch("nl.program_id").programs
    return programs.index[_axis(axis, programs.grid)] if programs.grid or axis else 0


def num_programs(axes: int | Sequence[int] | None = 0) -> int:
    """Number of programs along axes of the launch grid, or of all when `axes` is None; 1 without a grid.

    Raises:
        NKIError: no such axis.
    """
    grid = current_launch("nl.num_programs").programs.grid
    if axes is None or (axes == 0 and not grid):
        return prod(grid)
    along = static_integers(axes, "axes of nl.num_programs") if isinstance(axes, (tuple, list)) else [axes]
    return prod(grid[_axis(axis, grid)] for axis in along)


def _axis(axis: object, grid: tuple[int, ...]) -> int:
    index = static_integer(axis, "axis of the launch grid")
    if not 0 <= index < len(grid):
        raise NKIError(f"axis {index} does not exist in the launch grid {list(grid)}")
    return index


def no_reorder() -> AbstractContextManager[None]:
    """Keep the order of instructions in a `with` block; the emulator never changes it."""
    return nullcontext()


def device_print(print_prefix: str, tensor: NkiTensor) -> None:
    """Write a prefix and the values of a tensor to the standard output.

    Args:
        print_prefix: constant string.
        tensor: tensor in SBUF or HBM.
    """
    if not isinstance(print_prefix, str):
        raise NKIError(f"device_print print_prefix must be a string, got {print_prefix!r}")
    access = placed(tensor, "tensor", "device_print", (*sorted(OFF_CHIP), Buffer.SBUF))
    sys.stdout.write(f"{print_prefix}\n{read(access)}\n")
