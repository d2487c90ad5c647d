"""No honest kernel is rejected: any order, any tree, any way to scale, in every dtype and accuracy class."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import settings

from pytest_nki_pool.spec.acceptance import expect, judge
from pytest_nki_pool.spec.bounds import ACCURACIES, refusal
from pytest_nki_pool.spec.dtypes import DTYPES, DType

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]
#: Windows per pool size, dtype and distribution; each goes through every order and way to scale.
WINDOWS = 500
#: Random windows per dtype and accuracy class, each through one way: with Hypothesis's profiles `ci` and `full`.
RANDOM_WINDOWS = (10_000, 1_000_000)
POOLS = (1, 2, 3, 4, 5, 7, 8, 11, 16, 32)

ENGINE = DTYPES["fp32"]


def sequential(w: Array) -> Array:
    total = w[:, 0].copy()
    for i in range(1, w.shape[1]):
        total = total + w[:, i]
    return total


def backwards(w: Array) -> Array:
    return sequential(w[:, ::-1])


def shuffled(w: Array) -> Array:
    return sequential(w[:, np.random.default_rng(w.shape[1]).permutation(w.shape[1])])


def pairwise(w: Array) -> Array:
    while w.shape[1] > 1:
        half = w.shape[1] // 2
        w = np.concatenate([w[:, :half] + w[:, half : 2 * half], w[:, 2 * half :]], axis=1)
    return w[:, 0]


def rows_first(w: Array) -> Array:
    k = round(w.shape[1] ** 0.5)
    return sequential(np.stack([sequential(w[:, k * i : k * i + k]) for i in range(k)], axis=1))


def four_lanes(w: Array) -> Array:
    return sequential(np.stack([sequential(w[:, i::4]) for i in range(min(4, w.shape[1]))], axis=1))


def random_tree(w: Array) -> Array:
    """Add two partial sums at a time, chosen at random."""
    rng = np.random.default_rng(w.shape)
    parts = list(w.T)
    while len(parts) > 1:
        first = parts.pop(rng.integers(len(parts)))
        second = parts.pop(rng.integers(len(parts)))
        parts.append(first + second)
    return parts[0]


ORDERS: tuple[Callable[[Array], Array], ...] = (
    sequential,
    backwards,
    shuffled,
    pairwise,
    rows_first,
    four_lanes,
    random_tree,
)


def divide(w: Array, add: Callable[[Array], Array]) -> Array:
    return add(w) / w.dtype.type(w.shape[1])


def multiply(w: Array, add: Callable[[Array], Array]) -> Array:
    return add(w) * w.dtype.type(1 / w.shape[1])


def prescale(w: Array, add: Callable[[Array], Array]) -> Array:
    return add(w * w.dtype.type(1 / w.shape[1]))


def predivide(w: Array, add: Callable[[Array], Array]) -> Array:
    return add(w / w.dtype.type(w.shape[1]))


def fused(w: Array, add: Callable[[Array], Array]) -> Array:
    """Multiply-add with one rounding per step, in the order of `sequential`."""
    del add
    scale = w.dtype.type(1 / w.shape[1])
    total = np.zeros(len(w), w.dtype)
    for i in range(w.shape[1]):
        total = (w[:, i].astype(np.float64) * float(scale) + total.astype(np.float64)).astype(w.dtype)
    return total


SCALINGS: tuple[Callable[[Array, Callable[[Array], Array]], Array], ...] = (
    divide,
    multiply,
    prescale,
    predivide,
    fused,
)


def distributions(dtype: DType, count: int, n: int) -> dict[str, Array]:
    rng = np.random.default_rng(n)
    normal = rng.standard_normal((count, n))
    reach = min(30, -dtype.min_exponent // 2) if dtype.floating else 3
    sign = np.where(np.arange(n) % 2, -1.0, 1.0)
    data = {
        "uniform": rng.random((count, n)) * (100 if not dtype.floating else 1),
        "normal": normal * (20 if not dtype.floating else 1),
        "wide": normal * 2.0 ** rng.integers(-reach, reach, (count, n)),
        "cancel": sign * 2.0 ** min(10, dtype.fraction_bits - 1) + normal,
        "integers": rng.integers(-8, 9, (count, n)).astype(float),
        "smallest": normal * dtype.smallest_normal * 2.0 ** rng.integers(-4, 6, (count, n)),
        "largest": rng.uniform(-1, 1, (count, n)) * dtype.max_finite,
    }
    return {name: dtype.quantise(values) for name, values in data.items()}


def image(w: Array, k: int) -> Array:
    """Lay windows side by side: 1 x k x (count k)."""
    return np.ascontiguousarray(w.reshape(-1, k, k).swapaxes(0, 1).reshape(1, k, -1))


def flush(values: Array, dtype: DType) -> Array:
    return np.where(np.abs(values.astype(np.float64)) < dtype.smallest_normal, values.dtype.type(0), values)


def in_fp32(w: Array, dtype: DType, scaling: Any, order: Any) -> Array:
    return dtype.quantise(scaling(w.astype(np.float32), order).astype(np.float64))


def sum_cast(w: Array, dtype: DType, scaling: Any, order: Any) -> Array:
    stored = dtype.quantise(order(w.astype(np.float32)).astype(np.float64)).astype(np.float32)[:, None]
    n = np.float32(w.shape[1])
    mean = stored / n if scaling is divide else stored * np.float32(1 / n)
    return dtype.quantise(mean[:, 0].astype(np.float64))


def in_dtype(w: Array, dtype: DType, scaling: Any, order: Any) -> Array:
    return np.asarray(scaling(w, order), dtype.numpy)


def flushing(w: Array, dtype: DType, scaling: Any, order: Any) -> Array:
    """A machine without subnormals: inputs, products, the sum and the result become zero."""
    wide = flush(flush(w, dtype).astype(np.float32), ENGINE)
    if scaling in (prescale, predivide):
        wide = flush(wide / np.float32(w.shape[1]), ENGINE)
        return flush(dtype.quantise(flush(order(wide), ENGINE).astype(np.float64)), dtype)
    mean = flush(flush(order(wide), ENGINE) / np.float32(w.shape[1]), ENGINE)
    return flush(dtype.quantise(mean.astype(np.float64)), dtype)


HONEST = {
    "fp32": (in_fp32, flushing),
    "fp32_sum_cast": (in_fp32, sum_cast),
    "native": (in_fp32, in_dtype),
}


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 11, 16])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda d: d.name)
def test_no_honest_result_is_rejected(dtype: DType, k: int) -> None:
    n = k * k
    count = WINDOWS if n <= 16 else WINDOWS // 4
    for name, w in distributions(dtype, count, n).items():
        for accuracy in ACCURACIES:
            if refusal(accuracy, dtype, n):
                continue
            expected = expect(image(w, k), k, accuracy)
            for honest in HONEST[accuracy]:
                if not dtype.floating and honest is flushing:
                    continue
                for scaling in SCALINGS:
                    for order in ORDERS[: 1 if scaling is fused else None]:
                        with np.errstate(all="ignore"):
                            got = honest(w, dtype, scaling, order).reshape(1, 1, -1)
                        judgement = judge(got, expected)
                        assert judgement.ok, (name, honest, scaling, order, judgement.reason)
                        assert judgement.share_of_bound <= 1


def ways(dtype: DType, accuracy: str) -> list[tuple[Any, Any, Any]]:
    """Every honest way of an accuracy class: where it rounds, how it scales, in which order it adds."""
    return [
        (honest, scaling, order)
        for honest, scaling, order in product(HONEST[accuracy], SCALINGS, ORDERS)
        if (dtype.floating or honest is not flushing) and (scaling is not fused or order is sequential)
    ]


@pytest.mark.parametrize("accuracy", ACCURACIES)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda d: d.name)
def test_no_random_window_is_rejected(dtype: DType, accuracy: str) -> None:
    pools = [k for k in POOLS if not refusal(accuracy, dtype, k * k)]
    assert pools or (dtype.name, accuracy) == ("int8", "native")  # which is not defined
    all_windows = RANDOM_WINDOWS[settings().max_examples >= 20_000]
    names = list(distributions(dtype, 1, 1))
    count = -(-all_windows // max(1, len(pools) * len(names)))
    for k in pools:
        for name, w in distributions(dtype, count, k * k).items():
            chosen = ways(dtype, accuracy)
            with np.errstate(all="ignore"):
                parts = [
                    way[0](part, dtype, *way[1:])
                    for way, part in zip(chosen, np.array_split(w, len(chosen)), strict=True)
                ]
            judgement = judge(np.concatenate(parts).reshape(1, 1, -1), expect(image(w, k), k, accuracy))
            assert judgement.ok, (name, k, judgement.reason)


def test_the_bound_is_not_much_wider_than_honest_errors() -> None:
    w = DTYPES["fp32"].quantise(np.random.default_rng(0).random((4000, 4)))
    expected = expect(image(w, 2), 2, "fp32")
    got = prescale(w, sequential).reshape(1, 1, -1)
    assert 0.2 < judge(got, expected).share_of_bound <= 1


def test_bf16_leaves_one_value_for_most_windows() -> None:
    w = np.random.default_rng(0).standard_normal((4000, 9)).astype(ml_dtypes.bfloat16)
    (bound,) = expect(image(w, 3), 3, "fp32").bounds
    assert (bound.low == bound.high).mean() > 0.9
