"""The programs of an SPMD launch: one kernel function, run once per index of a launch grid."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.masks import meet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.memory import Storage

_Record = tuple[int, AccessPattern]


class _Waiting(BaseException):
    """A program needs what others have not computed yet."""


class Programs:
    """The programs of one launch, run one after the other.

    Tensors in shared HBM and parameters are common to all programs: the n-th shared tensor that a program makes is the
    n-th of every other. The programs run at the same time on the hardware, so none may read what another writes; two
    may write the same elements, as two cores do that both compute everything.

    Args:
        grid: programs per dimension; () is one program outside of any grid.

    Attributes:
        grid: as given.
        several: whether there is more than one program.
        index: index of the running program in the grid.
    """

    __slots__ = (
        "_complete", "_exchanged", "_exchanges", "_made", "_number", "_reads", "_shared", "_writes", "grid", "index",
        "several",
    )  # fmt: skip

    def __init__(self, grid: tuple[int, ...] = ()) -> None:
        self.grid = grid
        self.several = prod(grid) > 1
        self.index: tuple[int, ...] = ()
        self._number = 0
        self._made = 0
        self._exchanges = self._complete = 0
        self._exchanged: list[dict[tuple[int, ...], tuple[Array, bool | Array]]] = []
        self._shared: list[Storage] = []
        self._reads: dict[int, list[_Record]] = {}
        self._writes: dict[int, list[_Record]] = {}

    def run(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run the function once per program.

        Returns:
            What the first program returned; the others share its tensors.
        """
        if not self.several:
            self.index = (0,) * len(self.grid)
            return function(*args, **kwargs)
        results = None
        while results is None:
            results = self._run_all(function, args, kwargs)
        for tensors in (self._shared, self._reads, self._writes, self._exchanged):
            tensors.clear()  # they refer to the launch, which refers to its programs
        return results[0]

    def _run_all(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Any] | None:
        """Run every program; None when some wait for what others have only now handed in."""
        results: list[Any] = []
        waiting = False
        for number, index in enumerate(np.ndindex(*self.grid)):
            self._number, self.index, self._made, self._exchanges = number, index, 0, 0
            try:
                results.append(function(*args, **kwargs))
            except _Waiting:
                waiting = True
        if not waiting:
            return results
        handed = self._exchanged[self._complete]
        if len(handed) < prod(self.grid):
            raise NKIError(
                f"programs {sorted(handed)} exchange tiles with the other programs {self._complete + 1} times, and the "
                "rest does not; every program of a launch grid takes part"
            )
        self._complete += 1
        return None

    def exchange(self, values: Array, defined: bool | Array, axes: Sequence[int]) -> list[tuple[Array, bool | Array]]:
        """Hand values to the programs that differ along axes of the grid, and get theirs.

        A program that has to wait is stopped and run again from its start once all have handed theirs in.

        Args:
            values: what this program hands over.
            defined: which of them are defined.
            axes: axes of the grid.

        Returns:
            Values and definedness of every program of the group, in the order of the grid.

        """
        if not self.several:
            return [(values, defined)]
        number = self._exchanges
        self._exchanges += 1
        if number == len(self._exchanged):
            self._exchanged.append({})
        handed = self._exchanged[number]
        if number == self._complete:
            handed[self.index] = values, defined
            raise _Waiting
        fixed = [d for d in range(len(self.grid)) if d not in axes]
        return [handed[i] for i in sorted(handed) if all(i[d] == self.index[d] for d in fixed)]

    def shared(self, shape: tuple[int, ...], make: Callable[[], Storage]) -> Storage:
        """Make a tensor in shared HBM, or find the one that an earlier program made.

        Args:
            shape: its shape.
            make: allocates it.

        Raises:
            NKIError: the programs make different ones.
        """
        if not self.several:
            return make()
        if self._made == len(self._shared):
            self._shared.append(make())
        storage = self._shared[self._made]
        self._made += 1
        if storage.shape != shape:
            raise NKIError(
                f"program {self.index} makes a tensor of shape {list(shape)} in shared HBM where another program made "
                f"{storage.describe()}; all programs share the same tensors"
            )
        return storage

    def record(self, access: AccessPattern, *, write: bool) -> None:
        """Record an access and compare it with the other programs.

        Raises:
            NKIError: a program reads what another writes.
        """
        storage = access.storage
        if storage.on_chip or (storage.parameter is None and storage not in self._shared):
            return
        for number, other in (self._reads if write else self._writes).get(storage.serial, ()):
            if number != self._number and meet(access, other):
                raise NKIError(
                    f"program {self.index} {'writes' if write else 'reads'} elements of {storage.describe()} that "
                    f"program number {number} {'reads' if write else 'writes'}; the programs of a launch grid run at "
                    "the same time and must not depend on each other"
                )
        (self._writes if write else self._reads).setdefault(storage.serial, []).append((self._number, access))
