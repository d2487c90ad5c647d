"""TensorE, ScalarE and GpSimdE in the legacy dialect."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

RNG = np.random.default_rng(5)
SMALL = RNG.integers(-4, 5, (32, 16)).astype(np.float32)
WIDE = RNG.integers(-4, 5, (32, 40)).astype(np.float32)


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile if tile.buffer is nl.sbuf else nl.copy(tile))
    return out


def applied(function: Any, *arrays: np.ndarray) -> Any:
    def kernel(*tensors: Any) -> Any:
        return stored(function(*map(nl.load, tensors)))

    return launch(kernel, *arrays)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16], ids=str)
def test_matrix_product(dtype: Any) -> None:
    a, b = SMALL.astype(dtype), WIDE.astype(dtype)
    expected = SMALL.T @ WIDE
    for product in (
        applied(nisa.nc_matmul, a, b),
        applied(lambda x, y: nl.matmul(x, y, transpose_x=True), a, b),
        applied(nl.matmul, np.ascontiguousarray(a.T), b),
    ):
        assert product.dtype == np.float32
        assert np.array_equal(product, expected)


def tiled_product(left: Any, right: Any, tile: int) -> Any:
    """Sums of products in PSUM across an affine loop."""
    depth, rows = left.shape
    _, columns = right.shape
    out = nl.ndarray((rows, columns), dtype=left.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(rows // tile):
        for n in nl.affine_range(columns // tile):
            total = nl.zeros((tile, tile), nl.float32, buffer=nl.psum)
            for k in nl.affine_range(depth // tile):
                a = nl.load(left[k * tile : (k + 1) * tile, m * tile : (m + 1) * tile])
                b = nl.load(right[k * tile : (k + 1) * tile, n * tile : (n + 1) * tile])
                total += nl.matmul(a[...], b[...], transpose_x=True)
            result = nl.copy(total, dtype=out.dtype)
            nl.store(out[m * tile : (m + 1) * tile, n * tile : (n + 1) * tile], value=result)
    return out


def test_products_may_add_up_in_psum_across_an_affine_loop() -> None:
    a = RNG.integers(-3, 4, (64, 32)).astype(np.float32)
    b = RNG.integers(-3, 4, (64, 48)).astype(np.float32)
    assert np.array_equal(launch(tiled_product, a, b, 16), a.T @ b)


def added_tiles(x: Any) -> Any:
    total = nl.zeros((32, 16), nl.float32, buffer=nl.psum)
    for _ in nl.affine_range(2):
        total += nl.load(x)
    return stored(total)


def mixed_sums(x: Any) -> Any:
    total = nl.zeros((16, 16), nl.float32, buffer=nl.psum)
    for _ in nl.affine_range(2):
        tile = nl.load(x)
        total += nisa.nc_matmul(tile, tile)
        total *= 2
    return stored(total)


@pytest.mark.parametrize("kernel", [added_tiles, mixed_sums])
def test_nothing_but_products_adds_up_across_an_affine_loop(kernel: Any) -> None:
    with pytest.raises(NKIError) as error:
        launch(kernel, SMALL)
    assert error.value.rule == "err_unexpected_output_dependencies"


SHAPE_LIMIT = "err_size_of_dimension_exceed_arch_limit"


@pytest.mark.parametrize(
    ("function", "shapes", "says", "rule"),
    [
        (nisa.nc_matmul, [(8, 129), (8, 4)], "has a free size of 129", SHAPE_LIMIT),
        (nisa.nc_matmul, [(8, 4), (8, 513)], "moving free dimension 513", SHAPE_LIMIT),
        (nisa.nc_matmul, [(8, 4), (9, 4)], "number of partitions mismatch", "err_num_partition_mismatch"),
        (lambda x: nisa.nc_matmul(nl.transpose(x), x), [(8, 8)], "address space 'sbuf'", "err_unsupported_memory"),
        (nisa.nc_transpose, [(8, 129)], "partition dimension 129", "err_num_partition_exceed_arch_limit"),
        (lambda x: nisa.nc_transpose(x, engine=nisa.vector_engine), [(33, 4)], "takes up to [32, 32]", SHAPE_LIMIT),
        (lambda x: nisa.nc_transpose(x, engine=nisa.sync_engine), [(8, 4)], "tensor or the vector engine", ""),
        (lambda x: nisa.tensor_tensor_scan(x, x, x, np.add, np.add), [(8, 4)], "initial is a scalar or a tile", ""),
        (lambda x: nisa.tensor_scalar(x, nl.add, 1, False, nl.bitwise_and, 1), [(8, 4)], "both bitwise or both", ""),
        (lambda x: nisa.iota(3, nl.int32), [(8, 4)], "expr is an index expression", ""),
        (lambda x: nisa.affine_select(x, x, 0), [(8, 4)], "pred is a comparison", ""),
        (lambda x: nisa.tensor_scalar(x, np.divide, 2), [(8, 4)], "divide is no operation of the ALU", ""),
    ],
)
def test_what_an_engine_refuses(function: Any, shapes: Any, says: str, rule: str) -> None:
    with pytest.raises(NKIError) as error:
        applied(function, *(np.ones(shape, np.float32) for shape in shapes))
    assert says in str(error.value)
    assert error.value.rule == rule


def test_transposition_is_bit_exact() -> None:
    x = SMALL.copy()
    x[0, 0] = np.nan
    for function in (nisa.nc_transpose, nl.transpose, lambda t: nisa.nc_transpose(t, engine=nisa.vector_engine)):
        assert applied(function, x).tobytes() == x.T.tobytes()


def test_load_transpose() -> None:
    def kernel(x: Any) -> Any:
        return stored(nl.load_transpose2d(x[0:8, 0:5]))

    assert np.array_equal(launch(kernel, SMALL), SMALL[:8, :5].T)


def test_activation() -> None:
    bias = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    expected = np.exp(SMALL.astype(np.float64) * 0.5 + bias)
    assert np.allclose(applied(lambda x, b: nisa.activation(np.exp, x, bias=b, scale=0.5), SMALL, bias), expected)
    scaled = applied(lambda x, b: nisa.activation(nl.tanh, x, scale=b), SMALL, bias)
    assert np.allclose(scaled, np.tanh(SMALL * bias), atol=1e-6)
    part = applied(
        lambda x: nl.where(
            nl.full((32, 16), 1, nl.uint8), nisa.activation(nl.exp, x, mask=nl.arange(16)[None, :] < 16), 0.0
        ),
        SMALL,
    )
    assert np.allclose(part, np.exp(SMALL))


def test_activation_reduce_sums_before_the_rounding() -> None:
    def kernel(x: Any) -> Any:
        sums = nl.ndarray((32, 1), nl.float32)
        nisa.activation_reduce(np.exp, nl.load(x), reduce_op=np.add, reduce_res=sums, dtype=nl.bfloat16)
        return stored(sums)

    assert np.allclose(launch(kernel, SMALL)[:, 0], np.exp(SMALL.astype(np.float64)).sum(axis=1), rtol=1e-6)


def test_tensor_scalar_reduce() -> None:
    def kernel(x: Any) -> Any:
        best = nl.ndarray((32, 1), nl.float32)
        nisa.tensor_scalar_reduce(data=nl.load(x), op0=np.multiply, operand0=3.0, reduce_op=np.max, reduce_res=best)
        return stored(best)

    assert np.array_equal(launch(kernel, SMALL)[:, 0], 3 * SMALL.max(axis=1))


def test_scalar_tensor_tensor() -> None:
    result = applied(
        lambda x: nisa.scalar_tensor_tensor(
            data=x, op0=np.subtract, operand0=1.0, reverse0=True, op1=np.multiply, operand1=x
        ),
        SMALL,
    )
    assert np.array_equal(result, (1 - SMALL) * SMALL)


def test_reversed_scan() -> None:
    result = applied(lambda a: nisa.tensor_tensor_scan(a, a, 1.0, np.subtract, np.add, reverse0=True), SMALL)
    state = np.ones(32, np.float32)
    for i in range(16):
        state = (state - SMALL[:, i]) + SMALL[:, i]
        assert np.array_equal(result[:, i], state)


def test_scan() -> None:
    result = applied(lambda a, b: nisa.tensor_tensor_scan(a, b, 0.0, np.multiply, np.add), SMALL, SMALL)
    state = np.zeros(32, np.float32)
    for i in range(16):
        state = SMALL[:, i] * state + SMALL[:, i]
        assert np.array_equal(result[:, i], state)


def test_reduction_over_partitions() -> None:
    result = applied(lambda x: nisa.tensor_partition_reduce(np.add, x), SMALL)
    assert np.array_equal(result, SMALL.sum(axis=0, keepdims=True))


def test_iota_writes_the_index() -> None:
    expr = 3 * nl.arange(8)[:, None, None] + 5 * nl.arange(4)[None, :, None] - nl.arange(2)[None, None, :] + 7
    p, a, b = np.ogrid[0:8, 0:4, 0:2]
    result = launch(lambda x: stored(nisa.iota(expr, nl.int32)), SMALL)
    assert np.array_equal(result, 3 * p + 5 * a - b + 7)


def test_affine_select_compares_indices() -> None:
    row, column = nl.arange(32)[:, None], nl.arange(16)[None, :]
    result = applied(lambda x: nisa.affine_select(row >= column, x, -1.0), SMALL)
    p, f = np.ogrid[0:32, 0:16]
    assert np.array_equal(result, np.where(p >= f, SMALL, -1))
    result = applied(lambda x: nisa.affine_select((column < 5) & (row < 20), x, -1.0), SMALL)
    assert np.array_equal(result, np.where((f < 5) & (p < 20), SMALL, -1))


def test_predicated_copy_keeps_the_rest() -> None:
    def kernel(x: Any, reverse: bool) -> Any:
        tile = nl.load(x)
        kept = nl.full((32, 16), 9, nl.float32)
        nisa.tensor_copy_predicated(src=tile, dst=kept, predicate=tile > 0, reverse_pred=reverse)
        return stored(kept)

    assert np.array_equal(launch(kernel, SMALL, reverse=False), np.where(SMALL > 0, SMALL, 9))
    assert np.array_equal(launch(kernel, SMALL, reverse=True), np.where(SMALL > 0, 9, SMALL))


def test_integers_of_32_bits_are_exact_on_gpsimd() -> None:
    a, b = np.full((2, 3), 2**24 + 1, np.int32), np.full((2, 3), 2, np.int32)
    assert np.array_equal(applied(lambda x, y: nisa.tensor_tensor(x, y, np.add), a, b), a + b)
    on_vector = applied(lambda x, y: nisa.tensor_tensor(x, y, np.add, engine=nisa.vector_engine), a, b)
    assert np.array_equal(on_vector, np.full((2, 3), 2**24 + 2))
