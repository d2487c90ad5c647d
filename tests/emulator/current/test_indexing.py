"""Subscripts: what integers, slices, `...` and `nl.ds` select on chip and in HBM, and what they refuse."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
X = np.arange(4 * 6 * 10, dtype=np.float32).reshape(4, 6, 10)

BOTH = {
    "whole": (lambda t: t[...], X),
    "colons": (lambda t: t[:, :, :], X),
    "fewer indices than dimensions": (lambda t: t[1:3], X[1:3]),
    "slices with ends": (lambda t: t[0:4, 2:5, 3:10], X[:, 2:5, 3:]),
    "free slice with step": (lambda t: t[:, 1:6:2, ::3], X[:, 1:6:2, ::3]),
    "step that ends early": (lambda t: t[:, :, 0:10:4], X[:, :, 0:10:4]),
    "free integer drops its dimension": (lambda t: t[:, 2], X[:, 2]),
    "negative integer": (lambda t: t[:, -1], X[:, 5]),
    "negative slice ends": (lambda t: t[:, -4:-1, -10:], X[:, 2:5]),
    "ellipsis in front": (lambda t: t[..., 3:5], X[:, :, 3:5]),
    "ellipsis inside": (lambda t: t[0:2, ..., 7], X[:2, :, 7]),
    "ellipsis that stands for nothing": (lambda t: t[0:2, ..., 1:2, 1:2], X[:2, 1:2, 1:2]),
    "ds": (lambda t: t[:, nl.ds(2, 3)], X[:, 2:5]),
    "ds to the end": (lambda t: t[nl.ds(1, 3), nl.ds(0, 6), nl.ds(9, 1)], X[1:, :, 9:]),
    "subscript of a subscript": (lambda t: t[:, 1:5][:, 1:3, ::2], X[:, 2:4, ::2]),
    "numpy integer": (lambda t: t[:, np.int64(3)], X[:, 3]),
}
ON_CHIP = {
    "partition integer keeps size 1": (lambda t: t[2], X[2:3]),
    "all integers leave two dimensions": (lambda t: t[3, 0, 4], X[3:, :1, 4]),
    "free integers leave two dimensions": (lambda t: t[:, 0, 9], X[:, :1, 9]),
}
IN_HBM = {
    "integer drops the first dimension": (lambda t: t[2], X[2]),
    "all integers leave one dimension": (lambda t: t[3, 0, 4], X[3, 0, 4:5]),
    "step on the first dimension": (lambda t: t[::2], X[::2]),
    "integers in front": (lambda t: t[1, 5], X[1, 5]),
}
REFUSED = {
    "integer out of bounds": (
        lambda t: t[:, 6],
        "Out-of-bound access for tensor `x` on dimension 1: index 6 exceed dimension",
    ),
    "negative integer out of bounds": (lambda t: t[:, -7], "on dimension 1: index -1 exceed dimension size of 6"),
    "slice out of bounds": (lambda t: t[:, :, 5:11], "on dimension 2: index range [5, 10] exceed dimension size of 10"),
    "slice that Python would clamp": (
        lambda t: t[0:100],
        "on dimension 0: index range [0, 99] exceed dimension size of 4",
    ),
    "ds out of bounds": (lambda t: t[:, nl.ds(4, 3)], "on dimension 1: index range [4, 6] exceed dimension size of 6"),
    "empty slice": (lambda t: t[:, 3:3], "dimension 1: the slice is empty"),
    "backward slice": (lambda t: t[:, 5:2:-1], "a slice step is at least 1, got -1"),
    "empty ds": (lambda t: t[:, nl.ds(0, 0)], "nl.ds(0, 0): every access has at least one element"),
    "ds of no integer": (lambda t: t[:, nl.ds(0, 1.5)], "size of nl.ds: a static integer, got 1.5"),
    "too many indices": (lambda t: t[0, 0, 0, 0], "has 3 dimensions, got 4 indices"),
    "two ellipses": (lambda t: t[..., ...], "an index can hold only one Ellipsis"),
    "index array": (lambda t: t[:, np.arange(3)], "an index is an integer, a slice or nl.ds, got ndarray"),
    "tensor": (lambda t: t[:, t], "an index is an integer, a slice or nl.ds, got NkiTensor"),
    "bool": (lambda t: t[:, True], "an index is an integer, a slice or nl.ds, got bool"),
    "new axis": (lambda t: t[:, None], "an index is an integer, a slice or nl.ds, got NoneType"),
}


def named(table):
    return [pytest.param(*row, id=name) for name, row in table.items()]


@pytest.mark.parametrize(("select", "expected"), named(BOTH | ON_CHIP))
def test_a_subscript_selects_on_chip(run, select, expected):
    np.testing.assert_array_equal(run(lambda x: select(nl.load(x)), X), expected, strict=True)


@pytest.mark.parametrize(("select", "expected"), named(BOTH | IN_HBM))
def test_a_subscript_selects_in_hbm(run, select, expected):
    np.testing.assert_array_equal(run(select, X), expected, strict=True)


@pytest.mark.parametrize(("select", "fragment"), named(REFUSED))
def test_a_subscript_is_refused(run, select, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: select(x) and None, X)
    assert fragment.replace("`x`", "`argument_0`") in str(error.value)


def test_a_partition_step_on_chip_is_refused_where_it_is_used(run):
    with pytest.raises(emulator.NKIError, match="partition dimension with step 1"):
        run(lambda x: nl.load(x)[0:4:2], X)


def test_a_subscript_is_a_view(run):
    def body(x):
        tile = nl.load(x)
        view = tile[1:3, 2:5, ::3]
        assert (view.shape, view.strides, view.offset) == ((2, 3, 4), (60, 10, 3), 80)
        assert (view.ndim, view.size, view.dtype, view.buffer, view.name) == (3, 24, "float32", nl.sbuf, tile.name)

    run(body, X)


def test_assignment_to_a_subscript_copies(run):
    def body(x):
        tile, other = nl.load(x), nl.zeros(x.shape, nl.bfloat16)
        other[...] = tile
        other[:, 0] = tile[:, 2]
        tile[...] = x
        tile[0:2, 1:3] = other[0:2, 0:2]
        x[0:1] = tile[1:2]
        return tile

    rounded = X.astype(ml_dtypes.bfloat16).astype(np.float32)
    expected = X.copy()
    expected[:2, 1], expected[:2, 2] = rounded[:2, 2], rounded[:2, 1]
    x = X.copy()
    np.testing.assert_array_equal(run(body, x), expected, strict=True)
    np.testing.assert_array_equal(x[0], expected[1])


ASSIGNMENTS = {
    "broadcast": (
        lambda t: t.__setitem__(..., t[:, 0:1]),
        emulator.NKIError,
        "shape mismatch: value array of shape [4, 1",
    ),
    "another partition": (lambda t: t.__setitem__(0, t[1]), emulator.NKIError, "1 partitions starting at partition 1"),
    "number": (lambda t: t.__setitem__(..., 0.0), emulator.UnsupportedByEmulator, "assignment of a float"),
}


@pytest.mark.parametrize(("assign", "error", "fragment"), ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_an_assignment_is_refused(run, assign, error, fragment):
    with pytest.raises(error) as refusal:
        run(lambda x: assign(nl.load(x)), X)
    assert fragment in str(refusal.value)


@st.composite
def slices(draw, size):
    start = draw(st.integers(0, size - 1))
    return slice(start, draw(st.integers(start + 1, size)), draw(st.integers(1, 4)))


@given(data=st.data())
def test_random_subscripts_select_what_numpy_selects(run, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=5)))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    key = tuple(data.draw(st.one_of(slices(n), st.integers(-n, n - 1))) for n in shape)
    expected = array[key]
    np.testing.assert_array_equal(run(lambda x: x[key], array), np.atleast_1d(expected), strict=True)
    free = tuple(slice(None, None, 1) if i == 0 else k for i, k in enumerate(key))
    expected = array[free]
    np.testing.assert_array_equal(
        run(lambda x: nl.load(x)[free], array),
        expected.reshape(expected.shape + (1,) * (2 - expected.ndim)),
        strict=True,
    )
