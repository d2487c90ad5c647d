"""The output lies in the interval of the kernel's accuracy class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="values")
def test_values(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
