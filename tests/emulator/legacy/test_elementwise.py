"""Elementwise functions against NumPy, in fp32 with one rounding at the end."""

from __future__ import annotations

import math
import operator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

A = np.array([[-2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0, 7.25], [4.0, 1.5, -3.0, 2.0, 0.25, -8.0, 6.0, 1.0]], np.float32)
B = np.array([[2.0, -1.0, 3.0, 0.0, 0.5, -2.0, 3.0, 2.0], [4.0, 2.5, 3.0, -2.0, 1.25, 8.0, 6.0, 3.0]], np.float32)
K = np.array([[5, 3, 0, 255, 16, 7, 1, 2], [9, 8, 129, 64, 3, 1, 0, 6]], np.int32)
J = np.array([[3, 1, 2, 4, 0, 7, 1, 3], [2, 2, 1, 1, 3, 0, 5, 4]], np.int32)


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def applied(function: Any, *arrays: np.ndarray, **options: Any) -> Any:
    def kernel(*tensors: Any) -> Any:
        return stored(function(*map(nl.load, tensors), **options))

    return launch(kernel, *arrays)


UNARY = {
    "abs": np.abs,
    "negative": np.negative,
    "sign": np.sign,
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "square": np.square,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "silu_dx": lambda x: (1 + np.exp(-x) * (1 + x)) / (1 + np.exp(-x)) ** 2,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "erf": np.vectorize(math.erf),
    "erf_dx": lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "gelu_apprx_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_apprx_sigmoid": lambda x: x / (1 + np.exp(-1.702 * x)),
}


@pytest.mark.parametrize("name", sorted(UNARY))
def test_function_of_one_value(name: str) -> None:
    expected = UNARY[name](A.astype(np.float64))
    assert np.allclose(applied(getattr(nl, name), A), expected, rtol=3e-7, atol=1e-7)
    rounded = applied(getattr(nl, name), A.astype(ml_dtypes.bfloat16), dtype=nl.float32)
    assert rounded.dtype == np.float32
    assert np.allclose(rounded, expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["log", "sqrt", "rsqrt", "reciprocal"])
def test_function_of_a_positive_value(name: str) -> None:
    functions = {"log": np.log, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": np.reciprocal}
    x = np.abs(A) + 0.25
    assert np.allclose(applied(getattr(nl, name), x), functions[name](x.astype(np.float64)), rtol=3e-7)


COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
LOGICAL = ["logical_and", "logical_or", "logical_xor"]


@pytest.mark.parametrize("name", COMPARISONS + LOGICAL)
def test_predicate_gives_a_bool_unless_told_otherwise(name: str) -> None:
    expected = getattr(np, name)(A, B)
    result = applied(getattr(nl, name), A, B)
    assert result.dtype == np.bool_
    assert np.array_equal(result, expected)
    as_int8 = applied(getattr(nl, name), A, B, dtype=nl.int8)
    assert as_int8.dtype == np.int8
    assert np.array_equal(as_int8, expected.astype(np.int8))


@pytest.mark.parametrize(
    ("compare", "name"),
    [(getattr(operator, n), m) for n, m in zip(["eq", "ne", "lt", "le", "gt", "ge"], COMPARISONS, strict=True)],
    ids=COMPARISONS,
)
def test_comparison_operator(compare: Any, name: str) -> None:
    assert np.array_equal(applied(compare, A, B), getattr(np, name)(A, B))
    assert np.array_equal(applied(lambda tile: compare(tile, 1), A), getattr(np, name)(A, 1))


@pytest.mark.parametrize("name", ["maximum", "minimum", "mod", "fmod"])
def test_arithmetic_of_two_tiles(name: str) -> None:
    b = np.where(B == 0, 1, B).astype(np.float32)
    assert np.array_equal(applied(getattr(nl, name), A, b), getattr(np, name)(A, b))


def test_power() -> None:
    x = np.abs(A)
    assert np.allclose(applied(nl.power, x, B), np.power(x, B), rtol=1e-6)
    assert np.array_equal(applied(lambda tile: tile**2, A), A**2)


def test_logical_not() -> None:
    assert np.array_equal(applied(nl.logical_not, A), A == 0)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"])
@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int16], ids=str)
def test_bits(name: str, dtype: Any) -> None:
    a, b = (K % 120).astype(dtype), J.astype(dtype)
    assert np.array_equal(applied(getattr(nl, name), a, b), getattr(np, name)(a, b))
    assert np.array_equal(applied(lambda tile: getattr(nl, name)(tile, 3), a), getattr(np, name)(a, dtype(3)))
    assert np.array_equal(
        applied(lambda x, y: nisa.tensor_tensor(x, y, getattr(np, name)), a, b), getattr(np, name)(a, b)
    )


def test_invert_flips_every_bit() -> None:
    assert np.array_equal(applied(nl.invert, K), ~K)


