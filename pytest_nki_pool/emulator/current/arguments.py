"""What a kernel of this dialect may look like and be called with (NKI language guide)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.current.objects import NKIObject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nki_pool.emulator.core.launch import Call, Machine

_INT32 = np.iinfo(np.int32)
_KINDS = (np.ndarray, int, float, str, type, np.dtype, tuple, dict, NKIObject)
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_call(call: Call, machine: Machine) -> None:
    """Check a kernel function, its arguments and its launch grid before a launch.

    Args:
        call: what is launched.
        machine: what is modelled.

    Raises:
        NKIError: a keyword-only parameter, an argument of another kind than tensors, None, bool, int32, float32,
            strings, dtypes, tuples, dicts with string keys and NKIObject, or two cores on NeuronCore-v2, which has no
            logical cores.
    """
    code = call.function.__code__
    where = call.where()
    if code.co_kwonlyargcount:
        first = code.co_varnames[code.co_argcount]
        raise NKIError(
            f"{code.co_name}: parameter `{first}` is keyword-only; NKI kernels have no `*` parameters", "", where
        )
    for name, value in (*zip(call.names(), call.args, strict=True), *call.kwargs.items()):
        _check_argument(value, name, where)
    if 2 in call.grid and machine.generation == "gen2":
        raise NKIError(f"{code.co_name}[2]: a logical NeuronCore of gen2 has 1 physical core", "", where)


def _check_argument(value: object, name: str, where: str) -> None:
    for part, item in _parts(value, name):
        _check_argument(item, part, where)
    if isinstance(value, int) and not _INT32.min <= value <= _INT32.max:
        raise NKIError(f"argument `{name}` = {value} is no 32-bit integer", "", where)
    if isinstance(value, float) and abs(value) > _FLOAT32_MAX and abs(value) != float("inf"):
        raise NKIError(f"argument `{name}` = {value} is no float32", "", where)
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise NKIError(f"argument `{name}` has keys that are no strings", "", where)
    if isinstance(value, np.generic) or not (value is None or isinstance(value, _KINDS)):
        raise NKIError(
            f"argument `{name}` is a {type(value).__name__}; a kernel takes tensors, None, bool, int, float, str, "
            "tuples, dicts with string keys and NKIObject",
            "",
            where,
        )


def _parts(value: object, name: str) -> Iterable[tuple[str, object]]:
    if isinstance(value, tuple):
        return [(f"{name}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return [(f"{name}[{key!r}]", item) for key, item in value.items()]
    return []
