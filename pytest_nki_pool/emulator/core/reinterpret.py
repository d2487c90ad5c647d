"""A tensor's memory read as another dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern, contiguous_strides
from pytest_nki_pool.emulator.core.dtypes import name_of
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.memory import Storage

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.dtypes import Array, DType


class Alias(Storage):
    """The memory of another storage under another dtype; the last dimension counts the new elements.

    Args:
        base: the storage that owns the memory.
        dtype: the other dtype.

    Raises:
        NKIError: a row of the last dimension holds no whole number of new elements.
        UnsupportedByEmulator: the launch keeps the dtype in fp32, so it has no bytes of its own.
    """

    __slots__ = ("_base",)

    def __init__(self, base: Storage, dtype: DType) -> None:
        self._charged = False
        if base.array.dtype != base.dtype:
            raise UnsupportedByEmulator(
                f"{name_of(base.dtype)} read as {name_of(dtype)} while low precision is kept in fp32",
                base.launch.dialect.name,
                "Machine(precise=True)",
            )
        width = base.shape[-1] * base.dtype.itemsize
        if width % dtype.itemsize:
            raise NKIError(
                f"{base.describe()} cannot be read as {name_of(dtype)}: its last dimension has {width} bytes, no "
                f"multiple of {dtype.itemsize}"
            )
        self._base = base
        self._named = base._named
        self.name, self.buffer, self.on_chip, self.parameter = base.name, base.buffer, base.on_chip, base.parameter
        self.launch, self.line = base.launch, base.line
        self.serial = base.serial
        self.dtype = dtype
        self.shape = (*base.shape[:-1], width // dtype.itemsize)
        self.strides = contiguous_strides(self.shape)
        self.size = self.shape[0] * self.strides[0]
        self.row = self.pitch = self.strides[0]
        self.origin = 0

    @property
    def array(self) -> Array:  # type: ignore[override]  # nobody replaces the memory of an alias
        """Values under the new dtype."""
        return self._contiguous().array.reshape(-1).view(self.dtype).reshape(self.shape)

    @property
    def bytes(self) -> Array:
        """The memory as flat bytes."""
        return self._contiguous().bytes

    def _contiguous(self) -> Storage:
        base = self._base
        if base.pitch != base.row:
            base.thaw()
        return base

    @property
    def defined(self) -> bool | Array:
        """Which of the new elements are defined; an element is when all of its bytes are."""
        return _resized(self._base.defined, self._base.size, self.size)

    @defined.setter
    def defined(self, value: bool | Array) -> None:
        self._base.defined = _resized(value, self.size, self._base.size)

    @property
    def frozen(self) -> bool:  # type: ignore[override]  # only its base freezes and thaws
        """Whether nobody writes the memory."""
        return self._base.frozen

    @property
    def written(self) -> bool:
        """Whether anything was written to the memory."""
        return self._base.written

    @written.setter
    def written(self, value: bool) -> None:
        self._base.written = value

    @property
    def read(self) -> bool:
        """Whether anything was read from the memory."""
        return self._base.read

    @read.setter
    def read(self, value: bool) -> None:
        self._base.read = value

    def thaw(self) -> None:
        """Get memory of its own before the first write."""
        self._base.thaw()

    def share(self, array: Array) -> None:
        """Copy the values: an alias shares the memory of its base alone."""
        if self.frozen:
            self.thaw()
        np.copyto(self.array, array.reshape(self.shape))

    def share_rows(self, source: Storage, offset: int, pitch: int) -> None:
        """Copy the rows: an alias shares the memory of its base alone."""
        size = self.dtype.itemsize
        steps = (pitch * size, *(step * size for step in self.strides[1:]))
        self.share(np.ndarray(self.shape, self.dtype, source.bytes, offset * size, steps))


def _resized(defined: bool | Array, size: int, wanted: int) -> bool | Array:
    if isinstance(defined, bool) or size == wanted:
        return defined
    if size > wanted:
        whole: Array = np.logical_and.reduce(defined.reshape(wanted, size // wanted), axis=1)
        return whole
    return np.repeat(defined, wanted // size)


def reinterpret(access: AccessPattern, dtype: DType) -> AccessPattern:
    """Read the elements of an access as another dtype; the last dimension shrinks or grows with the element size.

    Args:
        access: contiguous in its last dimension.
        dtype: the other dtype.

    Raises:
        NKIError: the last dimension is not contiguous, or does not hold whole elements of the new dtype.
    """
    storage = access.storage
    old, new = storage.dtype.itemsize, dtype.itemsize
    shape, strides = access.shape, access.strides
    if shape[-1] > 1 and strides[-1] != 1 and old != new:
        raise NKIError(
            f"view({name_of(dtype)}) of {storage.describe()}: the last dimension must be contiguous, its step is "
            f"{strides[-1]}"
        )
    steps = [stride * old for stride in strides[:-1]] + [access.offset * old, shape[-1] * old]
    if any(step % new for step in steps):
        raise NKIError(
            f"view({name_of(dtype)}) of an access {list(shape)} of {storage.describe()}: its rows of {shape[-1] * old} "
            f"bytes, or their places, are no multiples of {new} bytes"
        )
    *outer, offset, count = (step // new for step in steps)
    last = strides[-1] if old == new else 1
    return AccessPattern(alias(storage, dtype), offset, (*shape[:-1], count), (*outer, last))


def alias(storage: Storage, dtype: DType) -> Storage:
    """The memory of a storage under a dtype: the storage itself when it has that dtype."""
    return storage if storage.dtype == dtype else Alias(storage, dtype)
