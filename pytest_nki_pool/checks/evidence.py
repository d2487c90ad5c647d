"""A wrong output in numbers that a picture can be drawn from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.spec.acceptance import deviations
from pytest_nki_pool.verdict import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_nki_pool.spec.acceptance import Deviations, Expected

#: Most rows and columns of the plane's picture; a larger plane shows the largest error of each block.
CELLS = 24


def picture(got: NDArray[Any], expected: Expected) -> Evidence:
    """Say where the errors of an output are and how large.

    Args:
        got: an output that `judge` found wrong in some element.
        expected: what it was compared with.
    """
    found = deviations(got, expected)
    place = np.unravel_index(int(np.where(found.wrong, found.ulps, -1.0).argmax()), found.ulps.shape)
    channel = int(place[0])
    ulps, wrong = found.ulps[channel], found.wrong[channel]
    block = (math.ceil(ulps.shape[0] / CELLS), math.ceil(ulps.shape[1] / CELLS))
    return Evidence(
        channel=channel,
        shape=(int(ulps.shape[0]), int(ulps.shape[1])),
        block=block,
        plane=_per_block(np.maximum, ulps, block),
        wrong=_per_block(np.add, wrong.astype(np.int64), block),
        bins=_bins(found),
        allowed=float(found.allowed[place]),
    )


def _per_block(reduction: np.ufunc, plane: NDArray[Any], block: tuple[int, int]) -> tuple[tuple[Any, ...], ...]:
    """What each block amounts to; the last of a row or column may be smaller than the others."""
    rows = reduction.reduceat(plane, np.arange(0, plane.shape[0], block[0]), axis=0)
    cells = reduction.reduceat(rows, np.arange(0, plane.shape[1], block[1]), axis=1)
    return tuple(map(tuple, cells.tolist()))


def _bins(found: Deviations) -> tuple[tuple[float, float, int, int], ...]:
    """Count elements by error: none, 1, 2 to 3, 4 to 7, ... and infinite; bins above the last error are left out."""
    finite = np.isfinite(found.ulps)
    octave = np.zeros(found.ulps.shape, np.int64)
    octave[finite] = np.frexp(found.ulps[finite])[1]
    last = int(octave.max())
    bins = []
    for number in range(last + 1):
        within = finite & (octave == number)
        low, high = (2.0 ** (number - 1), 2.0**number - 1) if number else (0.0, 0.0)
        bins.append((low, high, *_counts(within, found.wrong)))
    if not finite.all():
        bins.append((math.inf, math.inf, *_counts(~finite, found.wrong)))
    return tuple(bins)


def _counts(within: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> tuple[int, int]:
    """How many of some elements are right, and how many wrong."""
    return int((within & ~wrong).sum()), int((within & wrong).sum())
