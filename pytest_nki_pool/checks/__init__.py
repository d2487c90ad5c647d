"""The checks of the suite, one module per group; a new check is one entry in its module's `CHECKS`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.checks import (
    agreement,
    contract,
    exactness,
    foreign,
    frameworks,
    honesty,
    layouts,
    metamorphic,
    special,
    statistics,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.checks.base import Check

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        check.name: check
        for group in (
            values,
            exactness,
            special,
            contract,
            honesty,
            agreement,
            metamorphic,
            layouts,
            frameworks,
            statistics,
            foreign,
        )
        for check in group.CHECKS
    }
)

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(check.group for check in CHECKS.values()))
