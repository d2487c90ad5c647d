"""A wrong output in words: which element, what was expected, what came, and from which window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.spec.oracle import window
from pytest_nki_pool.verdict import Location

if TYPE_CHECKING:
    from pytest_nki_pool.spec.acceptance import Expected, Judgement

#: Most rows and columns of a window that are printed.
_SHOWN = 8


def explain(judgement: Judgement, expected: Expected, x: np.ndarray) -> str:
    """Say what is wrong with an output, for a person who is to mend the kernel.

    Args:
        judgement: what `judge` found.
        expected: what it was compared with.
        x: the input, C x H x W.
    """
    if judgement.index is None:
        return judgement.reason
    channel, row, column = judgement.index
    k = expected.pool
    size = expected.exact.size
    lines = [
        f"{judgement.bad} of {size} outputs are wrong",
        f"first bad element  [{channel}, {row}, {column}]",
        f"got       {judgement.got!r}",
        f"expected  {judgement.accepted}",
        f"exact     {judgement.exact!r} in {expected.dtype.name}, judged by accuracy class {expected.accuracy}",
        f"worst     {judgement.max_ulp:g} ulp off, {_share(judgement.share_of_bound)}",
        f"window    channel {channel}, rows {row * k}:{row * k + k}, columns {column * k}:{column * k + k}",
        *_values(window(x, k, judgement.index)),
    ]
    return "\n".join(lines)


def locate(judgement: Judgement, expected: Expected, x: np.ndarray) -> Location | None:
    """Say where an output is wrong, for a program; None where no element is to blame.

    Args:
        judgement: what `judge` found.
        expected: what it was compared with.
        x: the input, C x H x W.
    """
    if judgement.index is None:
        return None
    rows = window(x, expected.pool, judgement.index)[:_SHOWN, :_SHOWN].astype(np.float64).tolist()
    values = (judgement.got, judgement.low, judgement.high, judgement.exact)
    got, low, high, exact = (math.nan if value is None else value for value in values)
    return Location(judgement.index, got, low, high, exact, judgement.bad, tuple(map(tuple, rows)))


def _share(share: float) -> str:
    return "where no error is allowed" if math.isinf(share) else f"{share:.3g} times what is allowed"


def _values(values: np.ndarray) -> list[str]:
    """The window's rows, cut to what fits a screen."""
    shown = values[:_SHOWN, :_SHOWN].astype(np.float64)
    more = " …" if values.shape[1] > _SHOWN else ""
    rows = [" " * 10 + " ".join(f"{value:12.7g}" for value in row) + more for row in shown]
    return [*rows, *([" " * 10 + "…"] if values.shape[0] > _SHOWN else [])]
