"""Regions that the iterations of an `affine_range` loop read and write.

`affine_range` promises that no iteration depends on another ("NKI programming guide, affine_range"). Every access is
compared with those of the other iterations; an overlap with a write in it is a carried dependence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.memory import Storage

_Pattern = tuple[int, int, int, int, tuple[int, ...], tuple[int, ...]]


class LoopRegions:
    """Accesses of one running loop, per tensor that is older than the current iteration."""

    __slots__ = ("_first_serial", "_iteration", "_iteration_serial", "_reads", "_writes", "name")

    def __init__(self, name: str, serial: int) -> None:
        self.name = name
        self._first_serial = self._iteration_serial = serial
        self._iteration = -1
        self._reads: dict[int, list[_Pattern]] = {}
        self._writes: dict[int, list[_Pattern]] = {}

    def begin_iteration(self, serial: int) -> None:
        """Start the next iteration; tensors numbered after `serial` are its own."""
        self._iteration += 1
        self._iteration_serial = serial

    def record(self, access: AccessPattern, *, write: bool) -> None:
        """Record an access and compare it with the other iterations.

        Raises:
            NKIError: another iteration wrote what is accessed, or accessed what is written.
        """
        storage = access.storage
        if storage.serial > self._iteration_serial:
            return
        if storage.serial > self._first_serial:
            raise NKIError(
                f"{storage.describe()} was created in an earlier iteration of {self.name}; "
                "create it before the loop or in every iteration",
                "err_local_variable_used_out_of_scope",
            )
        mine = (self._iteration, *access.bounds(), access.offset, access.shape, access.strides)
        other = self._conflict(access, mine, self._writes)
        if other is not None:
            raise self._carried(storage, "writes" if write else "reads", other, "wrote")
        other = self._conflict(access, mine, self._reads) if write else None
        if other is not None:
            raise self._carried(storage, "writes", other, "read")
        known = (self._writes if write else self._reads).setdefault(storage.serial, [])
        if not known or known[-1] != mine:
            known.append(mine)

    def _conflict(self, access: AccessPattern, mine: _Pattern, known: dict[int, list[_Pattern]]) -> int | None:
        """Find another iteration that accessed an element of an access."""
        storage = access.storage
        for iteration, low, high, offset, shape, strides in known.get(storage.serial, ()):
            if iteration == mine[0] or high < mine[1] or mine[2] < low:
                continue
            if access.overlaps(AccessPattern(storage, offset, shape, strides)):
                return iteration
        return None

    def _carried(self, storage: Storage, verb: str, other: int, before: str) -> NKIError:
        return NKIError(
            f"iteration {self._iteration} of {self.name} {verb} elements of {storage.describe()} that iteration "
            f"{other} {before}; iterations of affine_range must be independent: missing indices in the dst access, "
            "or use sequential_range",
            "err_unexpected_output_dependencies",
        )
