"""`nki.language`: tensors, and their way between HBM and SBUF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.placement import allocate_at
from pytest_nki_pool.emulator.core.rules import HBM
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.operands import check_fill, placed, tensor
from pytest_nki_pool.emulator.current.patterns import static_integers
from pytest_nki_pool.emulator.current.tensor import NkiTensor, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.current.operands import Scalar


def allocate(
    api: str,
    shape: Sequence[int],
    dtype: object,
    buffer: Buffer | str | None = Buffer.SBUF,
    name: str = "",
    address: tuple[int, int] | None = None,
) -> AccessPattern:
    """Allocate an undefined tensor in the running launch.

    Raises:
        NKIError: no such buffer, or a shape, dtype or capacity that the generation does not have.
    """
    try:
        place = Buffer.SBUF if buffer is None else Buffer(buffer)
    except ValueError:
        raise NKIError(f"{api}: buffer {buffer!r} does not exist; use one of {', '.join(Buffer)}") from None
    launch = current_launch(f"nl.{api}")
    if address is not None:
        return AccessPattern.whole(allocate_at(launch, shape, dtype, place, name, address))
    return AccessPattern.whole(launch.allocate(shape, dtype, place, name))


def tile_like(api: str, source: AccessPattern, dtype: object, shape: Sequence[int] | None = None) -> AccessPattern:
    """Allocate an undefined SBUF tile for a result: shape and dtype of a source unless they are given."""
    return allocate(api, source.shape if shape is None else shape, source.storage.dtype if dtype is None else dtype)


def ndarray(
    shape: Sequence[int],
    dtype: object,
    buffer: Buffer | str | None = Buffer.SBUF,
    name: str = "",
    address: object = None,
) -> NkiTensor:
    """Allocate an undefined tensor.

    Args:
        shape: sizes; on chip at least two, the first at most 128.
        dtype: any spelling.
        buffer: memory; None is SBUF. What a kernel returns lives in `shared_hbm`.
        name: its name in messages.
        address: first partition and first byte in it, of a tensor on chip; None: wherever there is room.

    Raises:
        NKIError: no such tensor or address.
    """
    return NkiTensor(allocate("ndarray", shape, dtype, buffer, name, None if address is None else _address(address)))


def _address(address: object) -> tuple[int, int]:
    entries = static_integers(address, "address of nl.ndarray")
    if len(entries) != 2:
        raise NKIError(f"address of nl.ndarray: (first partition, first byte), got {address!r}")
    return entries[0], entries[1]


def full(
    shape: Sequence[int], fill_value: Scalar, dtype: object, buffer: Buffer | str | None = Buffer.SBUF, name: str = ""
) -> NkiTensor:
    """Allocate a tensor filled with a value; arguments as `ndarray`."""
    return _filled("full", allocate("full", shape, dtype, buffer, name), fill_value)


def zeros(shape: Sequence[int], dtype: object, buffer: Buffer | str | None = Buffer.SBUF, name: str = "") -> NkiTensor:
    """Allocate a tensor filled with 0; arguments as `ndarray`."""
    return _filled("zeros", allocate("zeros", shape, dtype, buffer, name), 0)


def ones(shape: Sequence[int], dtype: object, buffer: Buffer | str | None = Buffer.SBUF, name: str = "") -> NkiTensor:
    """Allocate a tensor filled with 1; arguments as `ndarray`."""
    return _filled("ones", allocate("ones", shape, dtype, buffer, name), 1)


def empty_like(x: NkiTensor, dtype: object = None, buffer: Buffer | str | None = None, name: str = "") -> NkiTensor:
    """Allocate an undefined tensor of the shape of another.

    Args:
        x: the other tensor.
        dtype: None: that of `x`.
        buffer: memory; None: that of `x`.
        name: its name in messages.
    """
    return NkiTensor(_like("empty_like", x, dtype, buffer, name))


def zeros_like(x: NkiTensor, dtype: object = None, buffer: Buffer | str | None = None, name: str = "") -> NkiTensor:
    """Allocate a tensor of zeros of the shape of another; arguments as `empty_like`."""
    return _filled("zeros_like", _like("zeros_like", x, dtype, buffer, name), 0)


def shared_identity_matrix(n: int, dtype: object = "uint8", dst: NkiTensor | None = None) -> NkiTensor:
    """Make an n x n identity matrix in SBUF.

    Args:
        n: rows and columns, up to 128.
        dtype: its dtype.
        dst: not supported.
    """
    if dst is not None:
        raise unsupported("nl.shared_identity_matrix(dst=…)", "nl.shared_identity_matrix")
    matrix = allocate("shared_identity_matrix", (n, n), dtype)
    engine.fill(matrix, 0)
    engine.fill(AccessPattern(matrix.storage, 0, (n,), (n + 1,)), 1)
    return NkiTensor(matrix)


def load(src: NkiTensor, dtype: object = None) -> NkiTensor:
    """Load from HBM into a new SBUF tile; the first dimension becomes the partition dimension.

    Args:
        src: 2 dimensions or more.
        dtype: dtype of the tile; None: that of `src`.
    """
    source = placed(src, "src", "load", sorted(HBM))
    tile = tile_like("load", source, dtype)
    movement.dma(tile, source, api="load")
    return NkiTensor(tile)


def load_transpose2d(src: NkiTensor, dtype: object = None) -> NkiTensor:
    """Load a matrix from HBM into a new SBUF tile with its two dimensions swapped.

    Args:
        src: 2 dimensions.
        dtype: dtype of the tile; None: that of `src`.
    """
    source = placed(src, "src", "load_transpose2d", sorted(HBM))
    if len(source.shape) != 2:
        raise NKIError(f"load_transpose2d src must have 2 dimensions, got {describe(source)}")
    swapped = source.permute((1, 0))
    tile = tile_like("load_transpose2d", swapped, dtype)
    movement.dma(tile, swapped, api="load_transpose2d")
    return NkiTensor(tile)


def store(dst: NkiTensor, value: NkiTensor) -> None:
    """Store an SBUF tile to HBM, cast to the destination's dtype.

    Args:
        dst: destination in HBM, as many elements.
        value: tile in SBUF.
    """
    target = placed(dst, "dst", "store", sorted(HBM))
    movement.dma(target, placed(value, "value", "store", (Buffer.SBUF,)), api="store")


def _like(api: str, x: NkiTensor, dtype: object, buffer: Buffer | str | None, name: str) -> AccessPattern:
    other = tensor(x, "x", api)
    storage = other.storage
    place = storage.buffer if buffer is None else buffer
    return allocate(api, other.shape, storage.dtype if dtype is None else dtype, place, name)


def _filled(api: str, target: AccessPattern, value: Scalar) -> NkiTensor:
    engine.fill(target, check_fill(target, value, api))
    return NkiTensor(target)
