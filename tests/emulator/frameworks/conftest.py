"""A pool on NumPy that stands for any kernel, as an `ArrayOp`."""

import numpy as np
import pytest

from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec


class Pool:
    """The operation, and what it was called with."""

    def __init__(self):
        self.calls = []

    def run(self, x, k):
        self.calls.append(x)
        if k > min(x.shape[1:]):
            self.refusal = KeyError(f"window {k}")
            raise self.refusal
        c, h, w = x.shape
        trimmed = x[:, : h // k * k, : w // k * k].astype(np.float32)
        return trimmed.reshape(c, h // k, k, w // k, k).mean(axis=(2, 4)).astype(x.dtype)

    def infer(self, x, k):
        c, h, w = x.shape
        return ArraySpec((c, h // k, w // k), x.dtype)

    def adjoint(self, grad, x, k):
        spread = np.repeat(np.repeat(grad.astype(np.float32), k, axis=1), k, axis=2) / np.float32(k * k)
        gradient = np.zeros(x.shape, x.dtype)
        gradient[:, : spread.shape[1], : spread.shape[2]] = spread.astype(x.dtype)
        return gradient


@pytest.fixture
def pool():
    return Pool()


@pytest.fixture
def pool_op(pool):
    return ArrayOp("pool", pool.run, pool.infer, adjoint=pool.adjoint)


@pytest.fixture
def image():
    return np.random.default_rng(0).standard_normal((2, 7, 6)).astype(np.float32)


@pytest.fixture
def every_bit_pattern():
    """All values of an 8 or 16 bit dtype, and a random choice of a wider one's, as (4, 8, n)."""

    def make(dtype):
        dtype = np.dtype(dtype)
        bits = np.dtype(f"u{dtype.itemsize}")
        if dtype.itemsize <= 2:
            return np.arange(2 ** (8 * dtype.itemsize)).astype(bits).reshape(4, 8, -1).view(dtype)
        return np.random.default_rng(1).integers(2**32, size=(4, 8, 64)).astype(bits).view(dtype)

    return make


@pytest.fixture
def two_op():
    """Two arrays and a float in, two arrays out."""

    def run(a, b, scale):
        return a + b, (a * np.float32(scale)).astype(np.int32)

    def infer(a, b, scale):
        return ArraySpec(a.shape, a.dtype), ArraySpec(a.shape, np.dtype(np.int32))

    return ArrayOp("two", run, infer, arrays=2, statics=(float,), outputs=2)
