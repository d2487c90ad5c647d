"""The loop of a sweep, and what it asks of an engine."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_nki_pool.report.model import Run

#: A verdict as a line of a report.
Line: TypeAlias = dict[str, Any]
#: Why a sweep on devices cannot go on.
NO_CORE = "no NeuronCore is left: each rests after what happened on it, as the verdicts tell, or others hold it"

#: Identities, as text.
Batch: TypeAlias = "tuple[str, ...]"


class EngineError(Exception):
    """Work cannot go on; the message says why."""


class Engine(Protocol):
    """Runs batches of cases in other processes.

    Attributes:
        workers: how many processes there are at a time; fewer when one has lost its NeuronCore.
    """

    workers: int

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
        """End every worker; what they have to tell goes to stderr."""


class Remote(Engine, Protocol):
    """An engine whose workers may be on other machines than the sweep."""

    def survey(self, seeds: int) -> tuple[Run, list[str]]:
        """What the sweep is about, as a worker finds it, and its cases; see `pytest_nki_pool.sweep.setup.survey`.

        Raises:
            EngineError: no worker starts, or what was asked for cannot be had where it runs.
        """


def drive(engine: Engine, cases: Sequence[str], size: int, died: Callable[[str], Line]) -> Iterator[Line]:
    """Run all cases, and give their verdicts as they come in.

    When a worker dies, its cases run again one by one, so that only the one to blame takes a worker with it; a case
    that did so, and was the only one of its batch, has a last try alone in a fresh process.

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
    again: set[str] = set()
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
            elif not again.issuperset(batch):
                again.update(batch)
                queue.extendleft((case,) for case in reversed(batch))
            else:
                yield engine.alone(batch[0]) or died(batch[0])
