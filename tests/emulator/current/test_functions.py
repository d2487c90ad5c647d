"""`nki.language`: element-wise functions, comparisons, bit operations, selection, matrices."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.random.default_rng(11).standard_normal((4, 6, 10)).astype(np.float32)
Y = np.where(X > 1, X, np.roll(X, 1)).astype(np.float32)
INTS = np.random.default_rng(12).integers(-(2**31), 2**31, (4, 60), dtype=np.int64).astype(np.int32)


def scalar(function):
    return np.vectorize(function, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def normal(x):
    return math.erfc(-x / math.sqrt(2)) / 2


#: Functions of one value, computed by the standard library in fp64.
REFERENCE = {
    "abs": abs,
    "arctan": math.atan,
    "ceil": math.ceil,
    "cos": math.cos,
    "erf": math.erf,
    "erf_dx": lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),
    "exp": math.exp,
    "floor": math.floor,
    "gelu": lambda x: x * normal(x),
    "gelu_apprx_sigmoid": lambda x: x * sigmoid(1.702 * x),
    "gelu_apprx_sigmoid_dx": lambda x: sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))),
    "gelu_apprx_tanh": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_dx": lambda x: normal(x) + x * density(x),
    "log": lambda x: math.log(x) if x > 0 else math.nan,
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "negative": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: max(x, 0.0),
    "rsqrt": lambda x: 1 / math.sqrt(x) if x > 0 else math.nan,
    "sigmoid": sigmoid,
    "sign": lambda x: math.copysign(1, x),
    "silu": lambda x: x * sigmoid(x),
    "silu_dx": lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "sin": math.sin,
    "softplus": lambda x: math.log1p(math.exp(x)),
    "sqrt": lambda x: math.sqrt(x) if x > 0 else math.nan,
    "square": lambda x: x * x,
    "tan": math.tan,
    "tanh": math.tanh,
    "trunc": math.trunc,
}
PREDICATES = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}


@pytest.mark.parametrize("name", REFERENCE)
def test_a_function_of_one_value(run, name):
    expected = scalar(REFERENCE[name])(X.astype(np.float64)).astype(np.float32)
    got = run(lambda x: getattr(nl, name)(nl.load(x)), X)
    # The last bit is the reference's own: the standard library rounds every step to fp64.
    np.testing.assert_allclose(got, expected, rtol=2**-23, atol=1e-38, strict=True)
    halves = run(lambda x: getattr(nl, name)(nl.load(x), dtype=nl.bfloat16), X)
    rounded = got.astype(ml_dtypes.bfloat16)
    assert halves.dtype == rounded.dtype
    np.testing.assert_array_equal(halves.astype(np.float32), rounded.astype(np.float32))


@pytest.mark.parametrize("name", ["gelu", "gelu_apprx_sigmoid", "gelu_apprx_tanh", "mish", "silu"])
def test_a_gate_closes_at_minus_infinity(run, name):
    x = np.float32([[-np.inf, np.inf, np.nan]])
    np.testing.assert_array_equal(run(lambda x: getattr(nl, name)(nl.load(x)), x), np.float32([[0, np.inf, np.nan]]))


@pytest.mark.parametrize("name", PREDICATES)
def test_a_predicate_gives_one_and_zero_in_the_dtype_of_its_input(run, name):
    got = run(lambda x, y: getattr(nl, name)(nl.load(x), nl.load(y)), X, Y)
    np.testing.assert_array_equal(got, PREDICATES[name](X, Y).astype(np.float32), strict=True)
    got = run(lambda x: getattr(nl, name)(nl.load(x, nl.bfloat16), 0, dtype=nl.uint8), X)
    np.testing.assert_array_equal(got, PREDICATES[name](X, 0).astype(np.uint8), strict=True)


COMPUTED = {
    "abs_max": (nl.abs_max, lambda x, y: np.where(abs(x) > abs(y), x, y), "gen4"),
    "abs_min": (nl.abs_min, lambda x, y: np.where(abs(x) < abs(y), x, y), "gen4"),
    "power": (lambda x, y: nl.power(nl.abs(x), y), lambda x, y: abs(x) ** y, "gen3"),
    "logical_not": (lambda x, y: nl.logical_not(nl.greater(x, y)), lambda x, y: (x <= y).astype(np.float32), "gen3"),
    "where": (lambda x, y: nl.where(nl.less(x, y), x, y), np.minimum, "gen3"),
    "where with a number": (
        lambda x, y: nl.where(nl.greater(x, 0.0), x, 0.0),
        lambda x, _: np.maximum(x, np.float32(0)),
        "gen3",
    ),
    "where of a number": (
        lambda x, y: nl.where(nl.greater(x, 0.0), 1.5, y),
        lambda x, y: np.where(x > 0, np.float32(1.5), y),
        "gen3",
    ),
    "expand_dims": (lambda x, y: nl.expand_dims(x, 1), lambda x, _: x[:, None], "gen3"),
    "expand_dims at the end": (lambda x, y: nl.expand_dims(x, -1), lambda x, _: x[..., None], "gen3"),
    "broadcast_to": (
        lambda x, y: nl.broadcast_to(x[:, 0:1], (4, 6, 10)),
        lambda x, _: np.broadcast_to(x[:, 0:1], x.shape),
        "gen3",
    ),
    "empty_like": (
        lambda x, y: nisa.tensor_copy(like := nl.empty_like(x), y) or like,
        lambda x, y: y,
        "gen3",
    ),
    "zeros_like": (lambda x, y: nl.zeros_like(x, nl.int8), lambda x, _: np.zeros(x.shape, np.int8), "gen3"),
    "all": (
        lambda x, y: nl.all(nl.greater(x, -1.0), axis=2),
        lambda x, _: (x > -1).all(axis=2).astype(np.float32),
        "gen3",
    ),
    "identity": (
        lambda x, y: nl.shared_identity_matrix(5, nl.bfloat16),
        lambda *_: np.eye(5, dtype=ml_dtypes.bfloat16),
        "gen3",
    ),
    "dynamic_range": (lambda x, y: [nl.add(x, y) for _ in nl.dynamic_range(2)][1], np.add, "gen3"),
}


@pytest.mark.parametrize(("body", "expected", "generation"), COMPUTED.values(), ids=COMPUTED)
def test_a_function_of_two_tiles(run, body, expected, generation):
    got = run(lambda x, y: body(nl.load(x), nl.load(y)), X, Y, generation=generation)
    np.testing.assert_array_equal(got, expected(X, Y), strict=True)


def test_a_variance_keeps_its_dimensions(run):
    got = run(lambda x: nl.var(nl.load(x), axis=[1, 2]), X)
    np.testing.assert_allclose(got, X.astype(np.float64).var(axis=(1, 2), keepdims=True), rtol=1e-6)
    assert got.shape == (4, 1, 1)


def test_a_transposing_load(run):
    matrix = X.reshape(4, 60)
    got = run(lambda x: nl.load_transpose2d(x, dtype=nl.bfloat16), matrix)
    np.testing.assert_array_equal(got, matrix.T.astype(ml_dtypes.bfloat16), strict=True)


EXACT = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "less": np.less}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_32_bit_integers_are_exact_and_wrap_around(run, name, dtype):
    a, b = INTS.view(dtype), INTS[::-1].copy().view(dtype)
    got = run(lambda a, b: getattr(nl, name)(nl.load(a), nl.load(b)), a, b)
    np.testing.assert_array_equal(got, EXACT[name](a, b).astype(dtype), strict=True)


def on_vector(a, b):
    result = nl.ndarray(a.shape, a.dtype)
    nisa.tensor_tensor(result, a, b, nl.add, engine=nisa.engine.vector)
    return result


@pytest.mark.parametrize("combine", [on_vector, lambda a, b: nl.add(psum(a), b)], ids=["VectorE", "psum"])
def test_32_bit_integers_round_outside_of_gpsimd(run, combine):
    values = np.int32([[2**24 + 1, -(2**24) - 1, 5, 7]])
    got = run(lambda a: combine(nl.load(a), nl.zeros((1, 4), nl.int32)), values)
    np.testing.assert_array_equal(got, values.astype(np.float32).astype(np.int32), strict=True)
    assert (got != values).any()


BITS = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
}


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32"])
def test_bit_patterns_are_not_cast(run, name, dtype):
    values = INTS.astype(dtype)
    unsigned = np.dtype(f"u{values.itemsize}")
    got = run(lambda a: getattr(nl, name)(nl.load(a), 3), values)
    np.testing.assert_array_equal(got, BITS[name](values.view(unsigned), unsigned.type(3)).view(dtype), strict=True)
    amounts = np.abs(values % 8).astype(dtype)
    got = run(lambda a, b: getattr(nl, name)(nl.load(a), nl.load(b)), values, amounts)
    expected = BITS[name](values.view(unsigned), amounts.view(unsigned)).view(dtype)
    np.testing.assert_array_equal(got, expected, strict=True)


def test_a_shifted_number(run):
    amounts = np.uint8([[0, 1, 7, 3]])
    np.testing.assert_array_equal(run(lambda a: nl.left_shift(1, nl.load(a)), amounts), np.uint8([[1, 2, 128, 8]]))


def test_invert_flips_every_bit(run):
    np.testing.assert_array_equal(run(lambda a: nl.invert(nl.load(a)), INTS), ~INTS, strict=True)


def psum(tile):
    copy = nl.ndarray(tile.shape, tile.dtype, nl.psum)
    nisa.tensor_copy(copy, tile)
    return copy


REFUSED = {
    "mod": (lambda x: nl.mod(x, 2.0), "mod is not an operation of the engines"),
    "fmod": (lambda x: nl.fmod(x, x), "fmod is not an operation of the engines"),
    "abs_max before gen4": (lambda x: nl.abs_max(x, x), "abs_max needs NeuronCore-v4 or newer, got gen3"),
    "power of a number": (lambda x: nl.power(x, 2.0), "nl.power takes two tiles"),
    "power in psum": (lambda x: nl.power(x, psum(x)), "nl.power runs on GpSimdE, which cannot reach psum"),
    "bits of floats": (lambda x: nl.bitwise_and(x, x), "operations on bit patterns take integers"),
    "bits of two widths": (
        lambda x: nl.bitwise_and(nl.zeros((4, 2), nl.int8), 1, dtype=nl.int16),
        "operations on bit patterns do not cast",
    ),
    "bits and a float": (
        lambda x: nl.bitwise_or(nl.zeros((4, 2), nl.int8), 0.5),
        "nl.bitwise_or takes integers for an operation on bit patterns, got 0.5",
    ),
    "bits and infinity": (lambda x: nl.bitwise_or(nl.zeros((4, 2), nl.int8), float("inf")), "patterns, got inf"),
    "comparison of numbers": (lambda x: nl.less(1, 2), "takes at least one tile"),
    "where of numbers": (lambda x: nl.where(x, 1, 2), "nl.where takes at least one tile"),
    "where of another shape": (lambda x: nl.where(x[:, 0:1], x, 0.0), "differ in shape; tiles do not broadcast"),
    "broadcast_to of another rank": (
        lambda x: nl.broadcast_to(x, (4, 1, 6, 10)),
        "every dimension stays or has size 1",
    ),
    "broadcast_to of a size above 1": (
        lambda x: nl.broadcast_to(x, (4, 12, 10)),
        "every dimension stays or has size 1",
    ),
    "transpose of three dimensions": (nl.transpose, "of 'transpose' exceed max supported number of dimensions of 2."),
    "function of a number": (lambda x: nl.exp(1.0), "exp x must be an NkiTensor, got float"),
    "range with step 0": (lambda x: nl.static_range(0, 4, 0), "the step of a range is at least 1, got 0"),
    "range over a tensor": (nl.dynamic_range, "bound or step of a range: a static integer"),
}


@pytest.mark.parametrize(("body", "fragment"), REFUSED.values(), ids=REFUSED)
def test_a_function_is_refused(run, body, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: body(nl.load(x)), X)
    assert fragment in str(error.value)


NOT_SUPPORTED = {
    "partition broadcast": (lambda x: nl.broadcast_to(x[0:1], (4, 6, 10)), "nl.broadcast_to along the partition"),
}


@pytest.mark.parametrize(("body", "fragment"), NOT_SUPPORTED.values(), ids=NOT_SUPPORTED)
def test_a_function_is_not_supported(run, body, fragment):
    with pytest.raises(emulator.UnsupportedByEmulator) as error:
        run(lambda x: body(nl.load(x)), X)
    assert fragment in str(error.value)


def test_a_region_without_reordering(run):
    def body(x):
        with nl.no_reorder():
            return nl.add(nl.load(x), 1.0)

    np.testing.assert_array_equal(run(body, X), X + 1, strict=True)


def test_device_print_writes_to_the_output(run, capsys):
    run(lambda x: nl.device_print("tile:", nl.load(x)[0:1, 0:1, 0:2]), np.ones((4, 6, 10), np.float32))
    assert capsys.readouterr().out == "tile:\n[[[1. 1.]]]\n"


def test_device_print_takes_a_string(run):
    with pytest.raises(emulator.NKIError, match="print_prefix must be a string, got 3"):
        run(lambda x: nl.device_print(3, x), X)


DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "int8": np.int8}


@given(
    name=st.sampled_from(sorted(PREDICATES)),
    left=st.sampled_from(sorted(DTYPES)),
    right=st.sampled_from(sorted(DTYPES)),
    result=st.sampled_from(sorted(DTYPES)),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_predicates(run, *, name, left, right, result, seed):
    values = np.random.default_rng(seed).integers(-3, 4, (2, 4, 16))
    a, b = values[0].astype(DTYPES[left]), values[1].astype(DTYPES[right])
    got = run(lambda a, b: getattr(nl, name)(nl.load(a), nl.load(b), dtype=result), a, b)
    expected = PREDICATES[name](values[0], values[1]).astype(DTYPES[result])
    np.testing.assert_array_equal(got.astype(np.float64), expected.astype(np.float64), strict=True)
    assert got.dtype == expected.dtype
