"""Random kernels, most of them malformed: each raises an error of the emulator or gives the right answer.

Nothing else may come out: no bare `IndexError` or `ValueError` of NumPy, and no wrong number.
"""

from __future__ import annotations

import functools
import operator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.core.dtypes import round_into
from pytest_nki_pool.emulator.current import isa as current_isa
from pytest_nki_pool.emulator.current import jit as current_jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import jit as legacy_jit
from pytest_nki_pool.emulator.legacy import language as legacy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    Rng = random.Random
    #: Runs an example: what the emulator gave and what is right, or None when there is nothing to compare.
    Example = Callable[[], tuple[Any, Any] | None]

DTYPES = (np.float32, np.float16, ml_dtypes.bfloat16, np.int32, np.uint8, np.int8)


def integer(rng: Rng) -> int:
    return rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 12, -1, -2, 31, 33, 64, 127, 128, 129, 65536, 1 << 40))


def small(rng: Rng) -> int:
    return rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 8, 9))


def array(rng: Rng, rank: int, dtype: Any = np.float32, *, larger: int = 0) -> np.ndarray:
    shape = tuple(small(rng) + larger for _ in range(rank))
    return np.random.default_rng(rng.randrange(1 << 30)).integers(0, 50, shape).astype(dtype)


def slice_of(rng: Rng, size: int) -> slice:
    ends = [None, 0, 1, 2, size - 1, size, size + 1, -1, -2]
    return slice(rng.choice(ends), rng.choice(ends), rng.choice((None, None, 1, 2, 3, 0, -1)))


def inside(rng: Rng, size: int) -> slice:
    start = rng.randrange(size)
    return slice(start, rng.randrange(start + 1, size + 1), rng.choice((None, 1, 2)))


