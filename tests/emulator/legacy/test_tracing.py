"""What NKI's tracer refuses in a kernel's source: annotations, side effects of loops, and scopes."""

import functools
import linecache
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy import typing as nt
from pytest_nki_pool.emulator.legacy.typing import tensor

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def annotated(x: Any, width: int) -> Any:
    tile: tensor[4, width] = nl.load(x)
    return stored(tile)


def annotated_by_module(x: Any, width: int) -> Any:
    half = width // 2
    tile: nt.tensor[4, 2 * half] = nl.load(x)
    return stored(tile)


@nki.jit
def annotated_and_decorated(x: tensor, width: int = 6, *, lanes: int = 4) -> tensor:
    tile: tensor[lanes, width] = nl.load(x)
    return stored(tile)


@pytest.mark.parametrize("kernel", [annotated, annotated_by_module, annotated_and_decorated], ids=lambda k: k.__name__)
def test_an_annotation_is_checked(kernel: Any) -> None:
    assert np.array_equal(launch(kernel, X, 6), X)
    with pytest.raises(NKIError, match=r"annotated as a tensor of shape \[4, \d\], got shape \[4, 6\]") as error:
        launch(kernel, X, 4)
    assert error.value.rule == "err_annotation_shape_mismatch"
    line = int(error.value.where.rpartition(":")[2])
    assert "nl.load(x)" in linecache.getline(__file__, line)


def test_a_checked_kernel_keeps_its_closure_and_its_defaults() -> None:
    lanes, scale = 4, 3

    def kernel(x: Any, add: float = 1, *, times: float = 2) -> Any:
        tile: tensor[lanes, 6] = nl.load(x)
        return stored(tile * (scale * times) + add)

    assert np.array_equal(launch(kernel, X), 6 * X + 1)
    assert np.array_equal(launch(kernel, X, 5, times=1), 3 * X + 5)
    assert np.array_equal(launch(functools.partial(kernel, times=0), X, 5), 0 * X + 5)
    lanes = 3
    with pytest.raises(NKIError, match=r"shape \[3, 6\]"):
        launch(kernel, X)


def annotated_scalar(x: Any) -> Any:
    tile: tensor[4, 6] = 7
    return stored(nl.load(x) * tile)


def test_an_annotated_number_is_refused() -> None:
    with pytest.raises(NKIError, match="got int"):
        launch(annotated_scalar, X)


def counter_in_the_body(x: Any) -> Any:
    for _ in nl.affine_range(3):
        n = 1
        n += 1
        assert n == 2
    return stored(nl.load(x) * 2)


def rebound(x: Any) -> Any:
    n = 0
    for _ in nl.sequential_range(3):
        n = n + 1
    return stored(nl.load(x) * n)


def appended(x: Any) -> Any:
    tiles = []
    for _ in nl.affine_range(3):
        tiles.append(nl.load(x))  # noqa: PERF401  (what the test is about)
    return stored(tiles[0])


def put_into_a_dict(x: Any) -> Any:
    tiles = {}
    for _ in nl.affine_range(3):
        tiles["last"] = nl.load(x)
    return stored(tiles["last"])


def traced_counter(x: Any) -> Any:
    n = 0
    for _ in nl.affine_range(3):
        n += 1
    return stored(nl.load(x) * n)


def unrolled_counter(x: Any) -> Any:
    n = 0
    for _ in nl.static_range(3):
        n += 1
    return stored(nl.load(x) * n)


def tile_in_a_loop(x: Any) -> Any:
    total = nl.zeros((4, 6), nl.float32)
    for _ in nl.sequential_range(3):
        total += nl.load(x)
    return stored(total)


@pytest.mark.parametrize("kernel", [unrolled_counter, tile_in_a_loop], ids=lambda k: k.__name__)
def test_what_every_iteration_may_change(kernel: Any) -> None:
    assert np.array_equal(launch(kernel, X), 3 * X)


