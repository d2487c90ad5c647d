"""The cores of this machine: a process pool of the standard library."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.sweep.engine import NO_CORE, EngineError
from pytest_nki_pool.sweep.progress import tell
from pytest_nki_pool.sweep.work import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_nki_pool.sweep.engine import Batch, Line


class Local:
    """An engine of processes of this machine.

    Args:
        orders: what a `Worker` takes.
        workers: how many processes; as many as there are cores when None.
    """

    def __init__(self, orders: Mapping[str, Any], workers: int | None) -> None:
        self._orders = json.dumps(orders)
        self.workers = workers or os.cpu_count() or 1
        self._running: dict[Future[list[Line]], Batch] = {}
        self._pool = self._start(self.workers)

    def free(self) -> int:
        """How many processes wait for work."""
        return self.workers - len(self._running)

    def submit(self, batch: Batch) -> None:
        """Give a batch to a process."""
        try:
            future = self._pool.submit(_run, self._orders, batch)
        except BrokenProcessPool as error:  # a process died while it had nothing to do, or before it could
            future = Future()
            future.set_exception(error)
        self._running[future] = batch

    def wait(self) -> list[tuple[Batch, list[Line] | None]]:
        """Wait until a batch is done; a process that died takes the batches of all others with it.

        Nobody can tell a pool which of its processes is to have no more work: for one without core, all are exchanged.
        """
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        if not all(map(_lines, done)):
            self._pool.shutdown()
            done, _ = wait(self._running)
            self.workers -= sum(_lines(future) == [] for future in done)
            if not self.workers:
                raise EngineError(NO_CORE)
            self._pool = self._start(self.workers)
        return [(self._running.pop(future), _lines(future)) for future in done]

    def alone(self, case: str) -> Line | None:
        """Run a case in a pool of its own."""
        with self._start(1) as pool:
            try:
                pool.submit(_ready, self._orders).result()
            except BrokenProcessPool as error:
                raise EngineError("the processes of this sweep die before they have a case to run") from error
            lines = _lines(pool.submit(_run, self._orders, (case,)))
        if lines == []:
            raise EngineError(NO_CORE)
        return lines[0] if lines else None

    def close(self) -> None:
        """End every process, whatever it does."""
        for process in multiprocessing.active_children() if self._running else ():
            process.kill()
        self._pool.shutdown(cancel_futures=True)

    def _start(self, workers: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=_begin)


def _lines(future: Future[list[Line]]) -> list[Line] | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None
    except pytest.UsageError as error:
        raise EngineError(str(error)) from error


def _begin() -> None:
    """Make this process one of a pool: quiet, and gone as soon as the sweep is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)  # the sweep's answer stands on stdout; what kernels print does not
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=1)
def _worker(orders: str) -> Worker:
    """The worker of this process, made once and closed when the process ends in good order."""
    worker = Worker(json.loads(orders))
    atexit.register(lambda: tell(worker.close()))
    return worker


def _ready(orders: str) -> bool:
    return _worker(orders).ready()


def _run(orders: str, batch: Batch) -> list[Line]:
    return _worker(orders).run(batch)