def selection(rng: Rng, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A subscript: one half inside the bounds, the other half of anything that may stand in a subscript."""
    if rng.random() < 0.5:
        return tuple(rng.choice((slice(None), inside(rng, size))) for size in shape)
    key: list[Any] = [
        rng.choice((slice(None), slice_of(rng, size), inside(rng, size), rng.randrange(-2, size + 2)))
        for size in shape[: rng.choice((len(shape), len(shape), 1))]
    ]
    if rng.random() < 0.3:
        key[rng.randrange(len(key))] = rng.choice((..., None, 1.5, "1", True, [0], np.int64(0)))
    if rng.random() < 0.1:
        key.append(rng.choice((0, slice(None), ...)))
    return tuple(key)


# Families


def legacy_slices(rng: Rng) -> Example:
    """Load a piece of a tensor and store it: the numbers are those of NumPy's subscript."""
    x = array(rng, rng.choice((2, 3, 3, 4)), rng.choice(DTYPES))
    key = selection(rng, x.shape)

    @legacy_jit
    def kernel(x):
        tile = legacy.load(x[key])
        out = legacy.ndarray(tile.shape, tile.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, tile)
        return out

    return lambda: (launch(kernel, x), x[key])


def legacy_tile_slices(rng: Rng) -> Example:
    """Write one piece of a tile into another, then store all of it."""
    x = array(rng, rng.choice((2, 3)))
    source = selection(rng, x.shape)
    target = source if rng.random() < 0.5 else selection(rng, x.shape)

    @legacy_jit
    def kernel(x):
        tile, other = legacy.load(x), legacy.load(x)
        tile[target] = other[source]
        out = legacy.ndarray(x.shape, x.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, tile)
        return out

    def example() -> tuple[Any, Any]:
        got = launch(kernel, x)
        expected = x.copy()
        expected[target] = x[source]
        return got, expected

    return example


def legacy_indices(rng: Rng) -> Example:
    """Affine index expressions against fancy indexing."""
    x = array(rng, rng.choice((2, 3)), rng.choice(DTYPES), larger=30)
    rank = rng.choice((2, 3, 4))
    counts = [rng.choice((1, 2, 3, 5)) for _ in range(rank)]
    terms = []
    for _ in range(rng.choice((x.ndim, x.ndim, x.ndim, x.ndim, 1, 4))):
        axes = [rng.choice((0, 0, 1, 1, 3, rng.choice((1, 2, -1)))) for _ in range(rank)]
        terms.append((rng.choice((0, 0, 5, 1, rng.choice((1, 3, -1, 30)))), axes))

    def expressions(aranges: list[Any]) -> tuple[Any, ...]:
        key = []
        for offset, axes in terms:
            parts = [index * factor for index, factor in zip(aranges, axes, strict=True) if factor]
            key.append(functools.reduce(lambda a, b: a + b, parts) + offset if parts else offset)
        return tuple(key)

    def lifted(arange: Callable[[int], Any]) -> list[Any]:
        shapes = [tuple(slice(None) if d == axis else None for d in range(rank)) for axis in range(rank)]
        return [arange(count)[shape] for count, shape in zip(counts, shapes, strict=True)]

    @legacy_jit
    def kernel(x):
        tile = legacy.load(x[expressions(lifted(legacy.arange))])
        out = legacy.ndarray(tile.shape, tile.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, tile)
        return out

    return lambda: (launch(kernel, x), x[expressions(lifted(np.arange))])


def current_slices(rng: Rng) -> Example:
    """Move a piece of an HBM tensor through the chip."""
    x = array(rng, rng.choice((2, 3, 4)), rng.choice(DTYPES))
    key = selection(rng, x.shape)

    @current_jit
    def kernel(x):
        piece = x[key]
        tile = current.ndarray((1, piece.size), x.dtype)
        current_isa.dma_copy(tile, piece)
        out = current.ndarray(piece.shape, x.dtype, buffer=current.shared_hbm)
        current_isa.dma_copy(out, tile)
        return out

    return lambda: (launch(kernel, x), np.atleast_1d(x[key]))


def current_patterns(rng: Rng) -> Example:
    """Access patterns against a gather of their addresses."""
    x = array(rng, rng.choice((2, 3)))
    on_chip = rng.random() < 0.5
    row = x.size // x.shape[0]
    pairs = [
        [rng.choice((1, 1, 2, 3, row, 0, -1)), rng.choice((small(rng), integer(rng)))]
        for _ in range(rng.choice((1, 2, 2)))
    ]
    if rng.random() < 0.8:
        pairs.insert(0, [row, rng.choice((1, x.shape[0], x.shape[0], 2))])
    offset = rng.choice((0, 0, 0, 1, row, -1))

    @current_jit
    def kernel(x):
        source = x
        if on_chip:
            source = current.ndarray(x.shape, x.dtype)
            current_isa.dma_copy(source, x)
        view = source.ap(pairs, offset=offset)
        out = current.ndarray(view.shape, x.dtype, buffer=current.shared_hbm)
        current_isa.dma_copy(out, view)
        return out

    def gathered() -> np.ndarray:
        at = np.full([1] * len(pairs), offset)
        for axis, (stride, count) in enumerate(pairs):
            at = at + stride * np.arange(count).reshape([-1 if d == axis else 1 for d in range(len(pairs))])
        assert at.min() >= 0, "an address before the tensor was accepted"
        return x.reshape(-1)[at]

    return lambda: (launch(kernel, x), gathered())


REDUCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({"sum": np.sum, "max": np.max, "min": np.min})


def reductions(rng: Rng, *, dialect: str) -> Example:
    """Reductions of small integers, which are exact in every order."""
    x = array(rng, rng.choice((2, 3, 4)))
    name = rng.choice(sorted(REDUCTIONS))
    axis: Any = rng.choice(
        (1, -1, [1], [2], [1, 2], [2, 3], [-2, -1], [3, 1], [1, 1], 0, [0, 1], [], 7, None, 1.0, "1")
    )
    language = legacy if dialect == "legacy" else current
    keep = rng.random() < 0.3

    @(legacy_jit if dialect == "legacy" else current_jit)
    def kernel(x):
        result = getattr(language, name)(language.load(x), axis, keepdims=keep)
        out = language.ndarray(result.shape, result.dtype, buffer=language.shared_hbm)
        language.store(out, result)
        return out

    def example() -> tuple[Any, Any]:
        got = launch(kernel, x)
        axes = tuple(axis) if isinstance(axis, list) else axis
        expected = REDUCTIONS[name](x, axis=axes, keepdims=keep)
        return got, expected.reshape(got.shape) if expected.ndim < 2 else expected

    return example


ARITHMETIC: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}
)


