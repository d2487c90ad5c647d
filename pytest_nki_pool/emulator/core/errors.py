"""The two exceptions of the emulator and the source line they name."""

from __future__ import annotations

import linecache
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_EMULATOR = str(Path(__file__).resolve().parents[1])


def kernel_location() -> str:
    """Name the kernel's source line that is being executed.

    Returns:
        "path/file.py:line" of the innermost frame outside the emulator, or "" when there is none.
    """
    return location_text(kernel_line())


def kernel_line() -> tuple[str, int] | None:
    """File and line of `kernel_location`, to be turned into text by `location_text` when it is needed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_EMULATOR):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def location_text(line: tuple[str, int] | None) -> str:
    """Write a line of `kernel_line` as "path/file.py:line", or ""."""
    return "" if line is None else f"{line[0]}:{line[1]}"


def kernel_operator() -> str:
    """Name the `and`, `or` or `not` on the kernel's source line that is being executed, or "" when there is none."""
    path, _, line = kernel_location().rpartition(":")
    found = re.search(r"\b(and|or|not)\b", linecache.getline(path, int(line))) if line.isdigit() else None
    return found.group() if found else ""


class NKIError(Exception):
    """A rule of NKI or of the hardware that the kernel breaks.

    Attributes:
        message: what was seen, what is allowed and what to do.
        rule: the error id of the NKI documentation ("NKI error manual"), or "".
        where: "file.py:line" in the kernel.
    """

    def __init__(self, message: str, rule: str = "", where: str | None = None) -> None:
        where = kernel_location() if where is None else where
        super().__init__(message, rule, where)
        self.message = message
        self.rule = rule
        self.where = where

    def __str__(self) -> str:
        rule = f" [{self.rule}]" if self.rule else ""
        where = f" at {self.where}" if self.where else ""
        return f"{self.message}{rule}{where}"


class UnsupportedByEmulator(Exception):  # noqa: N818  (it says what it is; it is no error of the kernel)
    """NKI has this, the emulator does not: the kernel cannot be judged here."""

    def __init__(self, feature: str, dialect: str, nearest: str = "") -> None:
        super().__init__(feature, dialect, nearest)
        self.feature = feature
        self.dialect = dialect
        self.nearest = nearest

    def __str__(self) -> str:
        nearest = f"; the nearest supported one is {self.nearest}" if self.nearest else ""
        return f"the emulator does not support {self.feature} of the {self.dialect} dialect{nearest}"
