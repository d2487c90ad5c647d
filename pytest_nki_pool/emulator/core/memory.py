"""Memory: buffers, storages, and what an on-chip allocation is charged."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import Enum
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np

from pytest_nki_pool.emulator.core.access import contiguous_strides
from pytest_nki_pool.emulator.core.dtypes import FLOAT32, name_of
from pytest_nki_pool.emulator.core.errors import NKIError, kernel_line, location_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array, DType
    from pytest_nki_pool.emulator.core.launch import Launch

    #: Name, shape, dtype, buffer and line of an allocation.
    _Allocation = tuple[str, tuple[int, ...], DType, "Buffer", "tuple[str, int] | None"]


class Buffer(str, Enum):
    """Memory that a tensor lives in."""

    HBM = "hbm"
    PRIVATE_HBM = "private_hbm"
    SHARED_HBM = "shared_hbm"
    SBUF = "sbuf"
    PSUM = "psum"

    __hash__ = str.__hash__  # Enum's own is a Python function, and every check of an operand looks a buffer up

    def __str__(self) -> str:
        return self.value


ON_CHIP = frozenset({Buffer.SBUF, Buffer.PSUM})
OFF_CHIP = frozenset({Buffer.HBM, Buffer.PRIVATE_HBM, Buffer.SHARED_HBM})


class Ledger:
    """Live on-chip allocations of one launch, in bytes per partition.

    Every tile starts at partition 0, so the fullest partition holds a row of each live tile. A tile takes whole units,
    which are banks in PSUM.

    Args:
        capacity: bytes of one partition of each on-chip buffer.
        units: bytes that an allocation is a multiple of; 1 where not given.

    Attributes:
        used: bytes in use of each buffer.
        peak: most bytes that were in use at a time.
    """

    __slots__ = ("_capacity", "_live", "_units", "peak", "used")

    def __init__(self, capacity: dict[Buffer, int], units: Mapping[Buffer, int] = MappingProxyType({})) -> None:
        self._capacity = capacity
        self._units = units
        self.peak = dict.fromkeys(capacity, 0)
        self._live: dict[int, tuple[Buffer, int, _Allocation]] = {}
        self.used = dict.fromkeys(capacity, 0)

    def charge(self, serial: int, buffer: Buffer, row_bytes: int, what: _Allocation) -> None:
        """Charge an allocation.

        Args:
            serial: number of the allocation.
            buffer: SBUF or PSUM.
            row_bytes: bytes in each of its partitions.
            what: what is allocated.

        Raises:
            NKIError: it does not fit beside the live ones, which the message names.
        """
        unit = self._units.get(buffer, 1)
        row_bytes = -(-row_bytes // unit) * unit
        capacity = self._capacity[buffer]
        used = self.used[buffer] + row_bytes
        if used > capacity:
            free = capacity - self.used[buffer]
            held = sorted(((size, other) for where, size, other in self._live.values() if where is buffer), key=_size)
            names = ", ".join(f"{_description(*other)}: {size} B" for size, other in held[:-9:-1])
            raise NKIError(
                f"out of {buffer}: {_description(*what)} needs {row_bytes} bytes per partition, {free} of {capacity} "
                "are free"
                + (f" in banks of {unit}" if unit > 1 else "")
                + (f"; held by {names}{' …' if len(held) > 8 else ''}" if held else "")
                + "; use smaller tiles or let go of some"
            )
        self.used[buffer] = used
        self.peak[buffer] = max(self.peak[buffer], used)
        self._live[serial] = buffer, row_bytes, what

    def release(self, serial: int) -> None:
        """Give an allocation back."""
        buffer, row_bytes, _ = self._live.pop(serial)
        self.used[buffer] -= row_bytes


def _size(entry: tuple[int, object]) -> int:
    return entry[0]


def _description(
    name: str, shape: tuple[int, ...], dtype: DType, buffer: Buffer, line: tuple[str, int] | None = None
) -> str:
    made = f" (made at {location_text(line)})" if line else ""
    return f"tensor `{name}` {list(shape)} {name_of(dtype)} in {buffer}{made}"


class Storage:
    """One allocated tensor: its bytes, where it lives, and which of its elements are defined.

    Attributes:
        name: the parameter's or the tensor's name.
        shape, dtype, buffer: as declared; dimension 0 is the partition dimension on chip.
        strides: steps of the row-major order, in elements.
        row: elements of one partition.
        array: values of `shape`, of `dtype` unless the launch keeps that in fp32; C-contiguous but for the distance of
            the partitions.
        bytes: flat bytes that hold the values, the base of every strided view.
        origin: where in `bytes` the values begin.
        pitch: elements from one partition to the next in memory: `row`, but for a tile that shares memory.
        defined: True (all elements), False (none), or a flat bool map after a partial write.
        launch: the launch it belongs to.
        serial: its place in the order of allocations of the launch.
        frozen: whether nobody writes the memory: an immutable parameter's, or what several tensors hold.
        written: whether anything was written to it.
        read: whether anything was read from it.
        read_only: whether the caller's array refuses writes.
        line: the kernel's line that made it, or that turned it into an output.
        parameter: None for an allocation of the kernel, else "input", "output", "mutable" or "either" (an output as
            soon as it is written).
    """

    __slots__ = (
        "__weakref__", "_bytes", "_charged", "_named", "array", "buffer", "defined", "dtype", "frozen", "launch",
        "line", "name", "on_chip", "origin", "parameter", "pitch", "read", "read_only", "row", "serial", "shape",
        "size", "strides", "written",
    )  # fmt: skip

    def __init__(
        self,
        launch: Launch,
        shape: tuple[int, ...],
        dtype: DType,
        buffer: Buffer,
        *,
        name: str = "",
        array: Array | None = None,
        parameter: str | None = None,
    ) -> None:
        self._charged = False
        self.launch = launch
        self.serial = launch.next_serial()
        self.name = name or "unnamed"
        self._named = bool(name)
        self.shape = shape
        self.strides = contiguous_strides(shape)
        self.size = prod(shape)
        self.row = self.size // shape[0]
        self.dtype = dtype
        self.buffer = buffer
        self.on_chip = buffer in ON_CHIP
        self.parameter = parameter
        self.frozen = parameter in ("input", "either")
        self.written = self.read = self.read_only = False
        self.line = None if parameter else kernel_line()
        if self.on_chip:
            what = self.name, shape, dtype, buffer, self.line
            launch.ledger.charge(self.serial, buffer, self.row * dtype.itemsize, what)
            self._charged = True
        self.defined: bool | Array = array is not None
        self.adopt(np.empty(shape, self._stored()) if array is None else array)

    def adopt(self, array: Array) -> None:
        """Take a C-contiguous array of the storage's shape and dtype as the storage's memory."""
        self.array = array
        self._bytes: Array | None = None
        self.origin = 0
        self.pitch = self.row

    @property
    def bytes(self) -> Array:  # noqa: D102  (the class says it)
        if self._bytes is None:
            self._bytes = self.array.reshape(-1).view(np.uint8)
        return self._bytes

    @property
    def where(self) -> str:
        """Text of `line`."""
        return location_text(self.line)

    def become_output(self) -> None:
        """Turn a parameter that nothing was read from into an undefined output; the caller's array stays as it is."""
        self.line = kernel_line()
        self.defined = False
        self.frozen = False
        self.adopt(np.empty(self.shape, self._stored()))

    def _stored(self) -> DType:
        widened = self.launch.widened
        return FLOAT32 if widened and self.dtype in widened else self.dtype

    def share(self, array: Array) -> None:
        """Hold the values of frozen memory until the first write."""
        self.adopt(array.reshape(self.shape))
        self.frozen = True

    def share_rows(self, source: Storage, offset: int, pitch: int) -> None:
        """Hold rows of frozen memory until the first write.

        Args:
            source: the frozen tensor, of the same dtype.
            offset: address of the first partition's row in it; every row is contiguous.
            pitch: elements from one row to the next.
        """
        dtype = source.array.dtype
        size = dtype.itemsize
        steps = tuple(step * size for step in self.strides[1:])
        self.adopt(np.ndarray(self.shape, dtype, source.bytes, offset * size, (pitch * size, *steps)))
        self._bytes, self.origin, self.pitch = source.bytes, offset * size, pitch
        self.frozen = True

    def lend(self, other: Storage) -> None:
        """Have another tensor of the same shape and dtype hold the values too, until either is written."""
        other.adopt(self.array)
        self.frozen = other.frozen = True

    def thaw(self) -> None:
        """Get memory of its own before the first write."""
        self.adopt(self.array.copy())
        self.frozen = False

    def surrender(self) -> None:
        """Lose the memory to another tensor: nothing is defined any more, and nothing is charged."""
        self.defined = False
        if self._charged:
            self.launch.ledger.release(self.serial)
            self._charged = False

    def describe(self) -> str:
        """Say which tensor this is: name, shape, dtype and buffer."""
        return _description(self.name, self.shape, self.dtype, self.buffer, None if self._named else self.line)

    def __del__(self) -> None:
        if self._charged and not sys.is_finalizing():
            self.launch.ledger.release(self.serial)


