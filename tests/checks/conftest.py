"""Launchers around plain functions, so that a check meets kernels that are wrong in one known way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.launch.kernel import Kernel
from pytest_nki_pool.launch.launcher import Launcher
from pytest_nki_pool.spec.dtypes import DTYPES, dtype_name
from pytest_nki_pool.spec.goldens import Goldens
from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec
from pytest_nki_pool.spec.oracle import windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.spec.kernel import Accuracy

    Pool = Callable[[np.ndarray, int], np.ndarray]


@pytest.fixture(scope="session")
def goldens() -> Goldens:
    return Goldens()


@pytest.fixture(scope="session")
def right() -> Pool:
    """Adds the elements of each window in order, in fp32, and rounds once."""

    def pool(x: np.ndarray, k: int) -> np.ndarray:
        assert 1 <= k <= min(x.shape[1:])
        terms = np.moveaxis(windows(x, k).reshape(*windows(x, k).shape[:3], -1), -1, 0).astype(np.float32)
        total = terms[0].copy()
        with np.errstate(all="ignore"):  # as an accelerator does
            for term in terms[1:]:
                total += term
        return DTYPES[dtype_name(x.dtype)].quantise((total / np.float32(k * k)).astype(np.float64))

    return pool


@pytest.fixture(scope="session")
def launcher() -> Callable[..., Launcher]:
    """``launcher(pool, backend="baremetal", accuracy="fp32")`` carries a function as if it were a kernel."""

    def make(pool: Pool, backend: str = "baremetal", accuracy: Accuracy = "fp32") -> Launcher:
        spec = KernelSpec("fake.py:pool", capabilities=Capabilities(accuracy=accuracy))
        unloaded: Any = None
        path = BACKENDS[backend].path()
        return Launcher(Kernel(spec, unloaded, ("x", "k")), backend, "emulator", "trn2", path, pool)

    return make
