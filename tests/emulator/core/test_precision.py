"""Low precision is rounded where the hardware rounds, or kept in fp32 until it leaves the launch."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import language as nl

LOW = [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3, ml_dtypes.float8_e5m2]
STEP = 2.0**-9
P, F = nl.arange(2)[:, None], nl.arange(4)[None, :]


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def there_and_back(x: Any) -> Any:
    """Add less than half a unit in the last place, four times, and amplify what is left of it."""
    tile = nl.load(x)
    for _ in range(4):
        tile = nl.add(tile, STEP, dtype=x.dtype)
    return stored(nl.multiply(nl.subtract(tile, 1.0, dtype=x.dtype), 1024.0, dtype=x.dtype))


def under_a_mask(x: Any) -> Any:
    tile = nl.load(x)
    tile[P, F] = nl.add(tile[P, F], STEP, dtype=x.dtype, mask=P + F < 9)
    tile[P, F] = nl.add(tile[P, F], STEP, dtype=x.dtype, mask=P + F < 3)
    return stored(nl.multiply(nl.subtract(tile, 1.0, dtype=x.dtype), 1024.0, dtype=x.dtype))


def strided(x: Any) -> Any:
    piece = nl.load(x[:, 0:3])[:, 1:3]
    piece = nl.subtract(nl.add(piece, STEP, dtype=x.dtype), 1.0, dtype=x.dtype)
    return stored(nl.multiply(piece, 1024.0, dtype=x.dtype))


@jit
def current_kernel(x):
    tile = current.load(x)
    nisa.tensor_scalar(tile, tile, current.add, STEP)
    nisa.tensor_scalar(tile, tile, current.add, -1.0, op1=current.multiply, operand1=1024.0)
    out = current.ndarray(x.shape, x.dtype, buffer=current.shared_hbm)
    current.store(out, tile)
    return out


@pytest.mark.parametrize("dtype", LOW, ids=lambda d: d.__name__)
@pytest.mark.parametrize(
    ("kernel", "kept"),
    [(there_and_back, 8), (under_a_mask, [[4, 4, 4, 2], [4, 4, 2, 2]]), (strided, 2), (current_kernel, 2)],
    ids=["chain", "mask", "strided", "current"],
)
def test_the_switch_decides_whether_an_instruction_rounds(kernel: Any, kept: Any, dtype: Any) -> None:
    x = np.ones((2, 4), dtype)
    precise = launch(kernel, x)
    wide = launch(kernel, x, machine=Machine(precise=False))
    assert precise.dtype == wide.dtype == dtype
    assert not precise.any()
    assert np.array_equal(wide.astype(np.float32), np.broadcast_to(kept, wide.shape))
    assert (x == 1).all()


@pytest.mark.parametrize(("value", "kept"), [("0", 2.0), ("1", 0.0), (None, 0.0)])
def test_the_environment_sets_the_switch(monkeypatch: pytest.MonkeyPatch, value: str | None, kept: float) -> None:
    monkeypatch.delenv("NKI_PRECISE_FP", raising=False)
    if value is not None:
        monkeypatch.setenv("NKI_PRECISE_FP", value)
    x = np.ones((2, 4), ml_dtypes.bfloat16)
    assert (launch(current_kernel, x) == kept).all()
    assert not launch(current_kernel, x, machine=Machine()).any()


def test_an_output_parameter_is_rounded_once_when_the_launch_ends() -> None:
    def kernel(x: Any, out: Any) -> None:
        nl.store(out, nl.add(nl.load(x), STEP, dtype=x.dtype))
        assert out.dtype == ml_dtypes.bfloat16

    out = np.zeros((2, 4), ml_dtypes.bfloat16)
    launch(kernel, np.full((2, 4), 1 + 2.0**-7, ml_dtypes.bfloat16), out, machine=Machine(precise=False))
    assert (out == 1 + 2.0**-7).all()


def test_a_tile_takes_the_bytes_of_its_own_dtype() -> None:
    def kernel(x: Any) -> Any:
        nl.ndarray((1, 112 * 1024), nl.bfloat16)
        return stored(nl.load(x))

    launch(kernel, np.ones((2, 4), np.float32), machine=Machine(precise=False))


def test_bytes_that_are_kept_in_fp32_cannot_be_reinterpreted() -> None:
    def kernel(x: Any) -> Any:
        return stored(nl.copy(nl.load(x).view(nl.int16)))

    x = np.ones((2, 4), ml_dtypes.bfloat16)
    assert (launch(kernel, x) == 0x3F80).all()
    with pytest.raises(UnsupportedByEmulator, match="bfloat16 read as int16 while low precision is kept in fp32"):
        launch(kernel, x, machine=Machine(precise=False))