def check_shape(shape: Sequence[object], buffer: Buffer, partitions: int, what: str) -> tuple[int, ...]:
    """Check the shape of an allocation.

    Args:
        shape: sizes of the dimensions, plain integers.
        buffer: where the tensor shall live.
        partitions: partitions of the on-chip memories.
        what: the tensor's name in messages.

    Raises:
        NKIError: a size is no positive integer, or an on-chip shape has under two dimensions or too many partitions.
    """
    if type(shape) not in (tuple, list) and (not isinstance(shape, Iterable) or isinstance(shape, str)):
        raise NKIError(f"{what}: a shape is a tuple or list of static integers, got {shape!r}")
    sizes = tuple(shape)
    plain = True
    for size in sizes:
        if type(size) is int and size > 0:
            continue
        plain = False
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool):
            raise NKIError(f"{what}: dimension sizes are static integers, got {size!r} in {sizes!r}")
        if size <= 0:
            raise NKIError(f"{what}: shape {list(sizes)} has a dimension of size {size}; every size is at least 1")
    result = cast("tuple[int, ...]", sizes) if plain else tuple(map(int, cast("tuple[int, ...]", sizes)))
    if not result:
        raise NKIError(f"{what}: a tensor has at least one dimension")
    if buffer in ON_CHIP:
        if len(result) < 2:
            raise NKIError(
                f"{what}: Insufficient rank: SBUF and PSUM tensors must have at least 2 dimensions "
                f"(partition-dim and free-dim), got shape {list(result)}"
            )
        if result[0] > partitions:
            raise NKIError(
                f"{what}: Size of partition dimension {result[0]} exceeds architecture limitation of {partitions}.",
                "err_num_partition_exceed_arch_limit",
            )
    return result
