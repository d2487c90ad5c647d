"""Changes of the input change the output as they must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="metamorphic")
def test_metamorphic(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
