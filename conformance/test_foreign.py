"""Goldens that others wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="foreign")
def test_foreign(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
