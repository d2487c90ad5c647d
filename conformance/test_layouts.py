"""Arrays that lie unusually in memory give the right bits or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="layouts")
def test_layouts(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
