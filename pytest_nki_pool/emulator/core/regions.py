"""Regions that the iterations of an `affine_range` loop read and write.

`affine_range` promises that no iteration depends on another ("NKI programming guide, affine_range"). Every access is
compared with those of the other iterations; an overlap with a write in it is a carried dependence.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.masks import Selection, meet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.dtypes import Array

#: Iteration, lowest and highest address, offset, shape, strides, and which elements under a mask.
_Pattern = tuple[int, int, int, int, tuple[int, ...], tuple[int, ...], "Array | None"]

#: Kind of access -> the kinds that it must not meet in another iteration. Sums of matrix products into PSUM may meet:
#: TensorE adds them up in whatever order they come.
_CONFLICTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"reads": ("writes", "sums"), "writes": ("writes", "reads", "sums"), "sums": ("writes", "reads")}
)
_PAST: Mapping[str, str] = MappingProxyType({"reads": "read", "writes": "wrote", "sums": "summed"})


class LoopRegions:
    """Accesses of one running loop, per tensor that is older than the current iteration.

    Args:
        bounds: what the kernel gave `affine_range`.
        serial: number of the newest tensor before the loop.
        iterations: how often it iterates; a single iteration meets no other one.
    """

    __slots__ = ("_bounds", "_first_serial", "_iteration", "_iteration_serial", "_known", "_several")

    def __init__(self, bounds: tuple[int, ...], serial: int, iterations: int) -> None:
        self._bounds = bounds
        self._several = iterations > 1
        self._first_serial = self._iteration_serial = serial
        self._iteration = -1
        self._known: dict[str, dict[int, list[_Pattern]]] = {kind: {} for kind in _CONFLICTS} if self._several else {}

    @property
    def name(self) -> str:
        """What the kernel calls the loop."""
        return f"affine_range{self._bounds}"

    def begin_iteration(self, serial: int) -> None:
        """Start the next iteration; tensors numbered after `serial` are its own."""
        self._iteration += 1
        self._iteration_serial = serial

    def record(self, access: AccessPattern, *, write: bool) -> None:
        """Record an access and compare it with the other iterations.

        Raises:
            NKIError: another iteration wrote what is accessed, or accessed what is written.
        """
        if self._several and access.storage.serial <= self._iteration_serial:
            self._record(access, "writes" if write else "reads")

    def record_sum(self, access: AccessPattern) -> None:
        """Record that a matrix product is added to an access in PSUM, and compare it with the other iterations.

        Raises:
            NKIError: another iteration read or wrote it otherwise.
        """
        if self._several and access.storage.serial <= self._iteration_serial:
            self._record(access, "sums")

    def _record(self, access: AccessPattern, kind: str) -> None:
        storage = access.storage
        if storage.serial > self._first_serial:
            raise NKIError(
                f"{storage.describe()} was created in an earlier iteration of {self.name}; "
                "create it before the loop or in every iteration",
                "err_local_variable_used_out_of_scope",
            )
        where = access.where if isinstance(access, Selection) else None
        mine = (self._iteration, *access.bounds(), access.offset, access.shape, access.strides, where)
        if self._iteration:
            for other in _CONFLICTS[kind]:
                self._compare(access, mine, kind, other)
        known = self._known[kind].setdefault(storage.serial, [])
        if not known or where is not None or known[-1][-1] is not None or known[-1] != mine:
            known.append(mine)

    def _compare(self, access: AccessPattern, mine: _Pattern, kind: str, other: str) -> None:
        storage = access.storage
        for iteration, low, high, offset, shape, strides, where in self._known[other].get(storage.serial, ()):
            if iteration == mine[0] or high < mine[1] or mine[2] < low:
                continue
            other_access = AccessPattern(storage, offset, shape, strides)
            if meet(access, other_access if where is None else Selection.of(other_access, where)):
                raise NKIError(
                    f"iteration {self._iteration} of {self.name} {kind} elements of {storage.describe()} that "
                    f"iteration {iteration} {_PAST[other]}; iterations of affine_range must be independent: missing "
                    "indices in the dst access, or use sequential_range",
                    "err_unexpected_output_dependencies",
                )
