"""Rules about arguments that `nki.language` and `nki.isa` share."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Union

import numpy as np

from pytest_nki_pool.emulator.core.dtypes import FLOAT32, name_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.tensor import access_of, describe, static_integers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern

Axes = Union[int, "Sequence[int]"]
Scalar = float

_CHIP = (Buffer.SBUF, Buffer.PSUM)
_EXACT_INTEGERS = frozenset({"int32", "uint32"})

#: NumPy functions that name an operation of the engines, as the simulator takes them.
_NUMPY_OPS: Mapping[object, str] = MappingProxyType(
    {
        np.add: "add",
        np.subtract: "subtract",
        np.multiply: "multiply",
        np.divide: "divide",
        np.maximum: "maximum",
        np.minimum: "minimum",
        np.max: "maximum",
        np.min: "minimum",
    }
)


def tensor(value: object, role: str, api: str) -> AccessPattern:
    """The access pattern of an argument that has to be a tensor."""
    access = access_of(value)
    if access is None:
        raise NKIError(f"{api} {role} must be an NkiTensor, got {type(value).__name__}")
    return access


def placed(value: object, role: str, api: str, buffers: Collection[Buffer]) -> AccessPattern:
    """The access pattern of an argument that has to be a tensor in one of some memories."""
    access = tensor(value, role, api)
    if access.storage.buffer not in buffers:
        allowed = [str(buffer) for buffer in buffers]
        seen = f"{access.storage.buffer}: {describe(access)}"
        raise NKIError(f"{api} {role} must be in {allowed}, got {seen}", "err_unsupported_memory")
    return access


def on_chip(value: object, role: str, api: str) -> AccessPattern:
    """The access pattern of an argument that a compute engine has to reach."""
    return placed(value, role, api, _CHIP)


def alu_op(op: object, role: str, api: str) -> str:
    """Name of an operation of the engines.

    Args:
        op: an operation of `nki.language`, or the NumPy function of that name.
        role: argument in messages.
        api: NKI function in messages.

    Raises:
        NKIError: no operation, or divide, which the engines do not have (NKI API common fields, ALU operators).
    """
    name = getattr(op, "alu", None)
    if name is None and callable(op):
        name = _NUMPY_OPS.get(op)
    if name is None:
        raise NKIError(f"{api} {role} must be an operation such as nl.add, got {op!r}")
    if name == "divide":
        raise NKIError(f"{api} {role}: divide is not an operation of the engines; multiply by the reciprocal")
    return str(name)


def trailing_axes(axis: Axes, access: AccessPattern, api: str) -> tuple[int, ...]:
    """Resolve the axes of a reduction: the last free dimensions, without a gap, up to the last one.

    Raises:
        NKIError: other axes.
    """
    rank = len(access.shape)
    given = static_integers(axis if isinstance(axis, (tuple, list)) else [axis], f"axis of {api}")
    axes = [a + rank if a < 0 else a for a in given]
    if 0 in axes:
        raise NKIError(f"{api}: axis 0 is the partition dimension of {describe(access)}; reduce free dimensions only")
    if not axes or sorted(axes) != list(range(rank - len(axes), rank)):
        raise NKIError(
            f"{api}: axis {given} of {describe(access)} has to be the last free dimensions without a gap, "
            f"such as {[rank - 1]} or {[rank - 2, rank - 1]}"
        )
    return tuple(sorted(axes))


def align(api: str, **operands: AccessPattern) -> list[AccessPattern]:
    """View operands of equal partitions and equal free counts under one shape.

    Raises:
        NKIError: partitions or counts differ.
    """
    roles = list(operands)
    accesses = list(operands.values())
    first = accesses[0]
    for role, access in operands.items():
        if access.shape[0] != first.shape[0] or access.size != first.size:
            raise NKIError(
                f"{api}: '{roles[0]}' {list(first.shape)} of {first.storage.describe()} and '{role}' "
                f"{list(access.shape)} of {access.storage.describe()} differ in partitions or free elements; "
                "tiles do not broadcast"
            )
    for shape in dict.fromkeys(access.shape for access in accesses):
        views = [access if access.shape == shape else access.reshape(shape) for access in accesses]
        fitted = [view for view in views if view is not None]
        if len(fitted) == len(views):
            return fitted
    raise unsupported(f"{api} on operands of shapes {[list(a.shape) for a in accesses]}", f"{api} on equal shapes")


def column(value: object, role: str, api: str, partitions: int) -> AccessPattern | float:
    """Resolve a per-partition operand: a number, or a (P, 1) tile of float32.

    Raises:
        NKIError: anything else.
    """
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    access = on_chip(value, role, api)
    if access.shape != (partitions, 1) or access.storage.dtype != FLOAT32:
        allowed = f"a number or a float32 tile of shape [{partitions}, 1]"
        raise NKIError(f"{api} {role} must be {allowed}, got {describe(access)}")
    return access


def widen(access: AccessPattern | float, rank: int) -> AccessPattern | float:
    """Append dimensions to a (P, 1) tile so that it broadcasts to an operand of a rank."""
    if not isinstance(access, float):
        while len(access.shape) < rank:
            access = access.insert(len(access.shape))
    return access


def check_pair(api: str, a: AccessPattern, b: AccessPattern) -> None:
    """Check two tensor operands of one instruction.

    Raises:
        NKIError: both in PSUM (NKI ISA, tensor_tensor).
        UnsupportedByEmulator: 32-bit integers, which GpSimdE computes exactly.
    """
    if a.storage.buffer is Buffer.PSUM and b.storage.buffer is Buffer.PSUM:
        raise NKIError(f"{api}: both operands are in psum, {describe(a)} and {describe(b)}; copy one to sbuf first")
    names = {name_of(access.storage.dtype) for access in (a, b)}
    if names <= _EXACT_INTEGERS:
        raise unsupported(f"{api} on 32-bit integers", f"{api} on float32")


def check_fill(dst: AccessPattern, value: object, api: str) -> Scalar:
    """Check the value of a fill against the dtype of its destination.

    Raises:
        NKIError: no number, or a float for an integer tensor.
    """
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise NKIError(f"{api} value must be a number, got {value!r}")
    if dst.storage.dtype.kind in "biu" and not isinstance(value, (int, np.integer)):
        raise NKIError(f"{api} value {value!r} does not match {describe(dst)}; give an integer")
    return value if isinstance(value, (int, float)) else value.item()
