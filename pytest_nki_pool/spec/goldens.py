"""Inputs and expected results of the cases in flight, computed once for all kernels and backends that run them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_nki_pool.spec import acceptance, data

if TYPE_CHECKING:
    import numpy as np

    from pytest_nki_pool.spec.acceptance import Expected
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import Accuracy


class Goldens:
    """Remembers the inputs and expectations of the last few cases.

    Tests run in the order of their cases, so that a handful is enough whatever the size of the corpus.

    Args:
        size: how many cases are remembered.
    """

    def __init__(self, size: int = 4) -> None:
        self._input = lru_cache(maxsize=size)(data.make)
        self._expected = lru_cache(maxsize=3 * size)(self._expect)

    def input(self, case: Case) -> np.ndarray:
        """A fresh copy of a case's input, shape (C, H, W): nobody can change what the others get."""
        return self._input(case).copy()

    def expected(self, case: Case, accuracy: Accuracy) -> Expected:
        """What an accuracy class accepts as the output of a case."""
        return self._expected(case, accuracy)

    def _expect(self, case: Case, accuracy: Accuracy) -> Expected:
        return acceptance.expect(self._input(case), case.pool, accuracy)
