"""What launches take: how many, how long, what the cost model counts and, if wanted, their arrays."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.cost import Cost, metered
from pytest_nki_pool.verdict import Launches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Launches of one case whose arrays are kept: a check that launches often shows in the first few what is wrong.
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Exchange:
    """The arrays of one launch.

    Attributes:
        inputs: the arrays that it was given, as they were before it.
        outputs: the arrays that it returned; empty when it raised.
    """

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]


class Watch:
    """Looks on while kernels are launched.

    Args:
        counters: whether to have the cost model count.
        arrays: whether to keep copies of the arrays.
    """

    def __init__(self, *, counters: bool = False, arrays: bool = False) -> None:
        self._counters = counters
        self._arrays = arrays
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new case begins."""
        self._count = 0
        self._seconds = 0.0
        self._costs: list[Cost] = []
        self.exchanges: list[Exchange] = []

    @property
    def launches(self) -> Launches:
        """What the launches since the last reset took."""
        return Launches(self._count, self._seconds, _plain(self._costs[0]) if self._costs else None)

    def around(self, run: Callable[..., Any], to_numpy: Callable[[Any], np.ndarray] = np.asarray) -> Callable[..., Any]:
        """The same function of arrays, looked upon; it may be called from any thread.

        Args:
            run: the function.
            to_numpy: reads an array of the kind that the function takes and returns.
        """

        def watched(*args: Any) -> Any:
            keeps = self._arrays and len(self.exchanges) < _KEPT
            inputs = _copies(args, to_numpy) if keeps else ()
            returned: tuple[Any, ...] = ()
            started = time.perf_counter()
            try:
                with metered(self._note) if self._counters else nullcontext():
                    result = run(*args)
                returned = result if isinstance(result, tuple) else (result,)
            finally:
                self._seconds += time.perf_counter() - started
                self._count += 1
                if keeps:
                    self.exchanges.append(Exchange(inputs, _copies(returned, to_numpy)))
            return result

        return watched

    def _note(self, _kernel: str, cost: Cost) -> None:
        if not self._costs:
            self._costs.append(cost)


def _copies(values: Iterable[Any], to_numpy: Callable[[Any], np.ndarray]) -> tuple[np.ndarray, ...]:
    """Copies of the arrays among some values; one that has no values yet, since a compiler traces, is left out."""
    arrays = []
    for value in values:
        if hasattr(value, "dtype"):
            with suppress(Exception):  # who looks on must not disturb
                arrays.append(to_numpy(value).copy())
    return tuple(arrays)


def _plain(cost: Cost) -> dict[str, Any]:
    """The counters and the model's times, in seconds, in a form that JSON can carry; engines at rest are left out."""
    counted = {name: getattr(cost, name) for name in cost.__slots__}
    working = {engine: count for engine, count in cost.instructions.items() if count}
    return {
        **counted,
        "instructions": working,
        "cycles": {engine: cost.cycles[engine] for engine in working},
        "busy": {name: seconds for name, seconds in cost.busy.items() if seconds},
        "bound": cost.bound,
        "modelled_seconds": cost.seconds,
    }
