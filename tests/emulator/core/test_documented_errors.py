"""The list of documented errors and the code that raises them."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.core.manual import DIRECT_ALLOCATION, ERRORS

SOURCES = [path for path in Path(emulator.__file__).parent.rglob("*.py") if path.name != "manual.py"]


def test_what_is_raised_is_what_is_documented() -> None:
    raised = {found for path in SOURCES for found in re.findall(r'"(err_\w+)"', path.read_text(encoding="utf-8"))}
    assert raised == ERRORS.keys()


def test_an_error_that_cannot_apply_is_never_raised() -> None:
    assert not DIRECT_ALLOCATION & ERRORS.keys()
