"""View methods of `NkiTensor`."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.arange(4 * 6 * 10, dtype=np.float32).reshape(4, 6, 10)

BOTH = {
    "reshape": (lambda t: t.reshape((4, 60)), X.reshape(4, 60)),
    "reshape splits": (lambda t: t.reshape((4, 3, 2, 5, 2)), X.reshape(4, 3, 2, 5, 2)),
    "reshape of a strided view": (lambda t: t[:, :, ::2].reshape((4, 2, 3, 5)), X[:, :, ::2].reshape(4, 2, 3, 5)),
    "reshape_dim": (lambda t: t.reshape_dim(2, (5, 2)), X.reshape(4, 6, 5, 2)),
    "flatten_dims": (lambda t: t.flatten_dims(1, 2), X.reshape(4, 60)),
    "flatten_dims from the end": (lambda t: t.flatten_dims(-2, -1), X.reshape(4, 60)),
    "permute": (lambda t: t.permute((0, 2, 1)), X.transpose(0, 2, 1)),
    "permute twice": (lambda t: t.permute((0, 2, 1)).permute((0, -1, 1)), X),
    "slice": (lambda t: t.slice(1, 1, 6, 2), X[:, 1:6:2]),
    "slice from the end": (lambda t: t.slice(-1, 3, 5), X[:, :, 3:5]),
    "select": (lambda t: t.select(2, -1), X[:, :, 9]),
    "reshape_dim infers": (lambda t: t.reshape_dim(2, (5, -1)), X.reshape(4, 6, 5, 2)),
    "rearrange splits and permutes": (
        lambda t: t.rearrange(("p", ("a", "b"), "c"), ("p", "c", "b", "a"), {"a": 2}),
        X.reshape(4, 2, 3, 10).transpose(0, 3, 2, 1),
    ),
    "rearrange merges": (lambda t: t.rearrange(("p", "a", "b"), ("p", ("a", "b"))), X.reshape(4, 60)),
    "view as a smaller dtype": (lambda t: t.view(nl.uint16), X.view(np.uint16)),
    "view as a dtype of the same size": (lambda t: t.view("int32"), X.view(np.int32)),
    "view as a larger dtype": (lambda t: t.view(nl.uint8).view(nl.float32), X),
    "view of a part": (lambda t: t[:, 1:6:2, 2:8].reinterpret_cast(nl.int8), X[:, 1:6:2, 2:8].copy().view(np.int8)),
    "expand_dim": (lambda t: t.expand_dim(1), X[:, None]),
    "expand_dim at the end": (lambda t: t.expand_dim(3), X[..., None]),
    "squeeze_dim": (lambda t: t[:, 2:3].squeeze_dim(1), X[:, 2]),
    "broadcast": (lambda t: t[:, 2:3].broadcast(1, 5), np.repeat(X[:, 2:3], 5, axis=1)),
}
IN_HBM = {
    "reshape across the first dimension": (lambda t: t.reshape((24, 10)), X.reshape(24, 10)),
    "permute of the first dimension": (lambda t: t.permute((2, 0, 1)), X.transpose(2, 0, 1)),
    "expand_dim in front": (lambda t: t.expand_dim(0), X[None]),
    "squeeze_dim in front": (lambda t: t[2:3].squeeze_dim(0), X[2]),
    "broadcast in front": (lambda t: t[2:3].broadcast(0, 3), np.repeat(X[2:3], 3, axis=0)),
    "squeeze_dim leaves one dimension": (lambda t: t[1, 2, 3].squeeze_dim(0), X[1, 2, 3:4]),
}
REFUSED = {
    "reshape changes the partitions": (
        lambda t: t.reshape((2, 120)),
        "Partition dim size must be preserved, got 4 -> 2",
    ),
    "reshape changes the count": (lambda t: t.reshape((4, 61)), "to [4, 61] changes the number of elements"),
    "reshape with -1": (lambda t: t.reshape((4, -1)), "to [4, -1] changes the number of elements"),
    "reshape to nothing": (lambda t: t.reshape(()), "to [] changes the number of elements"),
    "reshape that needs a copy": (lambda t: t[:, :, 0:5].reshape((4, 30)), "to [4, 30] needs a copy"),
    "reshape by a float": (lambda t: t.reshape((4, 60.0)), "size in reshape(): a static integer, got 60.0"),
    "reshape by a number": (
        lambda t: t.reshape(240),
        "size in reshape(): a tuple or a list of static integers, got 240",
    ),
    "reshape_dim infers nothing": (lambda t: t.reshape_dim(2, (3, -1)), "to [4, 6, 3, 3] changes the number"),
    "rearrange another number of dimensions": (
        lambda t: t.rearrange(("p", "a"), ("a", "p")),
        "the tensor has the shape [4, 6, 10]",
    ),
    "rearrange loses a name": (
        lambda t: t.rearrange(("p", "a", "b"), ("p", "a")),
        "has to name every dimension once on both sides",
    ),
    "rearrange by sizes that do not divide": (
        lambda t: t.rearrange(("p", ("a", "b"), "c"), ("p", "a", "b", "c"), {"a": 4}),
        "a dimension of size 6 does not split into ('a', 'b')",
    ),
    "rearrange without sizes": (
        lambda t: t.rearrange(("p", ("a", "b"), "c"), ("p", "a", "b", "c")),
        "give all sizes but one",
    ),
    "rearrange by an unknown size": (
        lambda t: t.rearrange(("p", "a", "c"), ("p", "c", "a"), {"z": 4}),
        "fixed_sizes is a dict of the sizes of ['p', 'a', 'c']",
    ),
    "rearrange by no pattern": (lambda t: t.rearrange("pac", "pca"), "the source pattern is a tuple of names"),
    "rearrange the partitions": (
        lambda t: t.rearrange(("p", "a", "b"), ("a", "p", "b")),
        "moves the partition dimension",
    ),
    "view of a strided dimension": (lambda t: t[:, :, ::2].view(nl.int16), "the last dimension must be contiguous"),
    "view of half an element": (lambda t: t.view(nl.uint8)[:, :, 0:6].view(nl.float32), "are no multiples of 4 bytes"),
    "view between elements": (lambda t: t.view(nl.uint8)[:, :, 2:6].view(nl.float32), "are no multiples of 4 bytes"),
    "view as no dtype": (lambda t: t.view("float64"), "does not exist on a NeuronCore"),
    "flatten_dims backward": (lambda t: t.flatten_dims(2, 1), "the first dimension comes after the last"),
    "permute the partitions": (lambda t: t.permute((1, 0, 2)), "moves the partition dimension"),
    "permute too few": (lambda t: t.permute((0, 1)), "has to name every dimension once"),
    "permute one twice": (lambda t: t.permute((0, 1, 1)), "has to name every dimension once"),
    "a dimension that does not exist": (lambda t: t.select(3, 0), "dimension 3 does not exist"),
    "slice out of bounds": (lambda t: t.slice(1, 0, 7), "index range [0, 6] exceed dimension size of 6"),
    "select out of bounds": (lambda t: t.select(1, 6), "index 6 exceed dimension size of 6"),
    "expand_dim before the partitions": (lambda t: t.expand_dim(0), "moves the partition dimension"),
    "squeeze_dim of a size above 1": (lambda t: t.squeeze_dim(1), "drops free dimensions of size 1 only"),
    "squeeze_dim of the partitions": (lambda t: t[0:1].squeeze_dim(0), "drops free dimensions of size 1 only"),
    "broadcast of a size above 1": (lambda t: t.broadcast(1, 3), "repeats a free dimension of size 1"),
    "broadcast of the partitions": (lambda t: t[0:1].broadcast(0, 3), "repeats a free dimension of size 1"),
    "broadcast to nothing": (lambda t: t[:, 0:1].broadcast(1, 0), "repeats a free dimension of size 1, at least once"),
}


def named(table):
    return [pytest.param(*row, id=name) for name, row in table.items()]


@pytest.mark.parametrize(("view", "expected"), named(BOTH))
def test_a_view_on_chip(run, view, expected):
    np.testing.assert_array_equal(run(lambda x: view(nl.load(x)), X), expected, strict=True)


@pytest.mark.parametrize(("view", "expected"), named(BOTH | IN_HBM))
def test_a_view_in_hbm(run, view, expected):
    np.testing.assert_array_equal(run(view, X), expected, strict=True)


@pytest.mark.parametrize(("view", "fragment"), named(REFUSED))
def test_a_view_on_chip_is_refused(run, view, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: view(nl.load(x)), X)
    assert fragment in str(error.value)


def test_is_contiguous(run):
    def body(x):
        tile = nl.load(x)
        assert tile.is_contiguous()
        assert tile[1:3].is_contiguous()
        assert tile[:, 2:3, 3:4][0:1].is_contiguous()
        assert tile[:, 1:3].is_contiguous()  # within a partition
        assert not x[:, 1:3].is_contiguous()
        assert not tile[:, :, 1:3].is_contiguous()
        assert not tile.permute((0, 2, 1)).is_contiguous()

    run(body, X)


@pytest.mark.parametrize("name", ["vector_select", "indirect"])
def test_other_views_are_not_supported(run, name):
    with pytest.raises(emulator.UnsupportedByEmulator, match=rf"NkiTensor\.{name} of the current dialect"):
        run(lambda x: getattr(x, name), X)


def test_a_dynamic_selection_is_not_supported(run):
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"NkiTensor\.select by a tensor of the current dialect"):
        run(lambda x: x.select(0, nl.zeros((1, 1), nl.int32)), X)


def test_an_unknown_attribute_is_pythons_error(run):
    with pytest.raises(AttributeError, match="'NkiTensor' object has no attribute 'astype'"):
        run(lambda x: x.astype, X)


OPERATORS = {
    "/": lambda t: t / 4,
    "*": lambda t: t * t,
    "reflected +": lambda t: 1 + t,
    "-": lambda t: t - t,
    "+=": lambda t: operator.iadd(t, 1),
    "negation": lambda t: -t,
    "<": lambda t: t < 1,
    "@": lambda t: t @ t,
    "numpy": lambda t: np.add(t, 1),
    "numpy comparison": lambda t: np.equal(t, 1),
    "iteration": list,
    "len": len,
}


@pytest.mark.parametrize("operation", OPERATORS.values(), ids=OPERATORS)
def test_a_tensor_has_no_operators(run, operation):
    with pytest.raises(TypeError, match="NkiTensor"):
        run(lambda x: operation(nl.load(x)), X)


def test_the_truth_of_a_tensor_is_refused(run):
    with pytest.raises(emulator.NKIError, match="control flow cannot depend on a tensor's values") as error:
        run(lambda x: nl.load(x) if x else None, X)
    assert error.value.rule == "err_ambiguous_tensor_truth_value"


def test_a_tensor_can_be_compared_with_none(run):
    run(lambda x: None if x != None else x.missing, X)  # noqa: E711  (NKI's front end knows no `is`)


def test_a_write_through_a_view_reaches_the_tensor(run):
    def body(x):
        tile = nl.load(x)
        nisa.memset(tile.view(nl.uint32)[:, 2], 0)
        return tile

    expected = X.copy()
    expected[:, 2] = 0
    np.testing.assert_array_equal(run(body, X), expected, strict=True)


def test_definedness_is_that_of_the_bytes(run):
    def body(_, elements):
        tile = nl.ndarray((2, 4), nl.float32)
        nisa.memset(tile.view(nl.uint16)[:, 0:elements], 0)
        return tile[:, 0:2]

    assert not run(lambda x: body(x, 4), X).any()
    with pytest.raises(emulator.NKIError, match="2 of 4 elements, first at \\[0, 1\\], of tensor"):
        run(lambda x: body(x, 3), X)


@st.composite
def chains(draw, shape):
    """Views of an array and the same views of a tensor."""
    steps = []
    array = np.empty(shape)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["permute", "slice", "split", "expand", "merge"]))
        dim = draw(st.integers(1, array.ndim - 1)) if array.ndim > 1 else 0
        size = array.shape[dim]
        if kind == "permute":
            order = (0, *draw(st.permutations(range(1, array.ndim))))
            step = (lambda t, o=order: t.permute(o), lambda a, o=order: a.transpose(o))
        elif kind == "slice":
            start = draw(st.integers(0, size - 1))
            end, by = draw(st.integers(start + 1, size)), draw(st.integers(1, 3))
            cut = (slice(None),) * dim + (slice(start, end, by),)
            step = (lambda t, d=dim, s=start, e=end, b=by: t.slice(d, s, e, b), lambda a, c=cut: a[c])
        elif kind == "split":
            by = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
            new = (*array.shape[:dim], by, size // by, *array.shape[dim + 1 :])
            step = (lambda t, d=dim, b=by: t.reshape_dim(d, (b, -1)), lambda a, n=new: a.reshape(n))
        elif kind == "expand":
            step = (lambda t, d=dim: t.expand_dim(d), lambda a, d=dim: np.expand_dims(a, d))
        else:
            step = (lambda t: t, lambda a: a)
        if step[1](array).ndim <= 5:
            steps.append(step)
            array = step[1](array)
    return steps


@given(data=st.data())
def test_random_chains_of_views_select_what_numpy_selects(run, data):
    steps = data.draw(chains(X.shape))

    def body(x):
        view = nl.load(x)
        for step, _ in steps:
            view = step(view)
        return nl.copy(view)

    expected = X
    for _, step in steps:
        expected = step(expected)
    np.testing.assert_array_equal(run(body, X), expected, strict=True)