def arithmetic(rng: Rng, *, dialect: str) -> Example:
    """Elementwise functions of two tensors, or of a tensor and something else."""
    x = array(rng, rng.choice((2, 3)))
    shape = list(x.shape)
    if rng.random() < 0.5:
        shape[rng.randrange(len(shape))] = small(rng)
    y = np.full(shape, 3, np.float32)
    other: Any = rng.choice((2, -1.5, "tile", "tile", "tile", None, "text", [1.0], (), y))
    name = rng.choice(sorted(ARITHMETIC))
    language = legacy if dialect == "legacy" else current

    @(legacy_jit if dialect == "legacy" else current_jit)
    def kernel(x, y):
        operand = language.load(y) if isinstance(other, str) and other == "tile" else other
        result = getattr(language, name)(language.load(x), operand)
        out = language.ndarray(result.shape, result.dtype, buffer=language.shared_hbm)
        language.store(out, result)
        return out

    def example() -> tuple[Any, Any]:
        got = launch(kernel, x, y)
        return got, ARITHMETIC[name](x, y if isinstance(other, str) else other, dtype=np.float32)

    return example


ODD_SHAPES = (
    [2, 3], (2, 2.5), (2, "3"), (True, 2), 7, None, "22", (2, None), np.array([2, 3]), (np.int64(2), np.int32(3)),
)  # fmt: skip


def shapes(rng: Rng, *, dialect: str) -> Example:
    """Tensors of any shape, dtype and buffer."""
    language = legacy if dialect == "legacy" else current
    shape: Any = (small(rng), small(rng))
    dtype: Any = rng.choice(DTYPES)
    buffer: Any = rng.choice((language.sbuf, language.psum))
    value: Any = rng.choice((0, 1, 2, 7))
    if rng.random() < 0.5:
        shape = rng.choice(
            (shape, tuple(integer(rng) for _ in range(rng.choice((0, 1, 2, 3)))), rng.choice(ODD_SHAPES))
        )
        dtype = rng.choice((dtype, "float32", "bfloat16", np.float64, "float8_e5m2", "nonsense", 5, int, object))
        buffer = rng.choice((buffer, language.shared_hbm, "sbuf", None, 3))
        value = rng.choice((value, -1, 2.5, float("nan"), float("inf"), 1e300, "1", None, [1]))

    @(legacy_jit if dialect == "legacy" else current_jit)
    def kernel(x):
        tile = language.full(shape, value, dtype, buffer=buffer)
        out = language.ndarray(tile.shape, tile.dtype, buffer=language.shared_hbm)
        language.store(out, tile)
        return out

    def example() -> tuple[Any, Any]:
        got = launch(kernel, np.ones((2, 2), np.float32))
        expected = np.empty(got.shape, got.dtype)
        round_into(expected, np.full(got.shape, value).astype(np.float32))
        assert got.shape == tuple(shape)
        return got, expected

    return example


def condition(rng: Rng, shape: tuple[int, ...], indices: tuple[Any, ...], grids: tuple[Any, ...]) -> tuple[Any, Any]:
    """A conjunction of affine comparisons of the free axes, as a mask and as a boolean array."""
    mask: Any = True
    selected = np.ones(shape, np.bool_)
    for _ in range(rng.choice((1, 1, 2, 3))):
        factors = [0, *(rng.choice((0, 1, 1, -1, 2)) for _ in shape[1:])]
        if not any(factors):
            factors[-1] = 1
        limit = rng.randrange(-4, 12)
        compare = rng.choice((operator.lt, operator.le, operator.gt, operator.ge))
        terms = [f * i for f, i in zip(factors, indices, strict=True) if f]
        mask = compare(functools.reduce(operator.add, terms), limit) & mask
        selected &= compare(sum(f * g for f, g in zip(factors, grids, strict=True)), limit)
    return mask, selected


