"""The errors of many outputs have no direction and no excess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="statistics")
def test_statistics(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
