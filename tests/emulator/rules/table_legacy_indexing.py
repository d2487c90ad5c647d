"""Subscripts and index expressions of the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import Any

from pytest_nki_pool.emulator.legacy import language as nl

P = lambda n=8: nl.arange(n)[:, None, None]  # noqa: E731
H = lambda n=6: nl.arange(n)[None, :, None]  # noqa: E731
W = lambda n=6: nl.arange(n)[None, None, :]  # noqa: E731


def assigned(tile: Any, key: Any, value: Any) -> Any:
    tile[key] = value
    return tile


DIALECT = "legacy"

RULES = [
    (
        "memory of one partition",
        lambda x, t: nl.copy(t[P(1), H(), W()]),
        lambda x, t: nl.copy(t[H(), P(1), W()]),
        "a partition reaches its own memory only",
    ),
    (
        "bounds of an index expression",
        lambda x, t: t[P(), H(5) + 1, W()],
        lambda x, t: t[P(), H(5) + 2, W()],
        "Out-of-bound access for tensor `unnamed` on dimension 1: index range [2, 6] exceed dimension size of 6",
        "err_tensor_access_out_of_bound",
    ),
    (
        "negative index expression",
        lambda x, t: t[P(), 5 - H(), W()],
        lambda x, t: t[P(), H() - 1, W()],
        "on dimension 1: index range [-1, 4] exceed dimension size of 6",
        "err_tensor_access_out_of_bound",
    ),
    (
        "bounds of a parameter name it",
        lambda x, t: nl.load(x[0:8, 0:6]),
        lambda x, t: nl.load(x[0:9]),
        "for tensor `x` on dimension 0: index range [0, 8] exceed dimension size of 8",
        "err_tensor_access_out_of_bound",
    ),
    (
        "bounds of an integer",
        lambda x, t: t[:, 5],
        lambda x, t: t[:, 6],
        "on dimension 1: index 6 exceed dimension size of 6",
        "err_tensor_access_out_of_bound",
    ),
    (
        "no negative integer",
        lambda x, t: t[:, 5],
        lambda x, t: t[:, -1],
        "index -1 exceed dimension size of 6",
        "err_tensor_access_out_of_bound",
    ),
    (
        "bounds of a slice",
        lambda x, t: t[:, 2:6],
        lambda x, t: t[:, 2:7],
        "index range [2, 6] exceed",
        "err_tensor_access_out_of_bound",
    ),
    (
        "bounds of ds",
        lambda x, t: t[:, nl.ds(2, 4)],
        lambda x, t: t[:, nl.ds(3, 4)],
        "index range [3, 6] exceed",
        "err_tensor_access_out_of_bound",
    ),
    ("size of ds", lambda x, t: t[:, nl.ds(2, 1)], lambda x, t: t[:, nl.ds(2, 0)], "the slice is empty"),
    ("size of a slice", lambda x, t: t[:, 2:3], lambda x, t: t[:, 3:3], "the slice is empty"),
    ("step of a slice", lambda x, t: t[:, 0:6:2], lambda x, t: t[:, 5:0:-1], "a slice step is at least 1"),
    ("one Ellipsis", lambda x, t: t[..., 0:2], lambda x, t: t[..., 0:2, ...], "only one Ellipsis"),
    ("number of indices", lambda x, t: t[:, :, 0:2], lambda x, t: t[:, :, :, 0:2], "got 4 indices"),
    ("kind of an index", lambda x, t: t[:, 1], lambda x, t: t[:, 1.0], "an integer, a slice or nl.ds, got float"),
    ("no boolean index", lambda x, t: t[:, 1], lambda x, t: t[:, True], "got bool"),
    (
        "lifted arange",
        lambda x, t: nl.load(x[P(), H(), W()]),
        lambda x, t: nl.load(x[nl.arange(8), H(), W()]),
        "1D arange is not supported",
        "err_1d_arange_not_supported",
    ),
    (
        "no mixing of basic and advanced",
        lambda x, t: t[P(), H(), W()],
        lambda x, t: t[P(), 0:6, W()],
        "Mixing basic tensor indexing and advanced tensor indexing is not supported.",
        "err_unsupported_mixing_basic_advanced_tensor_indexing",
    ),
    (
        "an integer is basic",
        lambda x, t: t[P(), H(), W()],
        lambda x, t: t[P(), 0, W()],
        "Mixing basic tensor indexing",
        "err_unsupported_mixing_basic_advanced_tensor_indexing",
    ),
    ("every dimension indexed", lambda x, t: t[P(), H(), W()], lambda x, t: t[P(), H()], "got 2 index expressions"),
    (
        "counts broadcast in a subscript",
        lambda x, t: t[P(), H(3), W()],
        lambda x, t: t[P(), H(3), nl.arange(2)[None, :, None]],
        "do not broadcast",
    ),
    (
        "counts broadcast in a sum",
        lambda x, t: t[P(), H(2) + W(3), W(3)],
        lambda x, t: t[P(), H(2) + H(3), W()],
        "do not broadcast",
    ),
    ("affine product", lambda x, t: t[P(), 2 * H(3), W()], lambda x, t: t[P(), H(2) * H(2), W()], "not affine"),
    ("affine sum", lambda x, t: t[P(), H(5) + 1, W()], lambda x, t: t[P(), H(5) + 0.5, W()], "not affine"),
    ("no floor division", lambda x, t: t[P(), H(3), W()], lambda x, t: t[P(), H() // 2, W()], "`//` of an index"),
    ("no remainder", lambda x, t: t[P(), H(3), W()], lambda x, t: t[P(), H() % 2, W()], "`%` of an index"),
    ("empty arange", lambda x, t: t[P(), H(1), W()], lambda x, t: t[P(), H(0), W()], "0:0 is empty"),
    (
        "empty mgrid",
        lambda x, t: t[tuple(nl.mgrid[0:8, 0:6, 0:1])],
        lambda x, t: t[tuple(nl.mgrid[0:8, 0:6, 3:3])],
        "3:3 is empty",
    ),
    (
        "slices of mgrid",
        lambda x, t: t[tuple(nl.mgrid[0:8, 1:6, 0:1])],
        lambda x, t: t[tuple(nl.mgrid[0:8, 1, 0:1])],
        "slices start:stop",
    ),
    (
        "index objects are constant",
        lambda x, t: t[P(), H(), W()],
        lambda x, t: assigned(nl.arange(3), 0, 1),
        "cannot be assigned to",
        "err_cannot_assign_to_index",
    ),
    (
        "partition dimension stays",
        lambda x, t: nl.copy(t[0:1]),
        lambda x, t: t[0],
        "an integer index drops the partition dimension",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "partition dimension first",
        lambda x, t: nl.copy(t[P(), H(), W()]),
        lambda x, t: nl.copy(t[H(), P(6), W()]),
        "partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "partitions are consecutive",
        lambda x, t: nl.copy(t[P(4), H(), W()]),
        lambda x, t: nl.copy(t[2 * P(4), H(), W()]),
        "partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    ("rank of a load", lambda x, t: nl.load(x[:, 0]), lambda x, t: nl.load(x[:, 0, 0]), "Insufficient rank"),
    (
        "an access on chip keeps two dimensions",
        lambda x, t: nl.copy(t[:, 0, 0]).assert_shape([8, 1]),
        lambda x, t: nl.copy(t[:, 0, 0]).assert_shape([8]),
        "expected shape [8]",
    ),
]
