"""Dtypes of scalars beside tensors ("NKI API common fields", supported data types and type promotion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.dtypes import DTYPES
from pytest_nki_pool.emulator.core.promotion import promote

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.dtypes import DType

__all__ = ["promote", "scalar_dtype"]


def scalar_dtype(value: object) -> DType:
    """Dtype of a scalar operand: Python's are uint8, int32 and float32, NumPy's keep theirs where NKI has it."""
    if isinstance(value, np.generic) and value.dtype in DTYPES.values():
        return value.dtype
    if isinstance(value, (bool, np.bool_)):
        return DTYPES["uint8"]
    return DTYPES["int32"] if isinstance(value, (int, np.integer)) else DTYPES["float32"]
