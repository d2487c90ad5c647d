"""`NkiTensor`: a piece of a tensor, with the indexing rules and views of the current dialect."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_nki_pool.emulator.core import movement
from pytest_nki_pool.emulator.core.access import (
    AccessPattern,
    DynamicSlice,
    Span,
    basic_selection,
    contiguous_strides,
)
from pytest_nki_pool.emulator.core.dtypes import name_of
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.reinterpret import alias, reinterpret
from pytest_nki_pool.emulator.core.rules import check_partitions
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.patterns import (
    Rearrangement,
    ap_pairs,
    check_partition_pair,
    static_integer,
    static_integers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.memory import Buffer


class NkiTensor:
    """A piece of a tensor.

    Indexing takes integers, slices, `...` and `nl.ds`; negative numbers count from the end and nothing is clamped. On
    chip the result keeps at least two dimensions and an integer on the partition dimension keeps size 1; in HBM an
    integer drops its dimension and one dimension is kept ("NKI tensor indexing overview").

    Arithmetic operators do not exist, as on the device: use `nl` or `nisa` functions.
    """

    __slots__ = ("_access",)

    __array_ufunc__ = None  # NumPy functions refuse it
    __iter__ = None  # else Python would iterate through __getitem__

    def __init__(self, access: AccessPattern) -> None:
        self._access = access

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions; on chip the first is the partition dimension."""
        return self._access.shape

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps per dimension, in elements of the storage."""
        return self._access.strides

    @property
    def offset(self) -> int:
        """Address of the first element, in elements of the storage."""
        return self._access.offset

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        return name_of(self._access.storage.dtype)

    @property
    def buffer(self) -> Buffer:
        """Memory it lives in."""
        return self._access.storage.buffer

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._access.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._access.size

    @property
    def name(self) -> str:
        """Name of the storage."""
        return self._access.storage.name

    def __repr__(self) -> str:
        return f"NkiTensor({describe(self._access)})"

    def __bool__(self) -> bool:
        raise NKIError(
            f"the truth value of {describe(self._access)} is not known while the kernel is compiled; "
            "control flow cannot depend on a tensor's values",
            "err_ambiguous_tensor_truth_value",
        )

    def __getitem__(self, key: object) -> NkiTensor:
        access = self._access
        storage = access.storage
        entries = key if isinstance(key, tuple) else (key,)
        selection = basic_selection(entries, access.shape, storage.name, negative=True)
        if storage.on_chip and isinstance(selection[0], int):
            selection = (Span(selection[0], 1), *selection[1:])
        return NkiTensor(_with_rank(access.take(selection)))

    def __setitem__(self, key: object, value: object) -> None:
        target, source = self[key]._access, access_of(value)
        if source is None:
            raise unsupported(f"assignment of a {type(value).__name__} to a subscript of a tensor", "nisa.memset")
        if source.shape != target.shape:
            raise NKIError(
                f"shape mismatch: value array of shape {list(source.shape)} could not be broadcast to indexing result "
                f"of shape {list(target.shape)}: {describe(target)} = {describe(source)}; tiles do not broadcast"
            )
        if target.storage.on_chip and source.storage.on_chip:
            movement.copy(target, source, api="assignment")
        else:
            movement.dma(target, source, api="assignment")

    def ap(
        self,
        pattern: Sequence[Sequence[int]],
        offset: int | None = None,
        scalar_offset: object = None,
        vector_offset: object = None,
        indirect_dim: int = 0,
        dtype: object = None,
    ) -> NkiTensor:
        """Address the storage by an explicit access pattern ("NKI access patterns").

        Args:
            pattern: (step, count) per dimension of the result, in elements over the whole storage, not over this view.
            offset: address of the first element; None: that of this view.
            scalar_offset: not supported.
            vector_offset: not supported.
            indirect_dim: belongs to the two offsets.
            dtype: reads the storage as this dtype; step, count and offset are in its elements.

        Raises:
            NKIError: a pattern that the hardware cannot encode or that leaves the tensor; on chip, also one whose first
                pair is not the partition pair, or that runs from one partition into the next.
        """
        if scalar_offset is not None or vector_offset is not None or indirect_dim != 0:
            raise unsupported("ap() with a dynamic offset", "ap(pattern, offset)")
        storage, start = self._access.storage, self._access.offset
        if dtype is not None:
            start *= storage.dtype.itemsize
            storage = alias(storage, storage.launch.check_dtype(dtype, "ap()"))
            start //= storage.dtype.itemsize
        pairs = ap_pairs(pattern, describe(self._access))
        start = start if offset is None else static_integer(offset, "offset of ap()")
        access = AccessPattern(storage, start, tuple(count for _, count in pairs), tuple(step for step, _ in pairs))
        if storage.on_chip:
            check_partition_pair(access, pairs)
        low, high = access.bounds()
        if low < 0 or high >= storage.size:
            raise NKIError(
                f"ap() pattern {pairs} with offset {start} reaches elements [{low}, {high}] of {storage.describe()}, "
                f"which has {storage.size}",
                "err_tensor_access_out_of_bound",
            )
        if storage.on_chip:
            check_partitions(access, "pattern", "ap()")
        return NkiTensor(access)

    def reshape(self, shape: Sequence[int]) -> NkiTensor:
        """View the same elements in the same order under another shape.

        Raises:
            NKIError: another number of elements, another partition size on chip, or elements that no steps can express.
        """
        access = self._access
        sizes = tuple(static_integers(shape, "size in reshape()"))
        if min(sizes, default=0) < 1 or prod(sizes) != access.size:
            raise NKIError(f"reshape() of {describe(access)} to {list(sizes)} changes the number of elements")
        if access.storage.on_chip and sizes[0] != access.shape[0]:
            change = f"{access.shape[0]} -> {sizes[0]}"
            raise NKIError(f"Partition dim size must be preserved, got {change}: reshape() of {describe(access)}")
        view = access.reshape(sizes)
        if view is None:
            raise NKIError(f"reshape() of {describe(access)} to {list(sizes)} needs a copy: no steps can express it")
        return NkiTensor(_with_rank(view))

    def reshape_dim(self, dim: int, shape: Sequence[int]) -> NkiTensor:
        """Split one dimension into several; one size may be -1, which stands for what is left."""
        at = self._dim(dim)
        sizes = static_integers(shape, "size in reshape_dim()")
        if sizes.count(-1) == 1:
            given = -prod(sizes)
            sizes[sizes.index(-1)] = self.shape[at] // given if given > 0 else 0
        return self.reshape((*self.shape[:at], *sizes, *self.shape[at + 1 :]))

    def flatten_dims(self, start_dim: int, end_dim: int) -> NkiTensor:
        """Join the dimensions from `start_dim` to `end_dim`, inclusive."""
        start, end = self._dim(start_dim), self._dim(end_dim)
        if start > end:
            raise NKIError(f"flatten_dims({start_dim}, {end_dim}): the first dimension comes after the last")
        return self.reshape((*self.shape[:start], prod(self.shape[start : end + 1]), *self.shape[end + 1 :]))

    def permute(self, dims: Sequence[int]) -> NkiTensor:
        """Reorder the dimensions; the partition dimension stays first on chip."""
        order = [self._dim(dim) for dim in static_integers(dims, "dimension of permute()")]
        if sorted(order) != list(range(self.ndim)):
            raise NKIError(f"permute({list(dims)}) of {describe(self._access)} has to name every dimension once")
        if self._access.storage.on_chip and order[0] != 0:
            raise NKIError(
                f"permute({list(dims)}) of {describe(self._access)} moves the partition dimension; start with 0"
            )
        return NkiTensor(self._access.permute(order))

    def rearrange(
        self, src_pattern: object, dst_pattern: object, fixed_sizes: dict[str, int] | None = None
    ) -> NkiTensor:
        """Split, reorder and merge dimensions by name, as `reshape`, `permute` and `reshape`.

        Args:
            src_pattern: name of every dimension, or a tuple of the names that it splits into.
            dst_pattern: the same names in the new order; a tuple merges.
            fixed_sizes: sizes by name; one per split dimension may be left out.
        """
        plan = Rearrangement(src_pattern, dst_pattern, fixed_sizes, self.shape)
        return self.reshape(plan.split).permute(plan.order).reshape(plan.merged)

    def view(self, dtype: object) -> NkiTensor:
        """Read the same bytes as another dtype; the last dimension shrinks or grows with the size of an element.

        Raises:
            NKIError: the last dimension is not contiguous or does not hold whole elements of the dtype.
        """
        access = self._access
        return NkiTensor(reinterpret(access, access.storage.launch.check_dtype(dtype, "view()")))

    reinterpret_cast = view

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> NkiTensor:
        """Select `start:end:step` on one dimension."""
        at = self._dim(dim)
        return self[(slice(None),) * at + (slice(start, end, step),)]

    def select(self, dim: int, index: int | NkiTensor) -> NkiTensor:
        """Select one index of a dimension."""
        if isinstance(index, NkiTensor):
            raise unsupported("NkiTensor.select by a tensor", "select by an integer")
        at = self._dim(dim)
        return self[(slice(None),) * at + (index,)]

    def expand_dim(self, dim: int) -> NkiTensor:
        """Insert a dimension of size 1 before `dim`; not before the partition dimension."""
        at = dim if dim == self.ndim else self._dim(dim)
        if self._access.storage.on_chip and at == 0:
            raise NKIError(f"expand_dim({dim}) of {describe(self._access)} moves the partition dimension")
        return NkiTensor(self._access.insert(at))

    def squeeze_dim(self, dim: int) -> NkiTensor:
        """Drop a dimension of size 1; not the partition dimension."""
        at = self._dim(dim)
        if self.shape[at] != 1 or (self._access.storage.on_chip and at == 0):
            raise NKIError(f"squeeze_dim({dim}) of {describe(self._access)} drops free dimensions of size 1 only")
        return NkiTensor(_with_rank(self._access.take([*[Span(0, n) for n in self.shape[:at]], 0])))

    def broadcast(self, dim: int, size: int) -> NkiTensor:
        """Repeat a dimension of size 1 `size` times; not the partition dimension."""
        at = self._dim(dim)
        count = static_integer(size, "size of broadcast()")
        if self.shape[at] != 1 or count < 1 or (self._access.storage.on_chip and at == 0):
            what = f"broadcast({dim}, {size}) of {describe(self._access)}"
            raise NKIError(f"{what} repeats a free dimension of size 1, at least once")
        access = self._access
        shape = (*access.shape[:at], count, *access.shape[at + 1 :])
        strides = (*access.strides[:at], 0, *access.strides[at + 1 :])
        return NkiTensor(AccessPattern(access.storage, access.offset, shape, strides))

    def is_contiguous(self) -> bool:
        """Whether the elements lie one after the other; on chip, those of each partition."""
        first = 1 if self._access.storage.on_chip else 0
        steps = zip(self.strides, contiguous_strides(self.shape), self.shape, strict=True)
        return all(have == want or count == 1 for have, want, count in list(steps)[first:])

    def is_indirect(self) -> bool:
        """Whether an address depends on data: never here."""
        return False

    def get_pattern(self) -> list[list[int]]:
        """The access pattern as [step, count] per dimension."""
        return [list(pair) for pair in zip(self.strides, self.shape, strict=True)]

    def __getattr__(self, name: str) -> NoReturn:
        if name in _MISSING:
            raise unsupported(f"NkiTensor.{name}", _MISSING[name])
        raise AttributeError(f"'NkiTensor' object has no attribute {name!r}")

    def _dim(self, dim: int) -> int:
        at = static_integer(dim, "dimension")
        at += self.ndim if at < 0 else 0
        if not 0 <= at < self.ndim:
            raise NKIError(f"dimension {dim} does not exist in {describe(self._access)}, which has {self.ndim}")
        return at


_MISSING = {"vector_select": "select", "indirect": "ap"}


def access_of(value: Any) -> AccessPattern | None:
    """The access pattern of a tensor, None for anything else."""
    return value._access if isinstance(value, NkiTensor) else None


def describe(access: AccessPattern) -> str:
    """Say which tensor and which piece of it."""
    storage = access.storage
    whole = access.shape == storage.shape and access.strides == contiguous_strides(storage.shape)
    return storage.describe() if whole else f"view {list(access.shape)} of {storage.describe()}"


def ds(start: int, size: int) -> DynamicSlice:
    """Select `size` indices from `start`.

    Raises:
        NKIError: the size is no positive integer.
    """
    count = static_integer(size, "size of nl.ds")
    if count < 1:
        raise NKIError(f"nl.ds({start}, {size}): every access has at least one element")
    return DynamicSlice(start, count)


def _with_rank(access: AccessPattern) -> AccessPattern:
    """Append dimensions of size 1 up to the rank that indexing keeps: 2 on chip, 1 in HBM."""
    while len(access.shape) < (2 if access.storage.on_chip else 1):
        access = access.insert(len(access.shape))
    return access
