"""The cores of this machine: a process pool of the standard library."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_nki_pool.sweep.engine import EngineError
from pytest_nki_pool.sweep.work import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_nki_pool.sweep.engine import Batch, Line


class Local:
    """An engine of processes of this machine.

    Args:
        settings: what a `Worker` takes.
        workers: how many processes; as many as there are cores when None.
    """

    def __init__(self, settings: Mapping[str, Any], workers: int | None) -> None:
        self._settings = json.dumps(settings)
        self._workers = workers or os.cpu_count() or 1
        self._running: dict[Future[list[Line]], Batch] = {}
        self._pool = self._start(self._workers)

    def free(self) -> int:
        """How many processes wait for work."""
        return self._workers - len(self._running)

    def submit(self, batch: Batch) -> None:
        """Give a batch to a process."""
        try:
            future = self._pool.submit(_run, self._settings, batch)
        except BrokenProcessPool as error:  # a process died while it had nothing to do, or before it could
            future = Future()
            future.set_exception(error)
        self._running[future] = batch

    def wait(self) -> list[tuple[Batch, list[Line] | None]]:
        """Wait until a batch is done; a process that died takes the batches of all others with it."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            self._pool.shutdown()
            done, _ = wait(self._running)
            self._pool = self._start(self._workers)
        return [(self._running.pop(future), _lines(future)) for future in done]

    def alone(self, case: str) -> Line | None:
        """Run a case in a pool of its own."""
        with self._start(1) as pool:
            try:
                pool.submit(_ready, self._settings).result()
            except BrokenProcessPool as error:
                raise EngineError("the processes of this sweep die before they have a case to run") from error
            lines = _lines(pool.submit(_run, self._settings, (case,)))
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
def _worker(settings: str) -> Worker:
    """The worker of this process, made once."""
    return Worker(json.loads(settings))


def _ready(settings: str) -> bool:
    return _worker(settings).ready()


def _run(settings: str, batch: Batch) -> list[Line]:
    return _worker(settings).run(batch)
