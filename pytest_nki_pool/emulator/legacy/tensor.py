"""The tensor object of the legacy dialect and what this dialect tells a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.launch import Dialect, current_launch
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer, check_shape
from pytest_nki_pool.emulator.legacy.indexing import resolve_subscript
from pytest_nki_pool.emulator.legacy.promotion import promote, scalar_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.dtypes import DType

_SCALARS = (int, float, np.number, np.bool_)


class Tile:
    """A tensor, or a piece of one, in HBM, SBUF or PSUM.

    Attributes:
        access: the piece of memory it names.
    """

    __slots__ = ("access",)
    __array_ufunc__ = None  # NumPy scalars on the left leave the operation to this class

    def __init__(self, access: AccessPattern) -> None:
        self.access = access

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self.access.shape

    @property
    def dtype(self) -> DType:
        """NumPy or `ml_dtypes` dtype."""
        return self.access.storage.dtype

    @property
    def buffer(self) -> Buffer:
        """Memory it lives in."""
        return self.access.storage.buffer

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.access.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def __repr__(self) -> str:
        return f"<{self.access.storage.describe()}, access {list(self.shape)}>"

    def __getitem__(self, key: object) -> Tile:
        return Tile(resolve_subscript(self.access, key))

    def __setitem__(self, key: object, value: object) -> None:
        assign(resolve_subscript(self.access, key), value)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> NoReturn:
        raise NKIError(f"{self.access.storage.describe()} cannot be iterated over; index it")

    def __bool__(self) -> NoReturn:
        raise NKIError(
            f"the truth value of {self.access.storage.describe()} is ambiguous: control flow cannot depend on "
            "tensor values",
            "err_ambiguous_tensor_truth_value",
        )

    def assert_shape(self, shape: Sequence[int]) -> Tile:
        """Return the tile itself after checking its shape.

        Raises:
            NKIError: the shape differs.
        """
        if self.shape != tuple(shape):
            raise NKIError(f"{self!r}: expected shape {list(shape)}")
        return self

    def reshape(self, shape: Sequence[int]) -> Tile:
        """View with another shape; on chip the partition dimension keeps its size.

        Raises:
            NKIError: the elements cannot be addressed that way.
        """
        sizes = check_shape(shape, self.buffer, current_launch("reshape").generation.partitions, f"{self!r}, reshape")
        access = self.access.reshape(sizes)
        if access is None or (self.access.storage.on_chip and sizes[0] != self.shape[0]):
            raise NKIError(
                f"{self!r} cannot be reshaped to {list(sizes)}; element count and partitions stay as they are"
            )
        return Tile(access)

    def broadcast_to(self, shape: Sequence[int]) -> Tile:
        """View that repeats dimensions of size 1.

        Raises:
            NKIError: the shapes do not fit.
        """
        sizes = check_shape(shape, self.buffer, current_launch("broadcast_to").generation.partitions, f"{self!r}")
        access = self.access.broadcast_to(sizes) if len(sizes) == self.ndim else None
        if access is None:
            raise NKIError(f"{self!r} cannot be broadcast to {list(shape)}; only dimensions of size 1 repeat")
        return Tile(access)

    def expand_dims(self, axis: int) -> Tile:
        """View with a dimension of size 1 after the last one.

        Raises:
            NKIError: the axis is another one.
        """
        if axis not in (self.ndim, -1):
            raise NKIError(f"{self!r}: expand_dims inserts after the last axis ({self.ndim}), got {axis}")
        return Tile(self.access.insert(self.ndim))

    def astype(self, dtype: object) -> Tile:
        """Copy on chip with another dtype."""
        result = new_tile(self.shape, dtype)
        engine.copy(result.access, self.access, api="astype")
        return result

    def view(self, dtype: object) -> NoReturn:  # noqa: ARG002
        """Reinterpret the bytes (not emulated)."""
        raise UnsupportedByEmulator("tensor.view(dtype)", "legacy", "tensor.astype(dtype)")

    def __add__(self, other: object) -> Tile:
        return _operator("add", self, other)

    def __sub__(self, other: object) -> Tile:
        return _operator("subtract", self, other)

    def __mul__(self, other: object) -> Tile:
        return _operator("multiply", self, other)

    def __truediv__(self, other: object) -> Tile:
        return _operator("divide", self, other)

    def __radd__(self, other: object) -> Tile:
        return _operator("add", other, self)

    def __rsub__(self, other: object) -> Tile:
        return _operator("subtract", other, self)

    def __rmul__(self, other: object) -> Tile:
        return _operator("multiply", other, self)

    def __rtruediv__(self, other: object) -> Tile:
        return _operator("divide", other, self)

    def __neg__(self) -> Tile:
        return _operator("multiply", self, np.int8(-1))

    def __iadd__(self, other: object) -> Tile:  # noqa: PYI034  (Self needs Python 3.11)
        return _update("add", self, other)

    def __isub__(self, other: object) -> Tile:  # noqa: PYI034
        return _update("subtract", self, other)

    def __imul__(self, other: object) -> Tile:  # noqa: PYI034
        return _update("multiply", self, other)

    def __itruediv__(self, other: object) -> Tile:  # noqa: PYI034
        return _update("divide", self, other)

    def _unsupported(self, *_: object) -> NoReturn:
        raise UnsupportedByEmulator("comparison, bitwise and shift operators on tensors", "legacy", "+ - * /")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _unsupported
    __and__ = __or__ = __xor__ = __invert__ = __lshift__ = __rshift__ = _unsupported
    __floordiv__ = __mod__ = __pow__ = _unsupported
    __hash__ = object.__hash__


def as_tile(value: object, role: str, api: str) -> Tile:
    """Check that an argument is a tensor.

    Raises:
        NKIError: it is not.
    """
    if not isinstance(value, Tile):
        raise NKIError(f"{api}: '{role}' is a tensor, got {type(value).__name__}")
    return value


def is_scalar(value: object) -> bool:
    """Whether an operand is a Python or NumPy scalar."""
    return isinstance(value, _SCALARS)


def new_tile(shape: Sequence[object], dtype: object, buffer: Buffer = Buffer.SBUF, name: str = "") -> Tile:
    """Allocate an undefined tensor in the running launch."""
    return Tile(AccessPattern.whole(current_launch("ndarray").allocate(shape, dtype, buffer, name)))


def fit(value: AccessPattern, dst: AccessPattern, api: str) -> AccessPattern:
    """Repeat a value's dimensions of size 1 to the destination's shape.

    Raises:
        NKIError: the shapes do not fit ("NKI error manual", err_store_dst_shape_smaller_than_other_shape).
    """
    if value.shape == dst.shape:
        return value
    if dst.storage.on_chip and value.shape[0] != dst.shape[0]:
        raise _partition_mismatch(api, value, dst)
    fitted = value.broadcast_to(dst.shape) if len(value.shape) == len(dst.shape) else None
    if fitted is None:
        raise NKIError(
            f"Illegal assignment destination shape in '{api}': shape {list(dst.shape)} of {dst.storage.describe()} "
            f"does not fit, or is smaller than, the value's shape {list(value.shape)} of {value.storage.describe()}; "
            "only dimensions of size 1 of the value repeat",
            "err_store_dst_shape_smaller_than_other_shape",
        )
    return fitted


def _partition_mismatch(api: str, a: AccessPattern, b: AccessPattern) -> NKIError:
    return NKIError(
        f"{api}: number of partitions (dimension 0 size of a tile) mismatch in parameters: {list(a.shape)} of "
        f"{a.storage.describe()} and {list(b.shape)} of {b.storage.describe()}; operators and assignments do not "
        "broadcast partitions, an nl function does",
        "err_num_partition_mismatch",
    )


def assign(dst: AccessPattern, value: object) -> None:
    """`tile[…] = value`: copy a tile or fill with a scalar, on chip.

    Raises:
        NKIError: the destination is not on chip, or the shapes do not fit.
    """
    if isinstance(value, Tile):
        src = value.access
        same = src.storage is dst.storage and (src.offset, src.shape, src.strides) == (
            dst.offset,
            dst.shape,
            dst.strides,
        )
        if not same:  # `tile[…] += x` assigns the piece it has just updated to itself
            engine.copy(dst, fit(src, dst, "a = b"), api="a[...] = b")
    elif is_scalar(value):
        engine.memset(dst, value, api="a[...] = scalar")  # type: ignore[arg-type]
    else:
        raise NKIError(f"{dst.storage.describe()}: a tensor or a scalar can be assigned, got {type(value).__name__}")


def binary(op: str, x: object, y: object, *, dtype: object = None, api: str, partitions: bool = True) -> Tile:
    """Compute `x op y` into a new SBUF tile.

    Args:
        op: operation of `engine.BINARY`.
        x: tile or scalar.
        y: tile or scalar, not both scalar.
        dtype: dtype of the result, else by promotion.
        api: NKI function in messages.
        partitions: whether the partition dimension may broadcast.

    Raises:
        NKIError: operands that the operation does not take.
    """
    tiles = [operand for operand in (x, y) if isinstance(operand, Tile)]
    for operand in (x, y):
        if not isinstance(operand, Tile) and not is_scalar(operand):
            raise NKIError(f"{api}: operands are tensors and scalars, got {type(operand).__name__}")
    if not tiles:
        raise NKIError(f"{api}: at least one operand is a tensor; compute scalars in Python")
    result = new_tile(
        _broadcast_shape(tiles, api, partitions=partitions),
        promote(_dtype(x), _dtype(y)) if dtype is None else dtype,
    )
    engine.elementwise(result.access, op, _operand(x), _operand(y), api=api)
    return result


def _broadcast_shape(tiles: list[Tile], api: str, *, partitions: bool) -> tuple[int, ...]:
    first, last = tiles[0].shape, tiles[-1].shape
    if first == last:
        return first
    what = f"{api}: {tiles[0]!r} and {tiles[-1]!r}"
    if len(first) != len(last):
        raise NKIError(f"{what} differ in rank; reshape one of them")
    if first[0] != last[0] and not (partitions and 1 in (first[0], last[0])):
        raise _partition_mismatch(api, tiles[0].access, tiles[-1].access)
    if any(a != b and 1 not in (a, b) for a, b in zip(first, last, strict=True)):
        raise NKIError(f"{what}: shapes do not broadcast; dimensions are equal or 1")
    return tuple(map(max, first, last))


def _dtype(operand: Any) -> DType:
    return operand.dtype if isinstance(operand, Tile) else scalar_dtype(operand)


def _operand(operand: Any) -> engine.Operand:
    if not isinstance(operand, Tile):
        return operand  # type: ignore[no-any-return]
    access = operand.access
    if access.strides[0] == 0 and access.shape[0] > 1:  # one partition repeated: the engine broadcasts it
        return AccessPattern(access.storage, access.offset, (1, *access.shape[1:]), access.strides)
    return access


def _operator(op: str, x: object, y: object) -> Tile:
    return binary(op, x, y, api=f"operator {op}", partitions=False)


def _update(op: str, tile: Tile, other: object) -> Tile:
    if isinstance(other, Tile):
        fit(other.access, tile.access, f"operator {op}=")
    elif not is_scalar(other):
        raise NKIError(f"operator {op}=: operands are tensors and scalars, got {type(other).__name__}")
    engine.elementwise(tile.access, op, tile.access, _operand(other), api=f"operator {op}=")
    return tile


def _unwrap(value: Any) -> AccessPattern | None:
    return value.access if isinstance(value, Tile) else None


def _mutable_parameters(function: Any) -> frozenset[str]:
    annotations = getattr(function, "__annotations__", {})
    return frozenset(n for n, a in annotations.items() if "mutable_tensor" in (a if isinstance(a, str) else repr(a)))


#: Returned tensors live in any HBM; inputs are immutable unless annotated (NKI error manual).
DIALECT = Dialect("legacy", Tile, _unwrap, True, OFF_CHIP, _mutable_parameters)
