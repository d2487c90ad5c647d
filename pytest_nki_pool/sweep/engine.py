"""The loop of a sweep, and what it asks of an engine."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: A verdict as a line of a report.
Line: TypeAlias = dict[str, Any]
#: Identities, as text.
Batch: TypeAlias = "tuple[str, ...]"


class EngineError(Exception):
    """Work cannot go on; the message says why."""


class Engine(Protocol):
    """Runs batches of cases in other processes."""

    def free(self) -> int:
        """How many workers wait for work."""

    def submit(self, batch: Batch) -> None:
        """Give a batch to a worker that waits for work."""

    def wait(self) -> list[tuple[Batch, list[Line] | None]]:
        """Wait until something happened: batches with the lines of their first cases, or None where the worker died.

        Raises:
            EngineError: nothing can happen any more.
        """

    def alone(self, case: str) -> Line | None:
        """Run a case as the first in a fresh process; None when that died.

        Raises:
            EngineError: no process starts.
        """

    def close(self) -> None:
        """End every worker."""


def drive(engine: Engine, cases: Sequence[str], size: int, died: Callable[[str], Line]) -> Iterator[Line]:
    """Run all cases, and give their verdicts as they come in.

    When a worker dies, its cases run again one by one, so that only the one to blame takes a worker with it; that one
    has a last try alone in a fresh process.

    Args:
        engine: runs them.
        cases: identities.
        size: most cases of a batch.
        died: the verdict of a case whose process died twice.

    Raises:
        EngineError: see `Engine`.
    """
    queue = deque(tuple(cases[start : start + size]) for start in range(0, len(cases), size))
    running = 0
    while queue or running:
        while queue and engine.free():
            engine.submit(queue.popleft())
            running += 1
        for batch, lines in engine.wait():
            running -= 1
            if lines is not None:
                yield from lines
                rest = batch[len(lines) :]
                queue.extendleft([rest] if rest else [])
            elif len(batch) > 1:
                queue.extendleft((case,) for case in reversed(batch))
            else:
                yield engine.alone(batch[0]) or died(batch[0])
