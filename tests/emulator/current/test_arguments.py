"""Kinds of arguments that a kernel takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pytest_nki_pool import emulator

nki = emulator.resolve("nki")
nl = emulator.resolve("nki.language")
X = np.arange(12, dtype=np.float32).reshape(3, 4)


@dataclass(frozen=True)
class Config(nl.NKIObject):
    factor: float
    dtype: str = nl.float32


def kernel(x, option=None):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.load(x))
    return out


ACCEPTED = {
    "None": None,
    "bool": True,
    "largest integer": 2**31 - 1,
    "smallest integer": -(2**31),
    "float": 0.1,
    "infinity": float("inf"),
    "string": "add",
    "dtype": np.dtype(np.float32),
    "tuple": (1, 2.0, (None, "x")),
    "dict": {"k": 2, "s": (1, 2)},
    "object": Config(2.0),
    "tensor in a tuple": (X, 1),
}
REFUSED = {
    "list": ([1, 2], "argument `option` is a list"),
    "set": ({1}, "argument `option` is a set"),
    "NumPy integer": (np.int32(3), "argument `option` is a int32"),
    "function": (len, "argument `option` is a builtin_function_or_method"),
    "integer above 32 bits": (2**31, "argument `option` = 2147483648 is no 32-bit integer"),
    "float above fp32": (1e39, "argument `option` = 1e+39 is no float32"),
    "list in a tuple": ((1, [2]), "argument `option[1]` is a list"),
    "list in a dict": ({"a": [2]}, "argument `option['a']` is a list"),
    "keys that are no strings": ({1: 2}, "argument `option` has keys that are no strings"),
}


@pytest.mark.parametrize("option", ACCEPTED.values(), ids=ACCEPTED)
def test_an_argument_is_accepted(option):
    np.testing.assert_array_equal(emulator.launch(nki.jit(kernel), X, option), X)
    np.testing.assert_array_equal(emulator.launch(nki.jit(kernel), X, option=option), X)


@pytest.mark.parametrize(("option", "fragment"), REFUSED.values(), ids=REFUSED)
def test_an_argument_is_refused(option, fragment):
    with pytest.raises(emulator.NKIError) as error:
        emulator.launch(nki.jit(kernel), X, option)
    assert fragment in str(error.value)


def test_a_keyword_only_parameter_is_refused():
    def starred(x, *, k):
        return kernel(x) if k else None

    with pytest.raises(emulator.NKIError, match="starred: parameter `k` is keyword-only"):
        emulator.launch(nki.jit(starred), X, k=1)


def test_tensors_inside_tuples_and_dicts():
    def add(pair, more):
        out = nl.ndarray(pair[0].shape, nl.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.add(nl.add(nl.load(pair[0]), nl.load(pair[1])), nl.load(more["x"])))
        return out

    np.testing.assert_array_equal(emulator.launch(nki.jit(add), (X, X), {"x": X}), 3 * X, strict=True)


def test_an_object_carries_its_fields():
    def scale(x, config):
        out = nl.ndarray(x.shape, config.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.multiply(nl.load(x), config.factor))
        return out

    np.testing.assert_array_equal(emulator.launch(nki.jit(scale), X, Config(3.0)), 3 * X, strict=True)
    np.testing.assert_array_equal(
        emulator.launch(nki.jit(scale), X, nl.NKIObject(factor=2.0, dtype="float32")), 2 * X, strict=True
    )
