"""View methods of `NkiTensor`."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
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
        assert not tile[:, 1:3].is_contiguous()
        assert not tile.permute((0, 2, 1)).is_contiguous()

    run(body, X)


@pytest.mark.parametrize("name", ["rearrange", "view", "vector_select", "indirect"])
def test_other_views_are_not_supported(run, name):
    with pytest.raises(emulator.UnsupportedByEmulator, match=rf"NkiTensor\.{name} of the current dialect"):
        run(lambda x: getattr(x, name), X)


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
