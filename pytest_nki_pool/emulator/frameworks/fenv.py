"""The floating-point environment of a thread: XLA's threads take subnormals for zero, NumPy and NKI do not."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: More than any C library's ``fenv_t``: 32 bytes on x86-64, 16 on AArch64.
_FENV_BYTES = 256


class FloatingPoint:
    """The environment of the thread that makes it (rounding mode, treatment of subnormals), to compute in elsewhere.

    Uses C99's ``fegetenv`` and ``fesetenv``. Where the process has no such functions nothing is changed.
    """

    def __init__(self) -> None:
        self._library = _libm()
        self._environment = self._current()

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Compute in this environment; the thread's own comes back afterwards."""
        before = self._current()
        self._set(self._environment)
        try:
            yield
        finally:
            self._set(before)

    def _current(self) -> ctypes.Array[ctypes.c_char]:
        environment = ctypes.create_string_buffer(_FENV_BYTES)
        if self._library is not None:
            self._library.fegetenv(environment)
        return environment

    def _set(self, environment: ctypes.Array[ctypes.c_char]) -> None:
        if self._library is not None:
            self._library.fesetenv(environment)


def _libm() -> ctypes.CDLL | None:
    """The C library's mathematics, which CPython itself is linked with."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "fegetenv") and hasattr(library, "fesetenv") else None
