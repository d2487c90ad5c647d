"""One input of the pool, and the text that names it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.spec.dtypes import DTYPES

_FORM = "c<channels>h<height>w<width>k<pool>:<dtype>:<family>[:s<seed>]"
_TEXT = re.compile(r"c([1-9]\d*)h([1-9]\d*)w([1-9]\d*)k([1-9]\d*):(\w+):(\w+)(?::s(0|[1-9]\d*))?", re.ASCII)

#: Of one input: 8 GiB in fp32, of which a run holds several copies.
_MOST_ELEMENTS = 2**31
#: Of one number: more than any seed or size needs, few enough for every conversion.
_MOST_DIGITS = 18


class CaseError(ValueError):
    """A case that does not exist."""


@dataclass(frozen=True, order=True, slots=True)
class Case:
    """One input: geometry, pool size, dtype, data family and seed; always a legal pool.

    Attributes:
        channels: C of the C x H x W input.
        height: H.
        width: W.
        pool: k, the side of the square window and its stride.
        dtype: a name in `DTYPES`.
        family: a name in `FAMILIES`.
        seed: moves a random family; None for every other.

    Raises:
        CaseError: no such dtype or family, an illegal pool, or a family that has no data for this geometry or dtype.
    """

    channels: int
    height: int
    width: int
    pool: int
    dtype: str
    family: str
    seed: int | None = None

    def __post_init__(self) -> None:
        if min(self.channels, self.pool) < 1 or self.pool > min(self.height, self.width):
            raise CaseError(f"{self}: channels and pool size start at 1, and the pool size is at most min(H, W)")
        if math.prod(self.shape) > _MOST_ELEMENTS:
            raise CaseError(f"{self}: {math.prod(self.shape)} elements are more than a case may have, {_MOST_ELEMENTS}")
        if self.dtype not in DTYPES:
            raise CaseError(f"{self}: no dtype {self.dtype!r}; known: {', '.join(DTYPES)}")
        family = FAMILIES.get(self.family)
        if family is None:
            raise CaseError(f"{self}: no data family {self.family!r}; known: {', '.join(FAMILIES)}")
        if family.random != (self.seed is not None):
            rule = "is random and needs a seed, such as :s0" if family.random else "is not random and takes no seed"
            raise CaseError(f"{self}: family {self.family} {rule}")
        if not family.applies(self, DTYPES[self.dtype]):
            raise CaseError(f"{self}: family {self.family} needs {family.needs}")

    def __str__(self) -> str:
        seed = "" if self.seed is None else f":s{self.seed}"
        return f"c{self.channels}h{self.height}w{self.width}k{self.pool}:{self.dtype}:{self.family}{seed}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the input, C x H x W."""
        return self.channels, self.height, self.width

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Shape of the result, C x floor(H/k) x floor(W/k)."""
        return self.channels, self.height // self.pool, self.width // self.pool

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read a case text such as ``c128h56w56k2:bf16:normal:s17``.

        Args:
            text: what `str` gave for the case.

        Raises:
            CaseError: the text is no case; the message says the form and the allowed names.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise CaseError(
                f"{text!r} is no case; the form is {_FORM}, such as c128h56w56k2:bf16:normal:s17, "
                f"with dtype one of {', '.join(DTYPES)} and family one of {', '.join(FAMILIES)}"
            )
        *sizes, dtype, family, seed = match.groups()
        if max(map(len, (*sizes, seed or ""))) > _MOST_DIGITS:
            raise CaseError(f"{text!r}: numbers have at most {_MOST_DIGITS} digits")
        channels, height, width, pool = map(int, sizes)
        return cls(channels, height, width, pool, dtype, family, None if seed is None else int(seed))
