"""The rest of `neuronxcc.nki.language`: limits, host-side casts, printing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_nki_pool.emulator.core.dtypes import dtype_of, is_float
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.traffic import read
from pytest_nki_pool.emulator.legacy.surface import api
from pytest_nki_pool.emulator.legacy.tensor import Tile

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.dtypes import Array


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a floating-point dtype.

    Attributes:
        min: most negative finite value.
        max: largest finite value.
        tiny: smallest normal positive value.
    """

    min: float
    max: float
    tiny: float


@api("nl")
def finfo(dtype: object) -> Limits:
    """Limits of a floating-point dtype.

    Raises:
        NKIError: the dtype is none.
    """
    resolved = dtype_of(dtype, "nl.finfo")
    if not is_float(resolved):
        raise NKIError(f"nl.finfo takes a floating-point dtype, got {resolved}")
    limits: Any = ml_dtypes.finfo(resolved)  # type: ignore[no-untyped-call]
    return Limits(float(limits.min), float(limits.max), float(limits.tiny))


fp32 = finfo(np.float32)


@api("nl")
def static_cast(arr: Array, dtype: object) -> Array:
    """Cast an array outside of a kernel, to `ml_dtypes` where NumPy has no such dtype.

    Raises:
        NKIError: no such dtype, or no array of numbers.
    """
    resolved = dtype_of(dtype, "nl.static_cast")
    try:
        return np.asarray(arr).astype(resolved)
    except (TypeError, ValueError):
        raise NKIError(f"nl.static_cast takes an array of numbers, got {arr!r}") from None


@api("nl")
def device_print(prefix: str, x: Any, *, mask: object = None) -> None:
    """Print a tile, as the simulator does.

    Args:
        prefix: what is printed before it.
        x: on-chip tile or scalar.
        mask: not emulated.
    """
    if mask is not None:
        raise UnsupportedByEmulator("nl.device_print(mask=…)", "legacy", "nl.device_print of a slice")
    values = read(x.access) if isinstance(x, Tile) else x
    sys.stdout.write(f"{prefix} {values}\n")
