"""Masks against NumPy's boolean indexing, and what they do to the elements that are masked off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nki_pool.emulator import NKIError, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

if TYPE_CHECKING:
    from collections.abc import Callable

X = np.arange(1, 289, dtype=np.float32).reshape(8, 6, 6)

P = nl.arange(8)[:, None, None]
H = nl.arange(6)[None, :, None]
W = nl.arange(6)[None, None, :]


def output(shape: Any = (8, 6, 6), dtype: Any = nl.float32) -> Any:
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm)


def stored(tile: Any) -> Any:
    out = output(tile.shape, tile.dtype)
    nl.store(out, tile)
    return out


def combined(conditions: list[Any]) -> Any:
    mask = conditions[0]
    for condition in conditions[1:]:
        mask = mask & condition
    return mask


COMPARISONS: dict[str, Callable[[Any, int], Any]] = {
    "<": lambda e, n: e < n,
    "<=": lambda e, n: e <= n,
    ">": lambda e, n: e > n,
    ">=": lambda e, n: e >= n,
}


@st.composite
def masks(draw: st.DrawFn) -> list[tuple[tuple[int, int, int], str, int]]:
    """Coefficients of the three axes, comparison and bound; none cuts the first partitions off."""
    coefficient = st.integers(-3, 3)
    coefficients = st.tuples(st.integers(0, 3), coefficient, coefficient)
    comparison = st.tuples(coefficients, st.sampled_from(sorted(COMPARISONS)), st.integers(-8, 12))
    return [
        ((a if "<" in sign else -a, b, c), sign, bound)
        for (a, b, c), sign, bound in draw(st.lists(comparison, min_size=1, max_size=4))
    ]


def index_mask(terms: Any, p: Any, h: Any, w: Any) -> Any:
    return combined([COMPARISONS[sign](a * p + b * h + c * w, bound) for (a, b, c), sign, bound in terms])


def numpy_mask(terms: Any) -> np.ndarray:
    return np.broadcast_to(index_mask(terms, *np.ogrid[0:8, 0:6, 0:6]), X.shape)


def masked_load(x: Any, terms: Any) -> Any:
    tile = nl.full(X.shape, -1, nl.float32)
    tile[...] = nl.load(x, mask=index_mask(terms, P, H, W))
    return stored(tile)


def masked_store(x: Any, terms: Any) -> Any:
    out = output()
    nl.store(out, -1)
    nl.store(out, nl.load(x), mask=index_mask(terms, P, H, W))
    return out


def masked_sum(x: Any, terms: Any) -> Any:
    tile = nl.full((8, 6), -1, nl.float32)
    tile[...] = nl.sum(nl.load(x), axis=2, mask=index_mask(terms, P, H, W))
    return stored(tile)


def masked_product(x: Any, terms: Any) -> Any:
    tile = nl.full(X.shape, -1, nl.float32)
    tile[...] = nl.multiply(nl.load(x), 2, mask=index_mask(terms, P, H, W))
    return stored(tile)


def expected_sum(where: np.ndarray) -> np.ndarray:
    return np.where(where.any(axis=2), np.sum(X, axis=2, where=where), -1)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (masked_load, lambda where: np.where(where, X, -1)),
        (masked_store, lambda where: np.where(where, X, -1)),
        (masked_sum, expected_sum),
        (masked_product, lambda where: np.where(where, 2 * X, -1)),
    ],
    ids=["load", "store", "sum", "product"],
)
@given(terms=masks())
@settings(max_examples=200, deadline=None)
def test_masked_instruction_is_numpys_boolean_indexing(kernel: Any, expected: Any, terms: Any) -> None:
    where = numpy_mask(terms)
    assert np.array_equal(launch(kernel, X, terms), expected(where))


def shifted_load(x: Any, terms: Any, shift: Any) -> Any:
    tile = nl.full(X.shape, -1, nl.float32)
    p, h, w = (index + by for index, by in zip((P, H, W), shift, strict=True))
    inside = [p >= 0, p < 8, h >= 0, h < 6, w >= 0, w < 6]
    nisa.dma_copy(dst=tile, src=x[p, h, w], mask=combined([*inside, index_mask(terms, P, H, W)]))
    return stored(tile)


def shifted_store(x: Any, terms: Any, shift: Any) -> Any:
    out = output()
    nl.store(out, -1)
    p, h, w = (index + by for index, by in zip((P, H, W), shift, strict=True))
    inside = [p >= 0, p < 8, h >= 0, h < 6, w >= 0, w < 6]
    nl.store(out[p, h, w], nl.load(x), mask=combined([*inside, index_mask(terms, P, H, W)]))
    return out


shifts = st.tuples(*[st.integers(-3, 3)] * 3)


@given(terms=masks(), shift=shifts)
@settings(max_examples=200, deadline=None)
def test_masked_load_may_reach_outside(terms: Any, shift: Any) -> None:
    at = np.stack(np.meshgrid(range(8), range(6), range(6), indexing="ij")) + np.reshape(shift, (3, 1, 1, 1))
    inside = np.all((at >= 0) & (at < np.reshape(X.shape, (3, 1, 1, 1))), axis=0)
    clipped = X[tuple(np.clip(a, 0, n - 1) for a, n in zip(at, X.shape, strict=True))]
    result = launch(shifted_load, X, terms, shift)
    assert np.array_equal(result, np.where(inside & numpy_mask(terms), clipped, -1))


@given(terms=masks(), shift=shifts)
@settings(max_examples=200, deadline=None)
def test_masked_store_may_reach_outside(terms: Any, shift: Any) -> None:
    expected = np.full_like(X, -1)
    for at in np.argwhere(numpy_mask(terms)):
        to = at + shift
        if np.all((to >= 0) & (to < X.shape)):
            expected[tuple(to)] = X[tuple(at)]
    assert np.array_equal(launch(shifted_store, X, terms, shift), expected)


def name_of_masked_load(x: Any) -> Any:
    tile = nl.zeros(X.shape, nl.float32)
    loaded = nl.load(x, mask=H < 3)
    tile[...] = loaded
    return stored(tile)


def masked_load_in_place(x: Any) -> Any:
    tile = nl.zeros(X.shape, nl.float32)
    tile[...] = nl.load(x, mask=H < 3)
    return stored(tile)


def undefined_rows_masked_off(x: Any) -> Any:
    out = output()
    nl.store(out, 0)
    nl.store(out, nl.load(x, mask=H < 3) * 2, mask=H < 3)
    return out


def undefined_rows_stored(x: Any) -> Any:
    out = output()
    nl.store(out, 0)
    nl.store(out, nl.load(x, mask=H + W < 3) * 2, mask=H + W < 4)
    return out


def undefined_corner_stored(x: Any) -> Any:
    out = output()
    nl.store(out, nl.load(x))
    nl.store(out[:, 0:3, 0:3], nl.load(x, mask=H + W < 3)[:, 0:3, 0:3])
    return out


def test_a_masked_load_in_place_keeps_what_it_does_not_load() -> None:
    assert launch(masked_load_in_place, X)[:, 3:].max() == 0


def test_a_named_tile_is_copied_with_its_undefined_elements() -> None:
    with pytest.raises(NKIError, match="144 of 288 elements, first at"):
        launch(name_of_masked_load, X)


def test_undefined_elements_may_be_masked_off() -> None:
    assert np.array_equal(launch(undefined_rows_masked_off, X)[:, :3], 2 * X[:, :3])


def test_undefined_elements_that_a_mask_selects_are_refused() -> None:
    with pytest.raises(NKIError, match="that the mask selects are undefined"):
        launch(undefined_rows_stored, X)


def test_elements_between_the_selected_ones_are_undefined() -> None:
    with pytest.raises(NKIError, match=r"24 of 72 elements, first at \[0, 1, 2\]"):
        launch(undefined_corner_stored, X)


def sum_of_a_part(x: Any, columns: int) -> Any:
    tile = nl.ndarray(X.shape, nl.float32)
    tile[:, :, 0:columns] = nl.load(x)[:, :, 0:columns]
    return stored(nl.sum(tile, axis=2, mask=H * 0 + W + 3 * H < 19))


def test_a_sum_is_defined_where_all_it_selects_is() -> None:
    """The mask takes all six columns of the first rows and four of the last one."""
    h, w = np.ogrid[0:6, 0:6]
    expected = np.sum(X, axis=2, where=np.broadcast_to(3 * h + w < 19, X.shape))
    assert np.array_equal(launch(sum_of_a_part, X, 6), expected)
    with pytest.raises(NKIError, match="40 of 48 elements, first at"):
        launch(sum_of_a_part, X, 5)


def fully_masked_rows(x: Any) -> Any:
    return stored(nl.max(nl.load(x), axis=2, mask=H < 3))


def test_a_reduction_of_nothing_is_undefined() -> None:
    with pytest.raises(NKIError, match="24 of 48 elements, first at"):
        launch(fully_masked_rows, X)


def minus_zero(x: Any) -> Any:
    return stored(nl.sum(nl.load(x), axis=2, mask=H * 0 + W <= H))


def test_masked_sum_keeps_minus_zero() -> None:
    result = launch(minus_zero, np.full(X.shape, -0.0, np.float32))
    assert np.signbit(result).all()


def masked_nan(x: Any) -> Any:
    return stored(nl.sum(nl.load(x), axis=2, mask=W <= H))


def test_masked_off_nan_does_not_reach_the_sum() -> None:
    x = X.copy()
    x[:, 2, 3:] = np.nan
    x[0, 4, 0] = np.nan
    assert np.argwhere(np.isnan(launch(masked_nan, x))).tolist() == [[0, 4]]


def mean_of_whole_rows(x: Any) -> Any:
    tile = nl.zeros((8, 6), nl.float32)
    tile[...] = nl.mean(nl.load(x), axis=2, mask=H < 3)
    return stored(tile)


def mean_of_parts(x: Any) -> Any:
    return stored(nl.mean(nl.load(x), axis=2, mask=W < 3))


def test_a_masked_mean_is_of_whole_rows() -> None:
    assert np.array_equal(launch(mean_of_whole_rows, X)[:, :3], X[:, :3].mean(axis=2))
    with pytest.raises(UnsupportedByEmulator, match=r"nl\.mean of a part"):
        launch(mean_of_parts, X)


def masked_dma(x: Any) -> Any:
    tile = nl.zeros((8, 6, 6), nl.float32)
    for i in nl.affine_range(2):
        nisa.dma_copy(
            src=x[4 * i : 4 * i + 4, 3:9, :],
            dst=tile[4 * i : 4 * i + 4, 0:6, :],
            mask=(nl.arange(4)[:, None, None] + 4 * i < 7) & (nl.arange(6)[None, :, None] + 3 < 6),
        )
    return stored(tile)


def test_a_mask_makes_slices_past_the_end_legal() -> None:
    expected = np.zeros_like(X)
    expected[:7, :3] = X[:7, 3:]
    assert np.array_equal(launch(masked_dma, X), expected)


@pytest.mark.parametrize("known", [True, np.True_], ids=repr)
def test_a_comparison_of_integers_joins_a_mask(known: Any) -> None:
    def kernel(x: Any, joined: Any) -> Any:
        tile = nl.zeros(X.shape, nl.float32)
        tile[...] = nl.load(x, mask=joined(H < 3))
        return stored(tile)

    some = launch(masked_load_in_place, X)
    assert np.array_equal(launch(kernel, X, lambda mask: mask & known), some)
    assert np.array_equal(launch(kernel, X, lambda mask: known & mask), some)
    assert np.array_equal(launch(kernel, X, lambda _: known), X)
    for nothing in (lambda mask: mask & False, lambda mask: np.False_ & mask, lambda _: False):
        assert launch(kernel, X, nothing).max() == 0


@pytest.mark.parametrize(
    ("shift", "mask", "seen"),
    [
        ((0, -1, 0), H + W < 9, r"dimension 1: index range \[-1, 4\] exceed dimension size of 6"),
        ((0, 1, 0), H + W > 3, r"dimension 1: index range \[1, 6\] exceed dimension size of 6"),
        ((0, 0, -2), (H + W < 9) & (W > 0), r"dimension 2: index range \[-1, 3\] exceed dimension size of 6"),
        ((0, 0, 1), W > 3, r"dimension 2: index range \[5, 6\] exceed dimension size of 6"),
        ((1, 0, 0), H < 3, r"dimension 0: index range \[1, 8\] exceed dimension size of 8"),
    ],
)
def test_selected_elements_outside_are_refused(shift: Any, mask: Any, seen: str) -> None:
    p, h, w = (index + by for index, by in zip((P, H, W), shift, strict=True))

    def load(x: Any) -> Any:
        return stored(nl.load(x[p, h, w], mask=mask))

    def store(x: Any) -> Any:
        out = output()
        nl.store(out[p, h, w], nl.load(x), mask=mask)
        return out

    for kernel in (load, store):
        with pytest.raises(NKIError, match=seen) as error:
            launch(kernel, X)
        assert error.value.rule == "err_tensor_access_out_of_bound"


def test_undefined_elements_stay_undefined_through_an_access_over_the_edge() -> None:
    """Rows H + W exist up to the fifth; the bounding box of the mask goes beyond."""

    def kernel(x: Any, rows: int) -> Any:
        tile = nl.ndarray(X.shape, nl.float32)
        tile[:, 0:rows, :] = nl.load(x)[:, 0:rows, :]
        out = output()
        nl.store(out, 0)
        nl.store(out, tile[P, H + W, W], mask=H + W < 6)
        return out

    h, w = np.ogrid[0:6, 0:6]
    expected = np.where(h + w < 6, X[:, np.minimum(h + w, 5), w + 0 * h], 0)
    assert np.array_equal(launch(kernel, X, 6), expected)
    with pytest.raises(NKIError, match="are undefined"):
        launch(kernel, X, 5)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (nl.arange(7)[None, :, None] < 3, "a mask of shape [1, 7, 1] does not broadcast to the shape [8, 6, 6]"),
        (nl.arange(6)[None, None, None, :] + 0 * nl.arange(2)[:, None, None, None] < 3, "does not broadcast"),
    ],
)
def test_a_mask_has_the_axes_of_its_access(mask: Any, says: str) -> None:
    with pytest.raises(NKIError) as error:
        launch(lambda x: stored(nl.load(x, mask=mask)), X)
    assert says in str(error.value)


def test_a_mask_does_not_stretch_a_value() -> None:
    def kernel(x: Any) -> Any:
        out = output()
        nl.store(out[:, 0:5, :], nl.load(x), mask=nl.arange(5)[None, :, None] < 3)
        return out

    with pytest.raises(NKIError) as error:
        launch(kernel, X)
    assert error.value.rule == "err_store_dst_shape_smaller_than_other_shape"


def test_masks_of_loop_variables() -> None:
    def kernel(x: Any, count: int) -> Any:
        out = output()
        nl.store(out, 0)
        for i in nl.affine_range(4):
            nl.store(out[:, :, nl.ds(i, 1)], nl.load(x[:, :, nl.ds(i, 1)]), mask=2 * i < count)
        return out

    assert np.argwhere(launch(kernel, X, 5).any(axis=(0, 1)))[:, 0].tolist() == [0, 1, 2]