def test_a_variable_of_the_body_may_change() -> None:
    assert np.array_equal(launch(counter_in_the_body, X), 2 * X)


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        (traced_counter, "`n`, a Python int from outside the loop"),
        (rebound, "`n`, a Python int from outside the loop"),
        (appended, "`tiles`, a Python list"),
        (put_into_a_dict, "`tiles`, a Python dict"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_side_effect_of_a_traced_loop_is_refused(kernel: Any, says: str) -> None:
    with pytest.raises(NKIError, match="the body is traced once") as error:
        launch(kernel, X)
    assert says in str(error.value)
    assert __file__ in error.value.where


def bound_in_a_branch(x: Any, first: bool) -> Any:
    if first:
        rows = 4
        tile = nl.load(x)
    else:
        rows = 2
        tile = nl.load(x[0:rows])
    return stored(tile)


def bound_in_a_loop(x: Any, first: bool) -> Any:
    for _ in nl.sequential_range(2):
        tile = nl.load(x)
    return stored(tile)


def assigned_in_a_branch(x: Any, first: bool) -> Any:
    tile = nl.ndarray((4, 6), nl.float32)
    if first:
        tile[...] = nl.load(x)
    else:
        tile[...] = nl.load(x)
    return stored(tile)


def number_in_a_branch(x: Any, first: bool) -> Any:
    if first:
        n, _ = 1, 2
    else:
        n, _ = 2, 1
    return stored(nl.load(x) * n)


def used_in_its_branch(x: Any, first: bool) -> Any:
    out = nl.ndarray((4, 6), nl.float32, buffer=nl.shared_hbm)
    for _ in nl.static_range(1):
        if first:
            tile = nl.load(x)
            nl.store(out, tile)
    return out


@pytest.mark.parametrize(
    "kernel", [assigned_in_a_branch, number_in_a_branch, used_in_its_branch], ids=lambda k: k.__name__
)
def test_what_a_block_may_bind(kernel: Any) -> None:
    assert np.array_equal(launch(kernel, X, True), X)


@pytest.mark.parametrize("kernel", [bound_in_a_branch, bound_in_a_loop], ids=lambda k: k.__name__)
def test_a_tensor_ends_with_its_block(kernel: Any) -> None:
    with pytest.raises(NKIError, match="Local variable 'tile' is referenced outside of its parent scope") as error:
        launch(kernel, X, True)
    assert error.value.rule == "err_local_variable_used_out_of_scope"


LANE, COLUMN = nl.arange(4)[:, None], nl.arange(6)[None, :]


def piece_by_index(x: Any) -> Any:
    tile = nl.load(x)
    piece = tile[LANE, 5 - COLUMN]
    tile[...] = 0
    return stored(piece)


def piece_by_slice(x: Any) -> Any:
    tile = nl.load(x)
    piece = tile[0:4, 0:6]
    tile[...] = 0
    return stored(piece)


def whole_by_ellipsis(x: Any) -> Any:
    tile = nl.load(x)
    piece = tile[...]
    tile[...] = 0
    return stored(piece)


def piece_in_a_loop(x: Any) -> Any:
    tile = nl.load(x)
    out = nl.ndarray((4, 6), nl.float32, buffer=nl.shared_hbm)
    for _ in nl.static_range(2):
        nl.store(out, nl.copy(tile))
        piece = tile[LANE, 5 - COLUMN]
        tile += 1
        nl.store(out, piece)
    return out


def piece_of_an_unchanged_tile(x: Any) -> Any:
    tile = nl.load(x)
    piece = tile[LANE, 5 - COLUMN]
    assert piece.storage is tile.storage
    return stored(nl.copy(piece))


def piece_under_dma(x: Any) -> Any:
    tile = nl.load(x)
    piece = tile[LANE, COLUMN]
    nisa.dma_copy(dst=tile[:, 1:6], src=x[:, 0:5])
    return stored(piece)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (piece_by_index, X[:, ::-1]),
        (piece_by_slice, 0 * X),
        (whole_by_ellipsis, 0 * X),
        (piece_in_a_loop, X[:, ::-1] + 1),
        (piece_of_an_unchanged_tile, X[:, ::-1]),
        (piece_under_dma, X),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_piece_by_index_expressions_is_a_copy_and_by_slices_a_view(kernel: Any, expected: np.ndarray) -> None:
    assert np.array_equal(launch(kernel, X), expected)


def annotated_helper(x: Any, width: int) -> Any:
    tile: tensor[4, width] = nl.load(x)
    return tile


def through_another_helper(x: Any, width: int) -> Any:
    return annotated_helper(x, width)


@nki.jit
def annotated_kernel(x: Any, width: int) -> Any:
    return annotated_helper(x, width)


def recursive(x: Any, width: int, depth: int = 2) -> Any:
    return recursive(x, width, depth - 1) if depth else annotated_helper(x, width)


def in_a_comprehension(x: Any, width: int) -> Any:
    return max([annotated_helper(x, n) for n in (width,)], key=id)


@pytest.mark.parametrize(
    "helper",
    [annotated_helper, through_another_helper, annotated_kernel, recursive, in_a_comprehension],
    ids=lambda h: h.__name__,
)
def test_the_functions_that_a_kernel_calls_are_checked_too(helper: Any) -> None:
    def kernel(x: Any, width: int) -> Any:
        return stored(helper(x, width))

    assert np.array_equal(launch(kernel, X, 6), X)
    with pytest.raises(NKIError, match=r"annotated as a tensor of shape \[4, 5\]") as error:
        launch(kernel, X, 5)
    assert error.value.rule == "err_annotation_shape_mismatch"
    line = int(error.value.where.rpartition(":")[2])
    assert "nl.load(x)" in linecache.getline(__file__, line)


COUNTS = [0]


def test_a_checked_kernel_shares_the_objects_of_its_module() -> None:
    def kernel(x: Any) -> Any:
        COUNTS[0] += 1
        return stored(annotated_helper(x, 6))

    before = COUNTS[0]
    launch(kernel, X)
    assert COUNTS[0] == before + 1


def test_a_helper_is_looked_up_at_every_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(x: Any) -> Any:
        return stored(annotated_helper(x, 6))

    launch(kernel, X)
    monkeypatch.setitem(globals(), "annotated_helper", lambda x, width: nl.load(x) * width)
    assert np.array_equal(launch(kernel, X), 6 * X)
