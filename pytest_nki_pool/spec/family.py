"""What a data family is, and the canvas it fills."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.dtypes import DType

Kind = Literal["structure", "numerics", "special", "foreign", "statistics"]


class Shape(Protocol):
    """The sizes of a case, as far as they decide whether a family has data for it."""

    @property
    def channels(self) -> int:
        """C."""

    @property
    def height(self) -> int:
        """H."""

    @property
    def width(self) -> int:
        """W."""

    @property
    def pool(self) -> int:
        """Pool size k."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The C x H x W image that a family fills.

    Attributes:
        case: the case whose data is made.
        dtype: its dtype.
    """

    case: Case
    dtype: DType
    _source: np.random.PCG64 = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(str(self.case).encode()).digest()
        source = np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little")))
        object.__setattr__(self, "_source", source)

    @property
    def elements(self) -> int:
        """Elements of one window, k x k."""
        return self.case.pool**2

    def bits(self) -> NDArray[np.uint64]:
        """Draw 64 fresh random bits per element, the same on every platform.

        Only the raw stream of a bit generator is stable; the distributions of `numpy.random.Generator` may change
        between releases (NEP 19) and use the platform's libm.
        """
        shape = self.case.shape
        return np.asarray(self._source.random_raw(int(np.prod(shape))), np.uint64).reshape(shape)

    def window(self) -> NDArray[np.int64]:
        """Number each element's window, distinct over channels; a partial window at the edge has a number too."""
        channel, row, col = self._grid()
        k = self.case.pool
        down, across = -(-self.case.height // k), -(-self.case.width // k)
        return (channel * down + row // k) * across + col // k

    def position(self) -> NDArray[np.int64]:
        """Number each element within its window, row by row, shape 1 x H x W."""
        _, row, col = self._grid()
        k = self.case.pool
        return row % k * k + col % k

    def trim(self) -> NDArray[np.bool_]:
        """Mark the rows and columns that fill no window, shape 1 x H x W."""
        _, row, col = self._grid()
        k = self.case.pool
        return (row >= self.case.height // k * k) | (col >= self.case.width // k * k)

    def full(self, value: float) -> NDArray[np.float64]:
        """Fill the image with one value."""
        return np.full(self.case.shape, value)

    def _grid(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        channel, row, col = np.ogrid[tuple(slice(n) for n in self.case.shape)]
        return channel.astype(np.int64), row.astype(np.int64), col.astype(np.int64)


def everywhere(shape: Shape, dtype: DType) -> bool:
    """Apply to every case."""
    del shape, dtype
    return True


@dataclass(frozen=True, slots=True)
class Family:
    """A way to fill an image.

    Attributes:
        name: name in case texts.
        kind: which question the family asks: "structure" (which elements, exact answers), "numerics" (how well it
            rounds), "special" (NaN, infinities, zeros, subnormals, range), "foreign" (do others agree) or "statistics"
            (do errors add up).
        fill: gives the C x H x W values in fp64; they are rounded to the dtype once.
        random: whether the seed moves it.
        applies: whether there is such data for a geometry and a dtype.
        needs: what `applies` asks for, as the end of a sentence.
    """

    name: str
    kind: Kind
    fill: Callable[[Canvas], NDArray[np.float64]]
    random: bool = False
    applies: Callable[[Shape, DType], bool] = everywhere
    needs: str = ""
