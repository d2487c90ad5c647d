"""The data families, and the bytes of a case."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.spec import foreign, numerics, special, statistics, structure
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.family import Canvas, Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_nki_pool.spec.case import Case

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for module in (structure, numerics, special, foreign, statistics)
        for family in module.FAMILIES
    }
)


def make(case: Case) -> NDArray[Any]:
    """Make the input of a case: a fresh array at each call, the same bytes on every platform.

    Args:
        case: the case.

    Returns:
        C x H x W, the case's dtype, rounded once from fp64.
    """
    dtype = DTYPES[case.dtype]
    return dtype.quantise(FAMILIES[case.family].fill(Canvas(case, dtype)))
