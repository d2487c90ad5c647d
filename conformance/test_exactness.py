"""Data with one right answer gives that answer, without tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="exactness")
def test_exactness(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
