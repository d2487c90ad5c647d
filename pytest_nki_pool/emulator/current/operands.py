"""Rules about arguments that `nki.language` and `nki.isa` share."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from pytest_nki_pool.emulator.core.alu import BINARY, FIRST_ONLY, UNARY
from pytest_nki_pool.emulator.core.dtypes import FLOAT32, name_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.integers import BITWISE
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.patterns import static_integers
from pytest_nki_pool.emulator.current.tensor import access_of, describe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern

Axes = Union[int, "Sequence[int]"]
Scalar = float

_CHIP = (Buffer.SBUF, Buffer.PSUM)

#: NumPy functions that name an operation of the engines, as the simulator takes them.
_NUMPY_OPS: Mapping[object, str] = MappingProxyType(
    {
        np.max: "maximum",
        np.min: "minimum",
        np.abs: "abs",
        **{ufunc: name for name, ufunc in BITWISE.items()},
        **{getattr(np, name): name for name in BINARY if hasattr(np, name) and name not in FIRST_ONLY},
    }
)

#: NumPy functions that name a function of ScalarE.
_NUMPY_FUNCTIONS: Mapping[object, str] = MappingProxyType(
    {getattr(np, name): name for name in UNARY if isinstance(getattr(np, name, None), np.ufunc)}
)

#: Operations that simulate but do not compile (NKI release notes, known issues).
_NOT_COMPILED: Mapping[str, str] = MappingProxyType(
    {
        "divide": "divide is not an operation of the engines; multiply by the reciprocal",
        "mod": "mod is not an operation of the engines; compute the remainder on the host",
        "fmod": "fmod is not an operation of the engines; compute the remainder on the host",
    }
)

_FROM_GEN4 = frozenset({"abs_max", "abs_min"})

#: Functions of `nki.language` that are no activation functions (NKI API common fields, activation functions).
_NOT_ACTIVATIONS = frozenset({"negative", "ceil", "floor", "trunc", "logical_not", "tan", "cos"})


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
    """Name of an operation of VectorE or GpSimdE.

    Args:
        op: an operation of `nki.language`, or the NumPy function of that name.
        role: argument in messages.
        api: NKI function in messages.

    Raises:
        NKIError: no operation, one that the generation lacks, or divide and its kin, which the engines do not have (NKI
            API common fields, ALU operators).
    """
    name: str = getattr(op, "alu", None) or (_NUMPY_OPS.get(op) if callable(op) else None) or ""
    if (name not in BINARY and name not in BITWISE) or getattr(op, "mean", False):
        raise NKIError(f"{api} {role} must be an operation such as nl.add, got {op!r}")
    if name in _NOT_COMPILED:
        raise NKIError(f"{api} {role}: {_NOT_COMPILED[name]}")
    generation = current_launch(api).generation
    if name in _FROM_GEN4 and generation.number < 4:
        raise NKIError(f"{api} {role}: {name} needs NeuronCore-v4 or newer, got {generation.name}")
    return name


def arithmetic_op(op: object, role: str, api: str) -> str:
    """Name of an operation of two values that computes in float32, see `alu_op`.

    Raises:
        NKIError: one of bit patterns, or of one value.
    """
    name = alu_op(op, role, api)
    if name in BITWISE or name in FIRST_ONLY:
        raise NKIError(f"{api} {role} must be an arithmetic operation of two values such as nl.add, got {name}")
    return name


def activation_op(op: object, api: str) -> str:
    """Name of a function of ScalarE.

    Args:
        op: a function of `nki.language`, or the NumPy function of that name.
        api: NKI function in messages.

    Raises:
        NKIError: no such function.
    """
    name: str = getattr(op, "act", None) or (_NUMPY_FUNCTIONS.get(op) if callable(op) else None) or ""
    if name not in UNARY or name in _NOT_ACTIVATIONS:
        raise NKIError(f"{api} op must be an activation function such as nl.exp or nl.copy, got {op!r}")
    return name


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


def is_number(value: object) -> bool:
    """Whether a value is a number that an instruction can hold."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def whole_number(value: float, what: str) -> int:
    """An operand of an operation on bit patterns.

    Raises:
        NKIError: it is no integer.
    """
    if not float(value).is_integer():
        raise NKIError(f"{what} takes integers for an operation on bit patterns, got {value!r}")
    return int(value)


def column(value: Any, role: str, api: str, partitions: int, *, float32: bool = True) -> AccessPattern | float:
    """Resolve a per-partition operand: a number, or a (P, 1) tile.

    Args:
        value: the operand.
        role: argument in messages.
        api: NKI function in messages.
        partitions: P.
        float32: whether a tile has to be float32.

    Raises:
        NKIError: anything else.
    """
    if is_number(value):
        return float(value)
    access = on_chip(value, role, api)
    if access.shape != (partitions, 1) or (float32 and access.storage.dtype != FLOAT32):
        allowed = f"a number or a {'float32 ' if float32 else ''}tile of shape [{partitions}, 1]"
        raise NKIError(f"{api} {role} must be {allowed}, got {describe(access)}")
    return access


def widen(access: AccessPattern | float, rank: int) -> AccessPattern | float:
    """Append dimensions to a (P, 1) tile so that it broadcasts to an operand of a rank."""
    if not isinstance(access, float):
        while len(access.shape) < rank:
            access = access.insert(len(access.shape))
    return access


def check_pair(api: str, a: AccessPattern, b: AccessPattern) -> None:
    """Check that two tensor operands of one instruction are not both in PSUM (NKI ISA, tensor_tensor).

    Raises:
        NKIError: they are.
    """
    if a.storage.buffer is Buffer.PSUM and b.storage.buffer is Buffer.PSUM:
        raise NKIError(f"{api}: both operands are in psum, {describe(a)} and {describe(b)}; copy one to sbuf first")


def check_dtypes(api: str, role: str, access: AccessPattern, allowed: Collection[str]) -> None:
    """Check that an operand has one of some dtypes.

    Raises:
        NKIError: it has another.
    """
    if name_of(access.storage.dtype) not in allowed:
        raise NKIError(f"{api} {role} dtype must be one of {', '.join(allowed)}, got {describe(access)}")


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
