"""`nki.isa`: instructions that move data without computing."""
# ruff: noqa: ARG001  (every instruction takes a name, which means nothing here)

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import engine as core
from pytest_nki_pool.emulator.core import movement
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, Buffer
from pytest_nki_pool.emulator.core.partitions import TRANSPOSITIONS
from pytest_nki_pool.emulator.core.partitions import dma_transpose as core_dma_transpose
from pytest_nki_pool.emulator.core.select import copy_predicated
from pytest_nki_pool.emulator.current import enums
from pytest_nki_pool.emulator.current.enums import check_engine, check_member
from pytest_nki_pool.emulator.current.operands import (
    check_dtypes,
    check_fill,
    check_pair,
    is_number,
    on_chip,
    placed,
)
from pytest_nki_pool.emulator.current.patterns import static_integers
from pytest_nki_pool.emulator.current.tensor import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.current.operands import Scalar
    from pytest_nki_pool.emulator.current.tensor import NkiTensor

_DMA_BUFFERS = (*sorted(OFF_CHIP), Buffer.SBUF)


def dma_copy(
    dst: NkiTensor,
    src: NkiTensor,
    priority: int | None = None,
    oob_mode: enums.oob_mode = enums.oob_mode.error,
    dge_mode: enums.dge_mode = enums.dge_mode.unknown,
    engine: enums.engine = enums.engine.unknown,
    name: str | None = None,
) -> None:
    """Move elements in order between HBM and SBUF, through float32 when the dtypes differ.

    Args:
        dst: destination, as many elements as `src`; the shapes may differ.
        src: source.
        priority: 0 (first) to 3; NeuronCore-v4 only.
        oob_mode: for dynamic indices.
        dge_mode: `hwdge` takes equal dtypes and NeuronCore-v3 or newer.
        engine: who triggers the DMA.
        name: name of the instruction.
    """
    target = placed(dst, "dst", "dma_copy", _DMA_BUFFERS)
    source = placed(src, "src", "dma_copy", _DMA_BUFFERS)
    check_engine("dma_copy", engine)
    _check_dma("dma_copy", target, source, priority, oob_mode, dge_mode)
    movement.dma(target, source)


def dma_transpose(
    dst: NkiTensor,
    src: NkiTensor,
    axes: Sequence[int] | None = None,
    priority: int | None = None,
    dge_mode: enums.dge_mode = enums.dge_mode.unknown,
    oob_mode: enums.oob_mode = enums.oob_mode.error,
    name: str | None = None,
) -> None:
    """Transpose 2-byte elements by DMA into SBUF.

    Args:
        dst: tile in SBUF.
        src: 2 to 4 dimensions in HBM or SBUF.
        axes: (1, 0), (2, 1, 0) or (3, 1, 2, 0), which is what None means as well.
        priority: 0 (first) to 3; NeuronCore-v4 only.
        dge_mode: `unknown`, or `hwdge` for a source of 16 rows whose last dimension is a multiple of 128.
        oob_mode: for dynamic indices.
        name: name of the instruction.
    """
    api = "dma_transpose"
    target, source = placed(dst, "dst", api, (Buffer.SBUF,)), placed(src, "src", api, _DMA_BUFFERS)
    _check_dma(api, target, source, priority, oob_mode, dge_mode)
    if axes is not None and tuple(static_integers(axes, f"axes of {api}")) != TRANSPOSITIONS.get(len(source.shape)):
        raise NKIError(
            f"{api} axes are {', '.join(map(str, TRANSPOSITIONS.values()))}, got {axes!r} for {describe(source)}"
        )
    if dge_mode not in (enums.dge_mode.unknown, enums.dge_mode.hwdge):
        raise NKIError(f"{api} dge_mode is unknown or hwdge, got {dge_mode.name}")
    if dge_mode is enums.dge_mode.hwdge and (source.shape[0] != 16 or source.shape[-1] % 128):
        raise NKIError(
            f"{api} dge_mode hwdge takes a source of 16 rows whose last dimension is a multiple of 128, got "
            f"{describe(source)}"
        )
    core_dma_transpose(target, source)


def _check_dma(
    api: str,
    target: AccessPattern,
    source: AccessPattern,
    priority: int | None,
    oob_mode: enums.oob_mode,
    dge_mode: enums.dge_mode,
) -> None:
    check_member(api, "oob_mode", oob_mode, enums.oob_mode)
    check_member(api, "dge_mode", dge_mode, enums.dge_mode)
    generation = current_launch(api).generation
    if dge_mode is enums.dge_mode.hwdge and (generation.number < 3 or target.storage.dtype != source.storage.dtype):
        raise NKIError(
            f"{api} dge_mode hwdge takes equal dtypes and NeuronCore-v3 or newer, got {describe(source)} and "
            f"{describe(target)} on {generation.name}"
        )
    if priority is not None and (generation.number < 4 or priority not in range(4)):
        raise NKIError(f"{api} priority is 0 to 3 on NeuronCore-v4 or newer, got {priority!r} on {generation.name}")


def tensor_copy(
    dst: NkiTensor, src: NkiTensor, engine: enums.engine = enums.engine.unknown, name: str | None = None
) -> None:
    """Copy on chip; equal dtypes are bit-exact.

    Args:
        dst: destination of equal partitions and as many free elements.
        src: source.
        engine: who copies; GpSimdE does not reach PSUM and ScalarE of NeuronCore-v2 does not copy.
        name: name of the instruction.
    """
    target, source = on_chip(dst, "dst", "tensor_copy"), on_chip(src, "src", "tensor_copy")
    check_engine("tensor_copy", engine, target, src=source)
    movement.copy(target, source)


def tensor_copy_predicated(
    dst: NkiTensor,
    src: NkiTensor | Scalar,
    predicate: NkiTensor,
    reverse_pred: bool = False,
    name: str | None = None,
) -> None:
    """Copy elements where a predicate is not 0; the others keep what they hold.

    Args:
        dst: destination on chip.
        src: tile of the dtype of `dst`, as many partitions and free elements, or a number.
        predicate: tile of uint8, uint16 or uint32, likewise; not in PSUM together with `src`.
        reverse_pred: copy where the predicate is 0.
        name: name of the instruction.
    """
    api = "tensor_copy_predicated"
    target, mask = on_chip(dst, "dst", api), on_chip(predicate, "predicate", api)
    check_dtypes(api, "predicate", mask, ("uint8", "uint16", "uint32"))
    if is_number(src):
        copy_predicated(target, float(src), mask, reverse=bool(reverse_pred))
        return
    source = on_chip(src, "src", api)
    check_pair(api, source, mask)
    if source.storage.dtype != target.storage.dtype:
        raise NKIError(f"{api}: src and dst have the same dtype, got {describe(source)} and {describe(target)}")
    copy_predicated(target, source, mask, reverse=bool(reverse_pred))


def memset(dst: NkiTensor, value: Scalar, engine: enums.engine = enums.engine.unknown, name: str | None = None) -> None:
    """Fill a tile.

    Args:
        dst: destination on chip.
        value: number; an integer for an integer tile.
        engine: who fills.
        name: name of the instruction.
    """
    target = on_chip(dst, "dst", "memset")
    check_engine("memset", engine, target)
    core.memset(target, check_fill(target, value, "memset"))
