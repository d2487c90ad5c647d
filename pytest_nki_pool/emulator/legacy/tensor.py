"""The tensor object of the legacy dialect and what this dialect tells a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from pytest_nki_pool.emulator.core import movement
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator, kernel_operator
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import Buffer, check_shape
from pytest_nki_pool.emulator.core.reinterpret import reinterpret
from pytest_nki_pool.emulator.legacy.indexing import reach, resolve_block, resolve_subscript

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.dtypes import DType
    from pytest_nki_pool.emulator.core.masks import Region
    from pytest_nki_pool.emulator.core.memory import Storage
    from pytest_nki_pool.emulator.core.reach import Reach

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
    def storage(self) -> Storage:
        """The tensor that it is a piece of."""
        return self.access.storage

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self.access.shape

    @property
    def dtype(self) -> DType:
        """NumPy or `ml_dtypes` dtype."""
        return self.storage.dtype

    @property
    def buffer(self) -> Buffer:
        """Memory it lives in."""
        return self.storage.buffer

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def __repr__(self) -> str:
        return f"<{self.storage.describe()}, access {list(self.shape)}>"

    def __getitem__(self, key: object) -> Tile:
        access = self.access
        try:
            return Tile(resolve_subscript(access, key))
        except NKIError as error:
            if any(isinstance(entry, Tile) for entry in (key if isinstance(key, tuple) else (key,))):
                return _indexed_by_tensor(self, key)
            if error.rule != "err_tensor_access_out_of_bound":
                raise
            return OutsideTile(reach(access, key), error)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> NoReturn:
        raise NKIError(f"{self.storage.describe()} cannot be iterated over; index it")

    def __bool__(self) -> NoReturn:
        if self.dtype == np.bool_ and not kernel_operator():
            raise NKIError(
                f"control flow cannot depend on the values of {self.storage.describe()}, which are not known when the "
                "kernel is traced; use nl.where or a mask",
                "err_control_flow_condition_depending_on_tensor",
            )
        raise NKIError(
            f"the truth value of {self.storage.describe()} is ambiguous: Python cannot decide on tensor values; "
            "use nl.where, nl.logical_and and their relatives",
            "err_ambiguous_tensor_truth_value",
        )

    def assert_shape(self, shape: Sequence[int]) -> Tile:
        """Return the tile itself after checking its shape.

        Raises:
            NKIError: the shape differs.
        """
        if not isinstance(shape, (tuple, list)) or self.shape != tuple(shape):
            raise NKIError(f"{self!r}: expected shape {list(shape) if isinstance(shape, tuple) else shape!r}")
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
        movement.copy(result.access, self.access, api="astype")
        return result

    def view(self, dtype: object) -> Tile:
        """Read the bytes as another dtype; the last dimension shrinks or grows with the element size."""
        return Tile(reinterpret(self.access, current_launch("view").check_dtype(dtype, f"{self!r}, view")))

    __hash__ = object.__hash__


class OutsideTile(Tile):
    """A subscript that leaves its tensor: only an instruction with a mask can use it.

    Args:
        reach: the access.
        error: what any other use raises.
    """

    __slots__ = ("_error", "reach")

    def __init__(self, reach: Reach, error: NKIError) -> None:
        self.reach = reach
        self._error = error

    @property
    def access(self) -> AccessPattern:  # type: ignore[override]  # noqa: D102  (the class says it)
        raise self._error

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self.reach.shape

    @property
    def storage(self) -> Storage:  # noqa: D102
        return self.reach.base.storage


class PartialTile(Tile):
    """The result of an instruction with a mask.

    Attributes:
        region: the elements that the mask selected.
    """

    __slots__ = ("region",)

    def __init__(self, access: AccessPattern, region: Region) -> None:
        super().__init__(access)
        self.region = region


class ProductTile(Tile):
    """A matrix product in PSUM, which `+=` may add to another one in any order."""

    __slots__ = ()


class BlockTile(Tile):
    """An on-chip tensor with block dimensions before its partition dimension: a list of tiles.

    Args:
        blocks: access whose leading dimensions are the block dimensions.
        rank: how many they are.
    """

    __slots__ = ("_blocks", "_rank")

    def __init__(self, blocks: AccessPattern, rank: int) -> None:
        self._blocks = blocks
        self._rank = rank

    @property
    def access(self) -> AccessPattern:  # type: ignore[override]  # noqa: D102
        raise NKIError(
            f"{self._blocks.storage.describe()} has {self._rank} block dimensions: index each of them with an integer "
            "or a loop variable before anything else",
            "err_failed_to_infer_tile_from_local_tensor",
        )

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self._blocks.shape

    @property
    def storage(self) -> Storage:  # noqa: D102
        return self._blocks.storage

    def __getitem__(self, key: object) -> Tile:
        entries = key if isinstance(key, tuple) else (key,)
        blocks, rest = entries[: self._rank], entries[self._rank :]
        if len(blocks) < self._rank or any(isinstance(e, slice) or e is Ellipsis for e in blocks):
            return Tile(self.access)
        tile = Tile(resolve_block(self._blocks, blocks))
        return tile[rest] if rest else tile


class IndirectTile(Tile):
    """A piece that a tensor selects: loads and stores take it in HBM, no other instruction does.

    Args:
        tile: what is subscripted.
    """

    __slots__ = ("_tile",)

    def __init__(self, tile: Tile) -> None:
        self._tile = tile

    @property
    def access(self) -> AccessPattern:  # type: ignore[override]  # noqa: D102  (the class says it)
        if not self.storage.on_chip:
            raise UnsupportedByEmulator(
                "a tensor as an index (gather and scatter)", "legacy", "nl.load of index expressions"
            )
        raise NKIError(
            f"{self.storage.describe()}: no instruction takes a piece on chip that a tensor selects; load it from HBM",
            "err_indirect_indices_are_not_supported_with_nki_api",
        )

    @property
    def storage(self) -> Storage:  # noqa: D102
        return self._tile.storage


def _indexed_by_tensor(tile: Tile, key: object) -> IndirectTile:
    """Select by a tensor.

    Raises:
        NKIError: it indexes a free dimension of a tensor in HBM.
    """
    entries = key if isinstance(key, tuple) else (key,)
    free = [dim for dim, entry in enumerate(entries) if dim and isinstance(entry, Tile)]
    if free and not tile.storage.on_chip:
        raise NKIError(
            f"{tile!r}: a tensor indexes the first dimension only, got one for dimension {free[0]}",
            "err_indirect_indices_free_dim",
        )
    return IndirectTile(tile)


def check_copied(value: object) -> None:
    """Check what an instruction shall copy.

    Raises:
        NKIError: a piece that a tensor selects.
    """
    if isinstance(value, IndirectTile) and value.storage.on_chip:
        raise NKIError(
            f"a copy of {value.storage.describe()} indexed by a tensor is not supported natively; load it from HBM",
            "err_copy_dynamic_indirect_indices_not_natively_supported",
        )


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
