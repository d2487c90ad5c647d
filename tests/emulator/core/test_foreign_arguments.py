"""Whatever stands where an array belongs: a kernel that hands it back gives its values, or it is refused."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import language as legacy

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def locked(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


TAKEN = {
    "Fortran order": np.asfortranarray(X),
    "backward": X[::-1, ::-1],
    "strided": X[::2, ::2],
    "broadcast": np.broadcast_to(np.float32(1), (4, 4)),
    "read-only": locked(X),
    "fp16": X.astype(np.float16),
    "bf16": X.astype(ml_dtypes.bfloat16),
    "uint32": X.astype(np.uint32),
    "bool": X.astype(np.bool_),
}
REFUSED = {
    "NumPy number": np.float32(3),
    "rank 0": np.zeros((), np.float32),
    "no rows": np.zeros((0, 3), np.float32),
    "no columns": np.zeros((3, 0), np.float32),
    "rank 1": np.zeros(5, np.float32),
    "200 rows": np.zeros((200, 2), np.float32),
    "big-endian": X.astype(">f4"),
    "fp64": X.astype(np.float64),
    "int64": X.astype(np.int64),
    "complex": X.astype(np.complex64),
    "int4": X.astype(ml_dtypes.int4),
    "objects": np.array([[object()]]),
    "text": np.array([["a", "b"]]),
    "times": np.zeros((2, 2), "M8[s]"),
    "records": np.zeros((2, 2), [("a", np.float32)]),
    "nested list": X.tolist(),
    "tuple": (X,),
    "dict": {"a": X},
    "string": "x",
    "bytes": b"x",
    "None": None,
    "function": len,
    "type": np.float16,
    "range": range(3),
}


def legacy_copy(x: Any) -> Any:
    tile = legacy.load(x)
    out = legacy.ndarray(tile.shape, tile.dtype, buffer=legacy.shared_hbm)
    legacy.store(out, tile)
    return out


@jit
def current_copy(x):
    tile = current.load(x)
    out = current.ndarray(tile.shape, tile.dtype, buffer=current.shared_hbm)
    current.store(out, tile)
    return out


KERNELS = pytest.mark.parametrize("kernel", [legacy_copy, current_copy], ids=["legacy", "current"])


@KERNELS
@pytest.mark.parametrize("value", TAKEN.values(), ids=TAKEN.keys())
def test_an_array_of_any_layout_is_taken(kernel: Any, value: Any) -> None:
    assert np.array_equal(launch(kernel, value), value)


@KERNELS
@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(kernel: Any, value: Any) -> None:
    with pytest.raises(NKIError):
        launch(kernel, value)
