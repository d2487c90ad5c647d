"""No case can be found on which the kernel is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="search")
def test_search(nki_check: Callable[[], None]) -> None:
    """Runs one search, where a time for it was given."""
    nki_check()
