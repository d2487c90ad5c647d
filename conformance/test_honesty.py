"""What the kernel claims is so, up to its limits and beyond them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="honesty")
def test_honesty(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
