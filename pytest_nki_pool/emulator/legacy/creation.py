"""Functions of `neuronxcc.nki.language` that allocate tensors."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.errors import NKIError, kernel_line
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer
from pytest_nki_pool.emulator.core.regions import LoopRegions
from pytest_nki_pool.emulator.legacy.profiles import before, release
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import BlockTile, Tile, as_tile, is_scalar, new_tile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


class par_dim(int):  # noqa: N801  (NKI's name)
    """Mark the partition dimension of a shape."""


@documented("nl")
def ndarray(
    shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "", **_options: object
) -> Tile:
    """Allocate an undefined tensor.

    Args:
        shape: sizes; on chip the first is the partition dimension, at most 128.
        dtype: any spelling of a dtype of the generation.
        buffer: where it lives; SBUF by default.
        name: its name in messages.
        **_options: compiler hints, without effect here.

    Raises:
        NKIError: a shape, dtype or size that the generation does not have.
    """
    shape, buffer = _declared("ndarray", shape, buffer)
    blocks = _block_dimensions(shape, buffer)
    if not blocks:
        return new_tile(shape, dtype, buffer, name)
    tile = new_tile((shape[blocks], *shape[:blocks], *shape[blocks + 1 :]), dtype, buffer, name)
    return BlockTile(tile.access.permute((*range(1, blocks + 1), 0, *range(blocks + 1, len(shape)))), blocks)


@documented("nl")
def zeros(shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an on-chip tensor filled with 0, see `ndarray`."""
    return full(shape, 0, dtype, buffer=buffer, name=name)


@documented("nl")
def ones(shape: Sequence[Any], dtype: object, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an on-chip tensor filled with 1, see `ndarray`."""
    return full(shape, 1, dtype, buffer=buffer, name=name)


@documented("nl")
def full(
    shape: Sequence[Any], fill_value: float, dtype: object, *, buffer: Buffer | None = None, name: str = ""
) -> Tile:
    """Allocate an on-chip tensor filled with one value, see `ndarray`.

    Raises:
        NKIError: an HBM buffer ("NKI error manual", err_hbm_tensor_with_init_value_not_supported), or see `ndarray`.
    """
    if _declared("full", shape, buffer)[1] in OFF_CHIP:
        raise NKIError(
            f"creating a tensor in {buffer} with an initial value is not supported; use nl.ndarray and nl.store",
            "err_hbm_tensor_with_init_value_not_supported",
        )
    if not is_scalar(fill_value):
        raise NKIError(f"nl.full: fill_value is a scalar, got {type(fill_value).__name__}")
    tile = ndarray(shape, dtype, buffer=buffer, name=name)
    engine.memset(AccessPattern.whole(tile.storage), fill_value, api="nl.full")
    return tile


@documented("nl")
def zeros_like(a: Tile, dtype: object = None, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate zeros with the shape, dtype and buffer of another tensor unless given."""
    return zeros(**_like("zeros_like", a, dtype, buffer), name=name)


@documented("nl")
def empty_like(a: Tile, dtype: object = None, *, buffer: Buffer | None = None, name: str = "") -> Tile:
    """Allocate an undefined tensor with the shape, dtype and buffer of another one unless given."""
    return ndarray(**_like("empty_like", a, dtype, buffer), name=name)


def _like(api: str, other: object, dtype: object, buffer: Buffer | None) -> dict[str, Any]:
    tile = as_tile(other, "a", f"nl.{api}")
    return {
        "shape": tile.shape,
        "dtype": tile.dtype if dtype is None else dtype,
        "buffer": tile.buffer if buffer is None else buffer,
    }


def _declared(api: str, shape: Sequence[Any], buffer: Buffer | None) -> tuple[Sequence[Any], Buffer]:
    if not isinstance(shape, (list, tuple)):
        raise NKIError(f"nl.{api}: shape is a list or tuple of integers, got {shape!r}")
    if buffer is not None and not isinstance(buffer, Buffer):
        raise NKIError(f"nl.{api}: buffer is nl.sbuf, nl.psum, nl.shared_hbm or nl.private_hbm, got {buffer!r}")
    if buffer is Buffer.SHARED_HBM:
        for watching in current_launch(api).loops:
            if isinstance(watching, LoopRegions):
                raise NKIError(
                    f"nl.{api}: a tensor in shared_hbm is created at the top level of the kernel, not in a loop",
                    "err_shared_hbm_must_in_kernel_level",
                )
    return shape, buffer or Buffer.SBUF


def _block_dimensions(shape: Sequence[Any], buffer: Buffer) -> int:
    """Count the dimensions before `par_dim` of an on-chip shape.

    The compiler of SDK 2.23 warned of them and that of 2.25 was announced to refuse them ("NKI block dimension
    migration guide"); published kernels of SDK 2.26 still have them, so a launch that follows no release warns.
    """
    marked = [at for at, size in enumerate(shape) if isinstance(size, par_dim)]
    if not marked or buffer in OFF_CHIP:
        return 0
    if len(marked) > 1:
        raise NKIError(
            f"a tensor has one partition dimension, got several nl.par_dim in {list(shape)}",
            "err_failed_to_infer_tile_from_local_tensor",
        )
    if not marked[0]:
        return 0
    sdk = release()
    seen = f"shape {list(shape)} has {marked[0]} block dimensions before its partition dimension"
    if sdk is not None and not before(sdk, "2.25"):
        raise NKIError(
            f"{seen}, which SDK {sdk} refuses; allocate one tile per block",
            "err_failed_to_infer_tile_from_local_tensor",
        )
    if not before(sdk, "2.23"):
        _warn_once(f"{seen}; SDK 2.25 and later may refuse them, allocate one tile per block")
    return marked[0]


def _warn_once(message: str) -> None:
    """Warn of a line of the kernel, once per process and line."""
    path, line = kernel_line() or ("", 0)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename, frame.f_lineno) != (path, line):
        frame = frame.f_back
    registry = {} if frame is None else frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, BlockDimensionWarning, path, line, registry=registry)


class BlockDimensionWarning(UserWarning):
    """An on-chip tensor has dimensions before its partition dimension."""
