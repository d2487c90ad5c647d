"""A kernel must not end the process that judges it."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_nki_pool.launch.errors import KernelExitError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def contained() -> Iterator[None]:
    """Let whatever a kernel does to end the process raise `KernelExitError` instead.

    Raises:
        KernelExitError: the kernel raised what is no `Exception`, such as `SystemExit`, or called `os._exit`.
    """
    try:
        with no_exit():
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        left = KernelExitError(f"{type(error).__name__}: {error}")
        raise left.with_traceback(error.__traceback__) from error


@contextmanager
def no_exit() -> Iterator[None]:
    """Let `os._exit` raise `KernelExitError` in this thread: it would end pytest at once, silently and with any code.

    Other threads may still exit: that is how a worker leaves whose controller is gone.
    """
    thread, leave = threading.get_ident(), os._exit

    def refuse(status: int) -> None:
        if threading.get_ident() != thread:
            leave(status)
        raise KernelExitError(f"os._exit({status})")

    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
