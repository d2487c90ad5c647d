"""Random kernels, most of them malformed: each raises an error of the emulator or gives the right answer.

Nothing else may come out: no bare `IndexError` or `ValueError` of NumPy, and no wrong number. An example is known by
its family and its number alone.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.core.dtypes import round_into
from pytest_nki_pool.emulator.current import isa as current_isa
from pytest_nki_pool.emulator.current import jit as current_jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import isa as legacy_isa
from pytest_nki_pool.emulator.legacy import jit as legacy_jit
from pytest_nki_pool.emulator.legacy import language as legacy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rng = random.Random
    #: Runs an example: what the emulator gave and what is right, or None when there is nothing to compare.
    Example = Callable[[], tuple[Any, Any] | None]

#: Examples per family. The families together ran 20,000 examples before this number was made small.
COUNT = 150

DTYPES = (np.float32, np.float16, ml_dtypes.bfloat16, np.int32, np.uint8, np.int8)
REFUSALS = (NKIError, UnsupportedByEmulator)


def integer(rng: Rng) -> int:
    return rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 12, -1, -2, 31, 33, 64, 127, 128, 129, 65536, 1 << 40))


def small(rng: Rng) -> int:
    return rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 8, 9))


def array(rng: Rng, rank: int, dtype: Any = np.float32, *, larger: int = 0) -> np.ndarray:
    shape = tuple(small(rng) + larger for _ in range(rank))
    return np.random.default_rng(rng.randrange(1 << 30)).integers(0, 50, shape).astype(dtype)


def same(got: Any, expected: Any) -> bool:
    return got.shape == expected.shape and got.dtype == expected.dtype and got.tobytes() == expected.tobytes()


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


PLAIN = (
    None, True, 0, 1, -1, 3, 2.5, float("nan"), 1 << 40, "x", "float32", (), [], (1, 2), [1], [[1, 2], [3]], {},
)  # fmt: skip


def junk(rng: Rng, language: Any, tensors: list[Any]) -> Any:
    """Anything that may stand where something else belongs."""
    return rng.choice((
        *PLAIN, ..., slice(0, 2), np.int64(2), np.float32(2.5), np.add, language.add, language.float32,
        language.sbuf, language.psum, language.shared_hbm, language.ds, *tensors, *tensors,
    ))  # fmt: skip


def calls(rng: Rng, *, dialect: str) -> Example:
    """Any function of `nl` and `nisa` with anything for arguments: it takes them or refuses them.

    An object of a kind that no NKI function knows may meet Python's own TypeError or AttributeError.
    """
    language, isa = (legacy, legacy_isa) if dialect == "legacy" else (current, current_isa)
    module = rng.choice((language, isa))
    function = rng.choice([f for f in (getattr(module, name) for name in module.__all__) if inspect.isfunction(f)])
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    given = [p for p in named if p.default is p.empty or rng.random() < 0.2]

    @(legacy_jit if dialect == "legacy" else current_jit)
    def kernel(x):
        tensors = [x, language.load(x), language.zeros((4, 6), language.float32, buffer=language.psum)]
        result = function(**{p.name: junk(rng, language, tensors) for p in given})
        if inspect.isgenerator(result):
            next(result, None)
        out = language.ndarray((1, 1), language.float32, buffer=language.shared_hbm)
        language.store(out, language.zeros((1, 1), language.float32))
        return out

    def example() -> None:
        with contextlib.suppress(TypeError, AttributeError):
            launch(kernel, np.ones((4, 6), np.float32))

    return example


FAMILIES: Mapping[str, Callable[[Rng], Example]] = MappingProxyType(
    {
        "legacy slices": legacy_slices,
        "legacy slices of tiles": legacy_tile_slices,
        "legacy index expressions": legacy_indices,
        "current slices": current_slices,
        "current access patterns": current_patterns,
        **{
            f"{dialect} {family.__name__}": functools.partial(family, dialect=dialect)
            for dialect in ("legacy", "current")
            for family in (reductions, arithmetic, shapes, calls)
        },
    }
)


@pytest.mark.filterwarnings("default")  # a warning of the emulator is no refusal
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_random_kernels_are_refused_or_right(family: Callable[[Rng], Example]) -> None:
    wrong: dict[int, str] = {}
    refused = accepted = 0
    for number in range(COUNT):
        example = family(random.Random(number))  # noqa: S311  (repeatable is what it has to be)
        try:
            result = example()
        except REFUSALS:
            refused += 1
        except Exception as error:  # every other exception is a finding
            wrong[number] = f"{type(error).__name__}: {error}"
        else:
            accepted += 1
            if result is not None and not same(*result):
                wrong[number] = f"got {result[0]!r}, expected {result[1]!r}"
    assert not wrong
    assert refused > COUNT // 50, "too few examples were malformed"
    assert accepted > COUNT // 50, "too few examples were well-formed"
