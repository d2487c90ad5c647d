"""Compiled, differentiated and batched, the kernel gives what a launch gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="frameworks")
def test_frameworks(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
