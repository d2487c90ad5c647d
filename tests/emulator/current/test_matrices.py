"""Matrix products and transpositions on TensorE, VectorE and by DMA."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
RNG = np.random.default_rng(3)
A = RNG.integers(-9, 10, (100, 70)).astype(np.float32)
B = RNG.integers(-9, 10, (100, 300)).astype(np.float32)


def product(a, b, *, dtype="float32", cast="float32", times=1, **options):
    out = nl.ndarray((a.shape[1], b.shape[1]), dtype, nl.psum)
    for _ in range(times):
        nisa.nc_matmul(out, nl.load(a, cast), nl.load(b, cast), **options)
    return out


@pytest.mark.parametrize("cast", ["float32", "bfloat16", "float16", "float8_e4m3"])
def test_a_product_of_small_integers_is_exact(run, cast):
    np.testing.assert_array_equal(run(lambda a, b: product(a, b, cast=cast), A, B), A.T @ B, strict=True)


@pytest.mark.parametrize(("accumulate", "factor"), [(None, 3), (False, 1)])
def test_a_product_accumulates_where_it_was_written(run, accumulate, factor):
    got = run(lambda a, b: product(a, b, times=3, accumulate=accumulate), A, B)
    np.testing.assert_array_equal(got, factor * (A.T @ B))


def test_accumulation_onto_nothing_stays_undefined(run):
    with pytest.raises(emulator.NKIError, match="are undefined"):
        run(lambda a, b: product(a, b, accumulate=True), A, B)


def test_accumulation_by_location(run):
    def body(a, b):
        out = nl.ndarray((70, 300), nl.float32, nl.psum)
        nisa.memset(out[:, 0:100], 1.0)
        nisa.nc_matmul(out, nl.load(a), nl.load(b))
        return out

    expected = A.T @ B
    expected[:, :100] += 1
    np.testing.assert_array_equal(run(body, A, B), expected)


def test_an_undefined_operand_undefines_its_row(run):
    def body(_, b):
        left = nl.ndarray((100, 2), nl.float32)
        nisa.memset(left[:, 0:1], 1.0)
        out = nl.ndarray((2, 300), nl.float32, nl.psum)
        nisa.nc_matmul(out, left, nl.load(b))
        return out

    np.testing.assert_array_equal(run(lambda a, b: body(a, b)[0:1], A, B), B.sum(axis=0)[None])
    with pytest.raises(emulator.NKIError, match=r"300 of 600 elements, first at \[1, 0\],"):
        run(body, A, B)


def on(shape, dtype="float32", buffer=None):
    return nl.zeros(shape, dtype, buffer=buffer)


def matmul(m=(8, 4), k=(8, 6), out=(4, 6), **options):
    return lambda: nisa.nc_matmul(on(out, options.pop("dtype", "float32"), nl.psum), on(m), on(k), **options)


RULES = {
    "moving of 512": ("gen3", matmul((8, 4), (8, 512), (4, 512)), None),
    "moving of 513": (
        "gen3",
        matmul((8, 4), (8, 513), (4, 513)),
        "moving free dimension 513 exceeds max 512 for nc_version=gen3",
    ),
    "moving of 1024": (
        "gen3",
        matmul((8, 4), (8, 1024), (4, 1024)),
        "Matmult/Matmul moving free dimension 1024 exceeds max 512 for nc_version=gen3",
    ),
    "moving of 1024 on gen4": ("gen4", matmul((8, 4), (8, 1024), (4, 1024)), None),
    "stationary of 128": ("gen3", matmul((8, 128), (8, 6), (128, 6)), None),
    "stationary of 129": ("gen3", matmul((8, 129), (8, 6), (128, 6)), "stationary free dimension 129 exceeds max 128"),
    "contraction": ("gen3", matmul((8, 4), (9, 6)), "number of partitions mismatch"),
    "result of another shape": ("gen3", matmul(out=(4, 7)), "does not hold the product"),
    "bf16 result": ("gen3", matmul(dtype="bfloat16"), "nc_matmul dst dtype must be float32 on gen3"),
    "bf16 result on gen2": ("gen2", matmul(dtype="bfloat16"), "nc_matmul dst dtype must be float32 on gen2"),
    "bf16 result on gen4": ("gen4", matmul(dtype="bfloat16"), None),
    "result in sbuf": (
        "gen3",
        lambda: nisa.nc_matmul(on((4, 6)), on((8, 4)), on((8, 6))),
        "nc_matmul dst must be in ['psum'], got sbuf",
    ),
    "operand in psum": (
        "gen3",
        lambda: nisa.nc_matmul(on((4, 6), buffer=nl.psum), on((8, 4)), on((8, 6), buffer=nl.psum)),
        "nc_matmul moving must be in ['sbuf'], got psum",
    ),
    "two dtypes": (
        "gen3",
        lambda: nisa.nc_matmul(on((4, 6), buffer=nl.psum), on((8, 4), "bfloat16"), on((8, 6), "float16")),
        None,
    ),
    "fp32 and bf16": (
        "gen3",
        lambda: nisa.nc_matmul(on((4, 6), buffer=nl.psum), on((8, 4)), on((8, 6), "bfloat16")),
        "stationary float32 and moving bfloat16 do not go together",
    ),
    "integers": (
        "gen3",
        lambda: nisa.nc_matmul(on((4, 6), buffer=nl.psum), on((8, 4), "int8"), on((8, 6), "int8")),
        "stationary dtype int8 is not one of",
    ),
    "number for perf_mode": ("gen3", matmul(perf_mode=0), "must be a member of nisa.matmul_perf_mode, got 0"),
    "transpose": ("gen3", lambda: nisa.nc_transpose(on((6, 8), buffer=nl.psum), on((8, 6))), None),
    "transpose on VectorE": (
        "gen3",
        lambda: nisa.nc_transpose(on((32, 8)), on((8, 32)), engine=nisa.engine.vector),
        None,
    ),
    "large transpose on VectorE": (
        "gen3",
        lambda: nisa.nc_transpose(on((33, 8)), on((8, 33))),
        "nc_transpose on engine vector takes up to [32, 32], got [8, 33]",
    ),
    "transpose to sbuf on TensorE": (
        "gen3",
        lambda: nisa.nc_transpose(on((6, 8)), on((8, 6)), engine=nisa.engine.tensor),
        "Expected operand 'dst' of 'nc_transpose' to be in address space 'psum'",
    ),
    "transpose that casts": (
        "gen3",
        lambda: nisa.nc_transpose(on((6, 8), "bfloat16", nl.psum), on((8, 6))),
        "dst and data have the same dtype",
    ),
    "transpose to another shape": (
        "gen3",
        lambda: nisa.nc_transpose(on((8, 6), buffer=nl.psum), on((8, 6))),
        "does not hold the transpose of 'data'",
    ),
    "transpose on GpSimdE": (
        "gen3",
        lambda: nisa.nc_transpose(on((6, 8), buffer=nl.psum), on((8, 6)), engine=nisa.engine.gpsimd),
        "nc_transpose does not run on engine gpsimd; use one of tensor, vector",
    ),
    "dma_transpose": (
        "gen3",
        lambda: nisa.dma_transpose(on((6, 8), "bfloat16"), on((8, 6), "bfloat16"), axes=(1, 0)),
        None,
    ),
    "dma_transpose of fp32": (
        "gen3",
        lambda: nisa.dma_transpose(on((6, 8)), on((8, 6))),
        "dma_transpose moves 2-byte elements without a cast",
    ),
    "dma_transpose by other axes": (
        "gen3",
        lambda: nisa.dma_transpose(on((8, 6), "bfloat16"), on((8, 6), "bfloat16"), axes=(0, 1)),
        "dma_transpose axes are (1, 0), (2, 1, 0), (3, 1, 2, 0)",
    ),
    "dma_transpose to another shape": (
        "gen3",
        lambda: nisa.dma_transpose(on((8, 6), "bfloat16"), on((8, 6), "bfloat16")),
        "which is [6, 8]",
    ),
    "dma_transpose by software": (
        "gen3",
        lambda: nisa.dma_transpose(on((6, 8), "bfloat16"), on((8, 6), "bfloat16"), dge_mode=nisa.dge_mode.swdge),
        "dge_mode is unknown or hwdge, got swdge",
    ),
    "dma_transpose by hardware": (
        "gen3",
        lambda: nisa.dma_transpose(on((6, 8), "bfloat16"), on((8, 6), "bfloat16"), dge_mode=nisa.dge_mode.hwdge),
        "takes a source of 16 rows whose last dimension is a multiple of 128",
    ),
}


@pytest.mark.parametrize(("generation", "instruction", "fragment"), RULES.values(), ids=RULES)
def test_a_rule(run, generation, instruction, fragment):
    if fragment is None:
        run(lambda x: instruction(), A, generation=generation)
        return
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: instruction(), A, generation=generation)
    assert fragment in str(error.value)


def test_a_mode_is_not_supported(run):
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"nisa\.nc_matmul\(perf_mode=double_row\)"):
        run(lambda a, b: product(a, b, perf_mode=nisa.matmul_perf_mode.double_row), A, B)


def part_of_the_array(position, size):
    def body(x):
        dst = nl.ndarray((48, 20), nl.float32, buffer=nl.psum)
        tile = nl.load(x)
        nisa.nc_matmul(dst, tile[:, 0:48], tile[:, 48:68], tile_position=position, tile_size=size)
        return dst

    return body


SMALL = np.random.default_rng(8).integers(-4, 5, (40, 68)).astype(np.float32)


@pytest.mark.parametrize("position", [(0, 0), (64, 0), (64, 64), [0, 64]], ids=str)
def test_a_part_of_the_array_computes_the_same(run, position):
    expected = SMALL[:, :48].T @ SMALL[:, 48:]
    np.testing.assert_array_equal(run(part_of_the_array(position, (64, 64)), SMALL), expected)


@pytest.mark.parametrize(
    ("position", "size", "generation", "fragment"),
    [
        ((0, 0), (), "gen3", "tile_position and tile_size are (row, column) and (rows, columns)"),
        ((0, 0), (64, 48), "gen3", "with sizes of 32, 64, 128"),
        ((0, 0), (64, 32), "gen2", "with sizes of 64, 128"),
        ((32, 0), (64, 64), "gen3", "is no multiple of tile_size (64, 64)"),
        ((0, 128), (64, 64), "gen3", "inside the array of 128"),
        ((0, 0), (32, 64), "gen3", "does not fit the tile (32, 64) of the array"),
        ((0, 0), (64, 32), "gen3", "does not fit the tile (64, 32) of the array"),
    ],
)
def test_a_part_of_the_array_is_refused(run, position, size, generation, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(part_of_the_array(position, size), SMALL, generation=generation)
    assert fragment in str(error.value)


def passed_through(dtype):
    def body(x):
        tile = nl.load(x)
        dst = nl.ndarray((tile.shape[1], tile.shape[0]), dtype or tile.dtype, buffer=nl.psum)
        nisa.nc_matmul(dst, tile, nl.shared_identity_matrix(tile.shape[0], tile.dtype), is_transpose=True)
        return dst

    return body


def test_the_transpose_mode_is_bit_exact_from_gen3_on_and_a_product_before(run):
    x = np.float32([[1, np.nan, 3], [np.inf, 5, -0.0]])
    result = run(passed_through(None), x)
    np.testing.assert_array_equal(result.view(np.uint32), np.ascontiguousarray(x.T).view(np.uint32))
    assert np.isnan(run(passed_through(nl.float32), x, generation="gen2")).sum() == 3


def test_the_transpose_mode_takes_an_identity(run):
    with pytest.raises(emulator.NKIError, match="takes an identity as the moving one"):
        run(lambda a, b: product(a, b, is_transpose=True), A, B)


SPECIAL = np.float32([[1, np.nan, 3], [np.inf, 5, -0.0]])


def test_a_transposition_is_bit_exact_from_gen3_on(run):
    got = run(lambda x: nl.transpose(nl.load(x)), SPECIAL)
    assert got.tobytes() == np.ascontiguousarray(SPECIAL.T).tobytes()


def test_a_transposition_spreads_nan_on_gen2(run):
    got = run(lambda x: nl.transpose(nl.load(x)), SPECIAL, generation="gen2")
    np.testing.assert_array_equal(got, np.float32([[np.nan, np.inf], [np.nan, np.nan], [3, 0]]))


@pytest.mark.parametrize(("shape", "axes"), [((8, 6), (1, 0)), ((3, 5, 7), (2, 1, 0)), ((3, 2, 5, 7), (3, 1, 2, 0))])
def test_a_transposing_dma(run, shape, axes):
    x = RNG.standard_normal(shape).astype(ml_dtypes.bfloat16)

    def body(x):
        tile = nl.ndarray([shape[axis] for axis in axes], x.dtype)
        nisa.dma_transpose(tile, x, axes=axes)
        return tile

    np.testing.assert_array_equal(run(body, x), x.transpose(axes), strict=True)


@pytest.mark.parametrize("transpose_x", [False, True])
def test_nl_matmul(run, transpose_x):
    left = A if transpose_x else np.ascontiguousarray(A.T)
    got = run(lambda a, b: nl.matmul(nl.load(a), nl.load(b), transpose_x=transpose_x), left, B)
    np.testing.assert_array_equal(got, A.T @ B, strict=True)


@given(
    sizes=st.tuples(st.integers(1, 128), st.integers(1, 128), st.integers(1, 64)),
    dtype=st.sampled_from([np.float32, ml_dtypes.bfloat16, np.float16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_products_are_near_the_exact_ones(run, *, sizes, dtype, seed):
    k, m, n = sizes
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((k, free)).astype(dtype) for free in (m, n))
    got = run(lambda a, b: product(a, b, cast=a.dtype), a, b)
    exact = a.astype(np.float64).T @ b.astype(np.float64)
    bound = 2.0**-24 * (k + 1) * (np.abs(a.astype(np.float64)).T @ np.abs(b.astype(np.float64)))
    assert (np.abs(got - exact) <= bound + 1e-40).all()
