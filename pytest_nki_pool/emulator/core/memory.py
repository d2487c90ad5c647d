"""Memory: buffers, storages, and what an on-chip allocation is charged."""

from __future__ import annotations

import sys
from enum import Enum
from functools import partial
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.access import contiguous_strides
from pytest_nki_pool.emulator.core.dtypes import name_of
from pytest_nki_pool.emulator.core.errors import NKIError, kernel_location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nki_pool.emulator.core.dtypes import Array, DType
    from pytest_nki_pool.emulator.core.launch import Launch


class Buffer(str, Enum):
    """Memory that a tensor lives in."""

    HBM = "hbm"
    PRIVATE_HBM = "private_hbm"
    SHARED_HBM = "shared_hbm"
    SBUF = "sbuf"
    PSUM = "psum"

    def __str__(self) -> str:
        return self.value


ON_CHIP = frozenset({Buffer.SBUF, Buffer.PSUM})
OFF_CHIP = frozenset({Buffer.HBM, Buffer.PRIVATE_HBM, Buffer.SHARED_HBM})


class Ledger:
    """Live on-chip allocations of one launch, in bytes per partition.

    Every tile starts at partition 0, so the fullest partition holds a row of each live tile.

    Args:
        capacity: bytes of one partition of each on-chip buffer.
    """

    __slots__ = ("_capacity", "_live", "used")

    def __init__(self, capacity: dict[Buffer, int]) -> None:
        self._capacity = capacity
        self._live: dict[int, tuple[Buffer, int, Callable[[], str]]] = {}
        self.used = dict.fromkeys(capacity, 0)

    def charge(self, serial: int, buffer: Buffer, row_bytes: int, describe: Callable[[], str]) -> None:
        """Charge an allocation.

        Args:
            serial: number of the allocation.
            buffer: SBUF or PSUM.
            row_bytes: bytes in each of its partitions.
            describe: says what is allocated, when asked.

        Raises:
            NKIError: it does not fit beside the live ones, which the message names.
        """
        capacity = self._capacity[buffer]
        free = capacity - self.used[buffer]
        if row_bytes > free:
            held = sorted(((size, what) for where, size, what in self._live.values() if where is buffer), key=_size)
            names = ", ".join(f"{what()}: {size} B" for size, what in held[:-9:-1])
            raise NKIError(
                f"out of {buffer}: {describe()} needs {row_bytes} bytes per partition, {free} of {capacity} are free"
                + (f"; held by {names}{' …' if len(held) > 8 else ''}" if held else "")
                + "; use smaller tiles or let go of some"
            )
        self.used[buffer] += row_bytes
        self._live[serial] = (buffer, row_bytes, describe)

    def release(self, serial: int) -> None:
        """Give an allocation back."""
        buffer, row_bytes, _ = self._live.pop(serial)
        self.used[buffer] -= row_bytes


def _size(entry: tuple[int, object]) -> int:
    return entry[0]


def _description(name: str, shape: tuple[int, ...], dtype: DType, buffer: Buffer, where: str = "") -> str:
    made = f" (made at {where})" if where else ""
    return f"tensor `{name}` {list(shape)} {name_of(dtype)} in {buffer}{made}"


class Storage:
    """One allocated tensor: its bytes, where it lives, and which of its elements are defined.

    Attributes:
        name: the parameter's or the tensor's name.
        shape, dtype, buffer: as declared; dimension 0 is the partition dimension on chip.
        strides: steps of the row-major order, in elements.
        row: elements of one partition.
        array: C-contiguous values of `shape`.
        bytes: the same memory as flat bytes, the base of every strided view.
        defined: True (all elements), False (none), or a flat bool map after a partial write.
        launch: the launch it belongs to.
        serial: its place in the order of allocations of the launch.
        frozen: whether nobody writes the memory: an immutable parameter's, or a tile's that shares it.
        written: whether anything was written to it.
        read: whether anything was read from it.
        where: the kernel's line that made it, or that turned it into an output.
        parameter: None for an allocation of the kernel, else "input", "output", "mutable" or "either" (an output as
            soon as it is written).
    """

    __slots__ = (
        "__weakref__", "_charged", "_named", "array", "buffer", "bytes", "defined", "dtype", "frozen",
        "launch", "name", "on_chip", "parameter", "read", "row", "serial", "shape", "size", "strides", "where",
        "written",
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
        self.written = self.read = False
        self.where = "" if parameter else kernel_location()
        if self.on_chip:
            describe = partial(_description, self.name, shape, dtype, buffer, self.where)
            launch.ledger.charge(self.serial, buffer, self.row * dtype.itemsize, describe)
            self._charged = True
        self.defined: bool | Array = array is not None
        self.adopt(np.empty(shape, dtype) if array is None else array)

    def adopt(self, array: Array) -> None:
        """Take a C-contiguous array of the storage's shape and dtype as the storage's memory."""
        self.array = array
        self.bytes = array.reshape(-1).view(np.uint8)

    def become_output(self) -> None:
        """Turn a parameter that nothing was read from into an undefined output; the caller's array stays as it is."""
        self.where = kernel_location()
        self.defined = False
        self.frozen = False
        self.adopt(np.empty(self.shape, self.dtype))

    def share(self, array: Array) -> None:
        """Hold the values of frozen memory until the first write."""
        self.adopt(array.reshape(self.shape))
        self.frozen = True

    def thaw(self) -> None:
        """Get memory of its own before the first write."""
        self.adopt(self.array.copy())
        self.frozen = False

    def describe(self) -> str:
        """Say which tensor this is: name, shape, dtype and buffer."""
        return _description(self.name, self.shape, self.dtype, self.buffer, "" if self._named else self.where)

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
    sizes = tuple(shape)
    for size in sizes:
        if type(size) is int and size > 0:
            continue
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool):
            raise NKIError(f"{what}: dimension sizes are static integers, got {size!r} in {sizes!r}")
        if size <= 0:
            raise NKIError(f"{what}: shape {list(sizes)} has a dimension of size {size}; every size is at least 1")
    result = tuple(int(size) for size in sizes if isinstance(size, (int, np.integer)))
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
