"""The form of the output, and refusal of what is no average pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.nki(group="contract")
def test_contract(nki_check: Callable[[], None]) -> None:
    """Runs one trial of the group."""
    nki_check()
