"""NaN, infinities, zeros and subnormals go where they belong and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="special")
def test_special(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