def axes_of(shape: tuple[int, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """An index object and a NumPy grid per axis."""
    lifted = [tuple(slice(None) if d == axis else None for d in range(len(shape))) for axis in range(len(shape))]
    return tuple(legacy.arange(n)[key] for n, key in zip(shape, lifted, strict=True)), tuple(np.indices(shape))


def legacy_masks(rng: Rng) -> Example:
    """A store under a mask, of indices that may leave the tensor where the mask does not select."""
    x = array(rng, 3)
    indices, grids = axes_of(x.shape)
    mask, selected = condition(rng, x.shape, indices, grids)
    shift = rng.choice((0, 0, 0, 1, -1, 2))

    @legacy_jit
    def kernel(x):
        p, h, w = indices
        out = legacy.ndarray(x.shape, x.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, 0)
        legacy.store(out[p, h, w], legacy.load(x[p, h + shift, w], mask=mask) * 2, mask=mask)
        return out

    def example() -> tuple[Any, Any]:
        got = launch(kernel, x)
        p, h, w = (grid[selected] for grid in grids)
        assert ((h + shift >= 0) & (h + shift < x.shape[1])).all(), "an index outside the tensor was accepted"
        expected = np.zeros_like(x)
        expected[p, h, w] = 2 * x[p, h + shift, w]
        return got, expected

    return example


def legacy_masked_loops(rng: Rng) -> Example:
    """Iterations of affine_range that update a tile under masks: refused if and only if two touch one element."""
    x = array(rng, 3, larger=2)
    indices, grids = axes_of(x.shape)
    a, b = rng.choice(((1, 1), (1, -1), (2, 1), (1, 0), (0, 1), (1, 2)))
    step, width, first = rng.choice((1, 2, 3)), rng.choice((1, 2, 3)), rng.randrange(-3, 3)
    shift = rng.choice((0, 0, 1))
    value = a * grids[1] + b * grids[2] - first
    chosen = [(value >= step * i) & (value < step * i + width) & (grids[1] + shift < x.shape[1]) for i in range(3)]
    carried = (np.sum(chosen, axis=0) > 1).any()

    @legacy_jit
    def kernel(x):
        p, h, w = indices
        tile = legacy.load(x)
        line = a * h + b * w - first
        for i in legacy.affine_range(3):
            band = (line >= step * i) & (line < step * i + width) & (h + shift < x.shape[1])
            tile[p, h + shift, w] = legacy.add(tile[p, h + shift, w], 1, mask=band)
        out = legacy.ndarray(x.shape, x.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, tile)
        return out

    def example() -> tuple[Any, Any]:
        try:
            got = launch(kernel, x)
        except NKIError as error:
            if not carried:
                raise AssertionError("independent iterations were refused") from error
            raise
        assert not carried, "iterations that meet were accepted"
        expected = x.copy()
        expected[:, shift:] += sum(chosen)[:, : x.shape[1] - shift]
        return got, expected

    return example


FAMILIES: Mapping[str, Callable[[Rng], Example]] = MappingProxyType(
    {
        "legacy slices": legacy_slices,
        "legacy slices of tiles": legacy_tile_slices,
        "legacy index expressions": legacy_indices,
        "legacy masks": legacy_masks,
        "legacy masks in loops": legacy_masked_loops,
        "current slices": current_slices,
        "current access patterns": current_patterns,
        **{
            f"{dialect} {family.__name__}": functools.partial(family, dialect=dialect)
            for dialect in ("legacy", "current")
            for family in (reductions, arithmetic, shapes)
        },
    }
)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_random_kernels_are_refused_or_right(family: Callable[[Rng], Example], examples: Callable[..., None]) -> None:
    examples(family, len(FAMILIES))
