"""`nki.language`: creation, loads and stores, element-wise functions, reductions, limits and ranges."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.random.default_rng(6).standard_normal((4, 6, 10)).astype(np.float32)
BF16 = ml_dtypes.bfloat16


def as_bf16(values):
    return values.astype(BF16)


COMPUTED = {
    "load": (nl.load, X),
    "load of a part": (lambda x: nl.load(x[1:3, 2]), X[1:3, 2]),
    "load casts": (lambda x: nl.load(x, dtype=nl.bfloat16), as_bf16(X)),
    "copy": (lambda x: nl.copy(nl.load(x)), X),
    "copy casts": (lambda x: nl.copy(nl.load(x), nl.bfloat16), as_bf16(X)),
    "copy of a view": (lambda x: nl.copy(nl.load(x)[:, 1:6:2, ::3]), X[:, 1:6:2, ::3]),
    "zeros": (lambda x: nl.zeros((2, 3), nl.float32), np.zeros((2, 3), np.float32)),
    "ones": (lambda x: nl.ones((2, 3), nl.int8), np.ones((2, 3), np.int8)),
    "full": (lambda x: nl.full((2, 3), 1.5, nl.float16), np.full((2, 3), 1.5, np.float16)),
    "full in psum": (lambda x: nl.full((2, 3), 4, nl.float32, buffer=nl.psum), np.full((2, 3), 4, np.float32)),
    "zeros in HBM": (lambda x: nl.zeros((300, 3), nl.float32, buffer=nl.hbm), np.zeros((300, 3), np.float32)),
    "dtype of NumPy": (lambda x: nl.zeros((2, 3), np.float16), np.zeros((2, 3), np.float16)),
    "shape as a list": (lambda x: nl.zeros([2, 3], x.dtype), np.zeros((2, 3), np.float32)),
    "buffer by its name": (lambda x: nl.zeros((2, 3), "float32", buffer="psum"), np.zeros((2, 3), np.float32)),
    "add": (lambda x: nl.add(nl.load(x), nl.load(x)), X + X),
    "subtract a number": (lambda x: nl.subtract(nl.load(x), 1), X - 1),
    "subtract from a number": (lambda x: nl.subtract(1.0, nl.load(x)), 1 - X),
    "multiply casts": (lambda x: nl.multiply(nl.load(x), 3.0, dtype=nl.bfloat16), as_bf16(X * 3)),
    "maximum": (lambda x: nl.maximum(nl.load(x), 0.0), np.maximum(X, 0)),
    "minimum": (lambda x: nl.minimum(nl.load(x), nl.load(x)), X),
    "two dtypes with a given one": (
        lambda x: nl.add(nl.load(x), nl.load(x, dtype=nl.bfloat16), dtype=nl.float32),
        X + as_bf16(X).astype(np.float32),
    ),
    "reciprocal": (lambda x: nl.reciprocal(nl.load(x)), 1 / X),
    "max": (lambda x: nl.max(nl.load(x), axis=2), X.max(axis=2)),
    "max of two axes": (lambda x: nl.max(nl.load(x), axis=[1, 2]), X.max(axis=(1, 2)).reshape(4, 1)),
    "min by negative axes": (lambda x: nl.min(nl.load(x), axis=(-1, -2)), X.min(axis=(1, 2)).reshape(4, 1)),
    "max with keepdims": (lambda x: nl.max(nl.load(x), [1, 2], keepdims=True), X.max(axis=(1, 2), keepdims=True)),
    "max of four free dimensions": (
        lambda x: nl.max(nl.load(x).ap([[60, 4], [20, 3], [2, 5], [10, 2], [1, 2]]), axis=[3, 4]),
        X.reshape(4, 3, 2, 5, 2).max(axis=(2, 4)),
    ),
    "sum": (lambda x: nl.sum(nl.ones((4, 6, 10), nl.float32), axis=[1, 2]), np.full((4, 1), 60, np.float32)),
    "mean": (lambda x: nl.mean(nl.full((4, 6, 10), 3, nl.float32), axis=[1, 2]), np.full((4, 1), 3, np.float32)),
    "mean of the last axis": (lambda x: nl.mean(nl.ones((4, 6, 10), nl.float32), 2), np.ones((4, 6), np.float32)),
    "prod": (lambda x: nl.prod(nl.full((4, 5), 2, nl.float32), 1), np.full((4, 1), 32, np.float32)),
}

REFUSED = {
    "load of a tile": (
        lambda x: nl.load(nl.load(x)),
        "load src must be in ['hbm', 'private_hbm', 'shared_hbm'], got sbuf",
    ),
    "load of an array": (lambda x: nl.load(X), "load src must be an NkiTensor, got ndarray"),
    "load of one dimension": (lambda x: nl.load(x[0, 0]), "must have at least 2 dimensions"),
    "load of too many partitions": (lambda x: nl.load(x.reshape((240, 1))), "partition dimension 240 exceeds"),
    "store of psum": (
        lambda x: nl.store(nl.ndarray((2, 2), nl.float32, nl.hbm), nl.zeros((2, 2), nl.float32, nl.psum)),
        "store value must be in ['sbuf'], got psum",
    ),
    "store of a number": (lambda x: nl.store(x, 1.0), "store value must be an NkiTensor, got float"),
    "store to a tile": (
        lambda x: nl.store(nl.load(x), nl.load(x)),
        "store dst must be in ['hbm', 'private_hbm', 'shared_hbm']",
    ),
    "store of another count": (
        lambda x: nl.store(x, nl.load(x[0])),
        "store requires src and dst to have the same number",
    ),
    "copy of HBM": (nl.copy, "copy x must be in ['sbuf', 'psum'], got hbm"),
    "a tile of one dimension": (lambda x: nl.ndarray((4,), nl.float32), "must have at least 2 dimensions"),
    "too many partitions": (lambda x: nl.ndarray((129, 4), nl.float32), "partition dimension 129 exceeds"),
    "size 0": (lambda x: nl.ndarray((4, 0), nl.float32), "has a dimension of size 0"),
    "negative size": (lambda x: nl.ndarray((4, -1), nl.float32), "has a dimension of size -1"),
    "size of no integer": (lambda x: nl.ndarray((4, 1.5), nl.float32), "sizes are static integers, got 1.5"),
    "no such dtype": (lambda x: nl.ndarray((4, 4), np.float64), "does not exist on a NeuronCore"),
    "no such buffer": (
        lambda x: nl.ndarray((4, 4), nl.float32, "sram"),
        "buffer 'sram' does not exist; use one of hbm",
    ),
    "sbuf that is full": (lambda x: nl.ndarray((1, 57345), nl.float32), "out of sbuf"),
    "psum that is full": (lambda x: nl.ndarray((1, 4097), nl.float32, nl.psum), "out of psum"),
    "full of a float in integers": (lambda x: nl.full((2, 2), 0.5, nl.int32), "full value 0.5 does not match"),
    "add of other shapes": (
        lambda x: nl.add(nl.load(x), nl.load(x)[:, 0:1]),
        "differ in shape; tiles do not broadcast",
    ),
    "add of numbers": (lambda x: nl.add(1.0, 2.0), "nl.add takes at least one tile, got float and float"),
    "add of an array": (lambda x: nl.add(nl.load(x), X), "nl.add takes tiles and numbers, got ndarray"),
    "add in HBM": (lambda x: nl.add(x, 1.0), "add operand must be in ['sbuf', 'psum'], got hbm"),
    "divide": (
        lambda x: nl.divide(nl.load(x), 4.0),
        "divide is not an operation of the engines; multiply by the reciprocal",
    ),
    "sum of the partitions": (lambda x: nl.sum(nl.load(x), axis=0), "nl.sum: axis 0 is the partition dimension"),
    "sum of the partitions from the end": (lambda x: nl.sum(nl.load(x), axis=-3), "nl.sum: axis 0 is the partition"),
    "sum of no axis": (lambda x: nl.sum(nl.load(x), axis=None), "axis of nl.sum: a static integer, got None"),
    "sum of an axis of no integer": (
        lambda x: nl.sum(nl.load(x), axis=[1.0]),
        "axis of nl.sum: a static integer, got 1.0",
    ),
    "sum of an inner axis": (
        lambda x: nl.sum(nl.load(x), axis=[1]),
        "has to be the last free dimensions without a gap",
    ),
    "sum in HBM": (lambda x: nl.sum(x, axis=2), "sum x must be in ['sbuf', 'psum'], got hbm"),
}


def named(table):
    return [pytest.param(*row, id=name) for name, row in table.items()]


@pytest.mark.parametrize(("body", "expected"), named(COMPUTED))
def test_a_function_computes(run, body, expected):
    np.testing.assert_array_equal(run(body, X), expected, strict=True)


@pytest.mark.parametrize(("body", "fragment"), named(REFUSED))
def test_a_function_is_refused(run, body, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(body, X)
    assert fragment in str(error.value)


def test_store_casts(run):
    def body(x):
        out = nl.ndarray((4, 6, 10), nl.bfloat16, buffer=nl.private_hbm)
        nl.store(out, nl.load(x))
        return out

    np.testing.assert_array_equal(run(body, X), as_bf16(X), strict=True)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("float32", "bfloat16", "float32"),
        ("float16", "bfloat16", "float32"),
        ("float8_e4m3", "float8_e5m2", "bfloat16"),
        ("int8", "uint8", "int16"),
        ("int32", "uint32", "float32"),
        ("int32", "bfloat16", "bfloat16"),
        ("uint8", "int32", "int32"),
    ],
)
def test_two_dtypes_promote(run, left, right, expected):
    def body(x):
        tiles = nl.load(x, left), nl.load(x, right)
        assert nl.where(tiles[0], *tiles).dtype == expected
        return nl.add(*tiles)

    result = run(body, np.float32([[1, 2, 3, 4]]))
    np.testing.assert_array_equal(result.astype(np.float32), [[2, 4, 6, 8]])
    assert result.dtype.name == expected


def test_a_sum_rounds_to_the_dtype_of_its_input(run):
    x = np.float32([[256, 1, 1, 1]]).astype(BF16)
    assert run(lambda x: nl.sum(nl.load(x), 1), x) == BF16(260)
    assert run(lambda x: nl.sum(nl.load(x), 1, dtype=nl.float32), x) == np.float32(259)


def test_a_mean_rounds_once(run):
    x = np.full((1, 4), 60000, np.float16)
    assert run(lambda x: nl.mean(nl.load(x), 1), x) == np.float16(60000)
    assert run(lambda x: nl.sum(nl.load(x), 1), x) == np.float16(np.inf)


@pytest.mark.parametrize(("generation", "kib"), [("gen2", 192), ("gen3", 224), ("gen4", 256)])
def test_tile_size_tells_the_generation(run, generation, kib):
    def body(x):
        assert nl.tile_size.sbuf_fmax_bytes == nl.tile_size.total_available_sbuf_size == kib * 1024
        assert nl.tile_size.psum_num_banks * nl.tile_size.psum_bank_fmax_bytes == 16 * 1024
        assert nl.tile_size.sbuf_fmax == kib * 256
        assert nl.tile_size.sbuf_size_bytes == 128 * kib * 1024
        nl.ndarray((128, kib * 256), nl.float32)

    run(body, X, generation=generation)


def test_tile_size_outside_a_launch():
    assert (nl.tile_size.pmax, nl.tile_size.psum_fmax, nl.tile_size.gemm_moving_fmax) == (128, 512, 512)
    with pytest.raises(emulator.NKIError, match=r"'nl.tile_size.sbuf_fmax_bytes' outside of NKI kernels"):
        _ = nl.tile_size.sbuf_fmax_bytes


@pytest.mark.parametrize("name", ["psum_min_align", "sbuf_min_align"])
def test_alignments_are_not_supported(name):
    with pytest.raises(emulator.UnsupportedByEmulator, match=f"nl.tile_size.{name}"):
        getattr(nl.tile_size, name)


@pytest.mark.parametrize(("generation", "dtype"), [("gen2", "float8_e5m2"), ("gen3", "float8_e4m3fn")])
def test_a_generation_lacks_a_dtype(run, generation, dtype):
    with pytest.raises(emulator.NKIError, match=f"dtype {dtype} does not exist on {generation}"):
        run(lambda x: nl.zeros((2, 2), getattr(nl, dtype)), X, generation=generation)
    run(lambda x: nl.zeros((2, 2), getattr(nl, dtype)), X, generation="gen4")


@pytest.mark.parametrize("name", ["affine_range", "sequential_range", "static_range"])
def test_a_range_gives_python_integers(name):
    loop = getattr(nl, name)
    assert list(loop(3)) == [0, 1, 2]
    assert list(loop(1, 7, 2)) == [1, 3, 5]
    assert all(type(i) is int for i in loop(3))


def test_buffers_and_dtypes_are_those_of_tensors(run):
    def body(x):
        tile = nl.load(x)
        assert (x.buffer, tile.buffer) == (nl.hbm, nl.sbuf)
        assert x.dtype == tile.dtype == nl.float32
        assert nl.private_hbm == nl.hbm
        assert [f(tile.buffer) for f in (nl.is_sbuf, nl.is_on_chip, nl.is_psum, nl.is_hbm)] == [
            True,
            True,
            False,
            False,
        ]
        assert [f(x.buffer) for f in (nl.is_sbuf, nl.is_on_chip, nl.is_psum, nl.is_hbm)] == [False, False, False, True]
        assert [f(nl.psum) for f in (nl.is_sbuf, nl.is_on_chip, nl.is_psum, nl.is_hbm)] == [False, True, True, False]
        assert nl.is_hbm(nl.shared_hbm)

    run(body, X)


def test_a_tile_is_freed_with_its_last_reference(run):
    def body(x):
        for _ in nl.affine_range(4):
            tile = nl.ndarray((128, 28000), nl.float32)
            view = tile[:, 0:3]
            del tile
            assert view.size == 384

    run(body, X)

    def hoard(x):
        views = [nl.ndarray((128, 28000), nl.float32, name=f"band{i}")[:, 0:3] for i in range(3)]
        assert views

    with pytest.raises(emulator.NKIError, match=r"out of sbuf: tensor `band2`.*held by tensor `band"):
        run(hoard, X)


def test_an_api_outside_of_a_kernel():
    with pytest.raises(emulator.NKIError, match=r"'nl.ndarray' outside of NKI kernels") as error:
        nl.ndarray((2, 2), nl.float32)
    assert error.value.rule == "err_nki_api_outside_of_nki_kernel"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("rand", ""),
        ("gather_flattened", ""),
        ("fori_loop", "nl.static_range"),
        ("softmax", "nisa.activation(op=nl.exp)"),
    ],
)
def test_other_functions_are_not_supported(name, nearest):
    with pytest.raises(
        emulator.UnsupportedByEmulator, match=rf"nki\.language\.{name} of the current dialect.*{re.escape(nearest)}$"
    ):
        getattr(nl, name)


@pytest.mark.parametrize("name", ["arange", "mgrid", "par_dim", "spmd_dim", "static_cast"])
def test_names_of_the_legacy_dialect_do_not_exist(name):
    with pytest.raises(AttributeError, match=rf"module 'nki.language' has no attribute '{name}'"):
        getattr(nl, name)


def at(shape, address, buffer=nl.sbuf):
    return nl.ndarray(shape, nl.float32, buffer=buffer, address=address)


def test_tensors_at_addresses_of_their_own_keep_what_they_hold(run):
    def body(x):
        tiles = [at((4, 8), address) for address in ((0, 0), (0, 32), (32, 0), (0, 196608))]
        for number, tile in enumerate(tiles):
            nisa.memset(tile, float(number))
        return nl.copy(tiles[0])

    assert (run(body, X) == 0).all()


def test_a_tensor_loses_its_memory_to_a_later_one_at_the_same_address(run):
    def body(x):
        first = at((4, 8), (0, 0))
        nisa.memset(first, 1.0)
        second = at((4, 8), (0, 28))
        nisa.memset(second, 2.0)
        return first

    with pytest.raises(emulator.NKIError, match=r"all 32 elements of tensor .* are undefined"):
        run(body, X)


def test_memory_at_one_address_is_used_again_and_again(run):
    def body(x):
        kept = []
        for _ in range(3):
            kept.append(at((128, 40000), (0, 0)))
            nisa.memset(kept[-1], 1.0)
        return nl.copy(kept[-1][0:1, 0:4])

    assert (run(body, X) == 1).all()


@pytest.mark.parametrize(
    ("shape", "address", "buffer", "fragment"),
    [
        ((4, 8), (16, 0), nl.sbuf, "start at a multiple of 32 and end at 128"),
        ((64, 8), (96, 0), nl.sbuf, "start at a multiple of 32 and end at 128"),
        ((4, 8), (0, 229360), nl.sbuf, "spans bytes [229360, 229392) of a partition, which has 229376"),
        ((4, 8), (0, 16384), nl.psum, "which has 16384"),
        ((4, 8), (0, -4), nl.sbuf, "spans bytes [-4, 28)"),
        ((4, 8), (0, 0), nl.private_hbm, "an address is that of a tensor in SBUF or PSUM"),
        ((4, 8), (0,), nl.sbuf, "(first partition, first byte), got (0,)"),
        ((4, 8), 0, nl.sbuf, "a tuple or a list of static integers, got 0"),
    ],
)
def test_an_address_is_refused(run, shape, address, buffer, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: at(shape, address, buffer), X)
    assert fragment in str(error.value)