def test_bits_of_a_float_are_refused() -> None:
    with pytest.raises(NKIError, match="bit patterns take integers"):
        applied(nl.bitwise_and, A, B)


def test_where() -> None:
    flags = A > 0
    assert np.array_equal(applied(nl.where, flags.astype(np.uint8), A, B), np.where(flags, A, B))
    assert np.array_equal(applied(lambda x: nl.where(x > 0, x, 9.0), A), np.where(flags, A, 9))
    row = np.array([[1.0], [2.0]], np.float32)
    assert np.array_equal(applied(lambda x, r: nl.where(x > 0, x, r), A, row), np.where(flags, A, row))
    with pytest.raises(NKIError, match="one of x and y is a tensor"):
        applied(lambda x: nl.where(x > 0, 1, 0), A)


def test_where_does_not_look_at_what_it_does_not_take() -> None:
    def kernel(x: Any) -> Any:
        column = nl.arange(8)[None, :]
        part = nl.load(x, mask=column < 4)
        flags = nl.zeros((2, 8), nl.uint8)
        flags[:, 0:4] = 1
        return stored(nl.where(flags, part, 5.0))

    assert np.array_equal(launch(kernel, A), np.where(np.arange(8) < 4, A, 5))


def test_reductions_of_truth_products_and_variance() -> None:
    assert np.array_equal(applied(lambda x: nl.all(x, axis=1), A)[:, 0], np.all(A, axis=1))
    assert np.allclose(applied(lambda x: nl.prod(x, axis=1), B)[:, 0], np.prod(B, axis=1))
    assert np.allclose(applied(lambda x: nl.var(x, axis=1), A)[:, 0], np.var(A, axis=1), rtol=1e-6)
    assert np.array_equal(
        applied(lambda x: nisa.tensor_reduce(np.logical_or, x, axis=[1], dtype=nl.uint8), A)[:, 0], [1, 1]
    )
    assert np.array_equal(
        applied(lambda x: nisa.tensor_reduce(np.bitwise_xor, x, axis=[1]), K)[:, 0], np.bitwise_xor.reduce(K, axis=1)
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda t: nl.add(t, 1, out=t),
            "nl.add(x, y, *, dtype=None, mask=None) got an unexpected keyword argument 'out'",
        ),
        (lambda t: nl.exp(t, nl.float32), "nl.exp(x, *, dtype=None, mask=None) takes 1 positional argument but 2 were"),
        (
            nl.sum,
            "nl.sum(x, axis, *, dtype=None, mask=None, keepdims=False) missing 1 required positional",
        ),
        (lambda t: nl.zeros((2, 2), nl.float32, nl.sbuf), "nl.zeros(shape, dtype, *, buffer=None, name='') takes 2"),
        (lambda t: nisa.tensor_copy(t, out=t), "nisa.tensor_copy(src, *, mask=None, dtype=None"),
        (lambda t: nisa.dma_copy(t, t), "nisa.dma_copy(*, dst, src"),
        (lambda t: nisa.iota(nl.arange(2)[:, None]), "nisa.iota(expr, dtype, *, mask=None) missing 1 required"),
    ],
)
def test_a_wrong_argument_names_the_right_ones(call: Any, says: str) -> None:
    with pytest.raises(NKIError) as error:
        applied(call, A)
    assert says in str(error.value)
    assert __file__ in error.value.where


def test_a_type_error_of_the_kernel_stays_one() -> None:
    def kernel(x: Any) -> Any:
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match=r"object of type 'int' has no len\(\)"):
        launch(kernel, A)


def test_a_type_error_inside_a_function_stays_one() -> None:
    class Unprintable:
        def __format__(self, spec: str) -> str:
            raise TypeError("no text for this")

    with pytest.raises(TypeError, match="no text for this"):
        applied(lambda x: nl.device_print("x is", Unprintable()) or x, A)


def test_limits_and_casts() -> None:
    assert nl.fp32.min == np.finfo(np.float32).min
    assert nl.finfo(nl.bfloat16).max == float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)
    assert nl.finfo("float8_e4m3").max == 240
    assert nl.static_cast(A, nl.bfloat16).dtype == ml_dtypes.bfloat16
    with pytest.raises(NKIError, match="floating-point dtype"):
        nl.finfo(nl.int8)


def test_device_print_prints_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    applied(lambda x: nl.device_print("x is", x) or x, A[:, :1])
    assert capsys.readouterr().out == "x is [[-2.5]\n [ 4. ]]\n"


def test_views_of_a_tile() -> None:
    assert np.array_equal(applied(lambda x: nl.copy(x.view(nl.int32)), A), A.view(np.int32))
    assert applied(lambda x: nl.expand_dims(x, 2), A).shape == (2, 8, 1)
    column = A[:, :1]
    assert np.array_equal(applied(lambda x: nl.copy(nl.broadcast_to(x, shape=(2, 5))), column), np.repeat(column, 5, 1))
