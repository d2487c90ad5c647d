"""The framework paths return the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="agreement")
def test_agreement(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
