"""Moving elements between memories: DMA, and copies by a compute engine.

Nothing is copied where a tensor can stand for memory that is not written; it gets its own before the first write.
Destination first, definedness follows the data, `api` names the NKI function in messages.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.cost import counts_only
from pytest_nki_pool.emulator.core.dtypes import FLOAT32, as_float32, round_into
from pytest_nki_pool.emulator.core.engine import blocks, check_operand
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer, Storage
from pytest_nki_pool.emulator.core.rules import DMA, check_buffer, check_partitions
from pytest_nki_pool.emulator.core.traffic import begin_write, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_nki_pool.emulator.core.dtypes import Array


def dma(
    dst: AccessPattern,
    src: AccessPattern,
    *,
    api: str = "dma_copy",
    dst_buffers: Collection[Buffer] = DMA,
    src_buffers: Collection[Buffer] = DMA,
) -> None:
    """Move elements in order between HBM and SBUF, through fp32 when the dtypes differ.

    Args:
        dst: destination.
        src: source with as many elements; the shapes may differ.
        api: NKI function in messages.
        dst_buffers: where the destination may live.
        src_buffers: where the source may live.

    Raises:
        NKIError: wrong buffers, different element counts, undefined elements on their way to HBM.
    """
    check_buffer(src, "src", api, src_buffers)
    check_buffer(dst, "dst", api, dst_buffers)
    if dst.storage.on_chip:
        check_partitions(dst, "dst", api)
    if src.storage.on_chip:
        check_partitions(src, "src", api, repeat=True)
    if dst.size != src.size:
        raise NKIError(
            f"{api} requires src and dst to have the same number of elements, got src={list(src.shape)} of "
            f"{src.storage.describe()}, dst={list(dst.shape)} of {dst.storage.describe()}"
        )
    _move(dst, src, api)


def dma_add(dst: AccessPattern, src: AccessPattern, *, api: str = "dma_copy") -> None:
    """Add elements to what is in HBM or SBUF, in fp32 with one rounding; operands as of `dma`.

    Raises:
        NKIError: see `dma`; undefined elements of the destination count as well.
    """
    launch = dst.storage.launch
    total = AccessPattern.whole(launch.allocate(src.shape, "float32", Buffer.PRIVATE_HBM, "sum of dma_copy"))
    dma(total, src, api=api)
    before = dst.defined()
    if before is not True and not dst.storage.on_chip:
        raise _undefined_to_hbm(dst, dst, before, api)
    target = total.view()
    np.add(target, as_float32(read(dst)).reshape(target.shape), out=target)
    total.mark(before if isinstance(before, bool) else before.reshape(target.shape))
    dma(dst, total, api=api)


def copy(dst: AccessPattern, src: AccessPattern, *, api: str = "tensor_copy") -> None:
    """Copy on chip by a compute engine; equal dtypes are bit-exact.

    Raises:
        NKIError: an operand is not on chip or not addressable, or partitions or free sizes differ.
    """
    check_operand(dst, "dst", api)
    check_operand(src, "src", api)
    if dst.shape[0] != src.shape[0] or dst.size != src.size:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} and 'src' {list(src.shape)} of "
            f"{src.storage.describe()} differ in partitions or free elements"
        )
    _move(dst, src, api)


def _move(dst: AccessPattern, src: AccessPattern, api: str) -> None:
    source = read(src)
    defined = src.defined()
    if defined is not True and not dst.storage.on_chip and not counts_only():
        raise _undefined_to_hbm(dst, src, defined, api)
    if source.shape != dst.shape:
        source = source.reshape(dst.shape)
        defined = defined if isinstance(defined, bool) else defined.reshape(dst.shape)
    stand_for = _standing(dst, src, source)
    if stand_for is not None:
        begin_write(dst)
        stand_for()
    else:
        target = write(dst)
        if target.dtype in {source.dtype, FLOAT32}:
            np.copyto(target, source, casting="unsafe")
        else:
            for rows in blocks(dst, aliased=dst.storage is src.storage):
                round_into(target[rows], as_float32(source[rows]))
    dst.mark(defined)


def _standing(dst: AccessPattern, src: AccessPattern, source: Array) -> Callable[[], None] | None:
    """How the destination comes to stand for the source's memory; None where elements have to be copied."""
    storage = src.storage
    if storage.frozen and source.flags.c_contiguous and source.dtype == dst.storage.dtype and _is_whole_tile(dst):
        return partial(dst.storage.share, source)
    if _shares_rows(dst, src):
        return partial(dst.storage.share_rows, storage, src.offset, src.strides[0])
    if _is_handed_over(dst, src):
        return partial(storage.lend, dst.storage)
    return None


def _shares_rows(dst: AccessPattern, src: AccessPattern) -> bool:
    """Whether a new tile can stand for frozen memory whose rows are contiguous and lie apart."""
    storage = src.storage
    return (
        storage.frozen
        and not storage.on_chip
        and storage.dtype == dst.storage.dtype
        and src.shape == dst.shape
        and src.strides[0] >= dst.storage.row
        and src.strides[1:] == dst.strides[1:]
        and _is_whole_tile(dst)
    )


def _is_handed_over(dst: AccessPattern, src: AccessPattern) -> bool:
    """Whether a tile becomes an output as it is; memory that a tile shares is the caller's, and stays there."""
    output, tile = dst.storage, src.storage
    return (
        output.buffer is Buffer.SHARED_HBM
        and tile.buffer is Buffer.SBUF
        and not tile.frozen
        and output.dtype == tile.dtype
        and output.shape == tile.shape
        and type(output) is type(tile) is Storage
        and dst.is_whole()
        and src.is_whole()
    )


def _is_whole_tile(access: AccessPattern) -> bool:
    return access.storage.on_chip and access.is_whole()


def _undefined_to_hbm(dst: AccessPattern, src: AccessPattern, defined: bool | Array, api: str) -> NKIError:
    if isinstance(defined, bool):
        seen = f"all {src.size} elements"
    else:
        first = [int(i) for i in np.argwhere(~defined)[0]]
        seen = f"{int(defined.size - np.count_nonzero(defined))} of {src.size} elements, first at {first},"
    return NKIError(
        f"{api}: {seen} of {src.storage.describe()} are undefined (never written, or beyond the input range of a "
        f"ScalarE function) and would reach {dst.storage.describe()}; write them first"
    )
