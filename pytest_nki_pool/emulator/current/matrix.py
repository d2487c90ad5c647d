"""`nki.isa`: instructions of TensorE and GpSimdE."""
# ruff: noqa: ARG001  (every instruction takes a name, which means nothing here)

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import matmul, select
from pytest_nki_pool.emulator.core.alu import COMPARISONS
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.partitions import partition_reduce
from pytest_nki_pool.emulator.current import enums
from pytest_nki_pool.emulator.current.enums import check_engine, check_member
from pytest_nki_pool.emulator.current.functions import equal
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.operands import alu_op, is_number, on_chip, placed
from pytest_nki_pool.emulator.current.patterns import index_pairs, static_integer, static_integers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.current.operands import Scalar
    from pytest_nki_pool.emulator.current.tensor import NkiTensor

_SBUF = (Buffer.SBUF,)


def nc_matmul(
    dst: NkiTensor,
    stationary: NkiTensor,
    moving: NkiTensor,
    is_stationary_onezero: bool = False,
    is_moving_onezero: bool = False,
    is_transpose: bool = False,
    accumulate: bool | None = None,
    tile_position: Sequence[int] = (),
    tile_size: Sequence[int] = (),
    perf_mode: enums.matmul_perf_mode = enums.matmul_perf_mode.none,
    name: str | None = None,
) -> None:
    """Compute `stationary.T @ moving` in float32 into PSUM.

    Args:
        dst: M x N in PSUM; float32, and bfloat16 too from NeuronCore-v4 on.
        stationary: K x M in SBUF, both up to 128.
        moving: K x N in SBUF, N up to 512 (NeuronCore-v4: 1024).
        is_stationary_onezero: a hint for speed.
        is_moving_onezero: a hint for speed.
        is_transpose: pass `stationary` through, transposed bit for bit, with an identity as `moving`.
        accumulate: whether to add to `dst`; None: where it was written before.
        tile_position: first row and column of the part of the systolic array that computes.
        tile_size: its rows and columns.
        perf_mode: `none`.
        name: name of the instruction.
    """
    api = "nc_matmul"
    check_member(api, "perf_mode", perf_mode, enums.matmul_perf_mode)
    if perf_mode is not enums.matmul_perf_mode.none:
        raise unsupported(f"nisa.nc_matmul(perf_mode={perf_mode.name})", "nisa.nc_matmul")
    target = placed(dst, "dst", api, (Buffer.PSUM,))
    left, right = placed(stationary, "stationary", api, _SBUF), placed(moving, "moving", api, _SBUF)
    position, size = (
        static_integers(value, f"{role} of {api}")
        for role, value in (("tile_position", tile_position), ("tile_size", tile_size))
    )
    matmul.check_array_tile(left, position, size, api)
    if is_transpose and matmul.pass_through(target, left, right, api):
        return
    matmul.matmul(target, left, right, accumulate=None if accumulate is None else bool(accumulate))


def nc_transpose(
    dst: NkiTensor, data: NkiTensor, engine: enums.engine = enums.engine.unknown, name: str | None = None
) -> None:
    """Swap the partition dimension and the flattened free dimensions, bit for bit.

    Args:
        dst: F x P, the dtype of `data`.
        data: P x F.
        engine: TensorE from SBUF to PSUM up to 128 x 128, VectorE up to 32 x 32.
        name: name of the instruction.
    """
    target, source = on_chip(dst, "dst", "nc_transpose"), on_chip(data, "data", "nc_transpose")
    check_engine("nc_transpose", engine)
    matmul.transpose(target, source, engine=None if engine is enums.engine.unknown else engine.name)


def iota(
    dst: NkiTensor,
    pattern: Sequence[Sequence[int]],
    offset: int = 0,
    channel_multiplier: int = 0,
    name: str | None = None,
) -> None:
    """Write `offset + partition * channel_multiplier + Σ index * step` as integers.

    Args:
        dst: tile in SBUF, of any dtype.
        pattern: up to four [step, count] over the free elements of `dst`.
        offset: constant.
        channel_multiplier: step from one partition to the next.
        name: name of the instruction.
    """
    target = placed(dst, "dst", "iota", _SBUF)
    select.iota(target, _affine(target, pattern, offset, channel_multiplier, "iota"))


def affine_select(
    dst: NkiTensor,
    pattern: Sequence[Sequence[int]],
    channel_multiplier: int,
    on_true_tile: NkiTensor,
    on_false_value: Scalar,
    cmp_op: object = equal,
    offset: int = 0,
    name: str | None = None,
) -> None:
    """Keep the elements where the value that `iota` would write compares true with 0; replace the others by a number.

    Args:
        dst: tile in SBUF.
        pattern: as in `iota`.
        channel_multiplier: as in `iota`.
        on_true_tile: tile in SBUF, equal partitions and free elements.
        on_false_value: number.
        cmp_op: comparison such as `nl.greater_equal`.
        offset: as in `iota`.
        name: name of the instruction.
    """
    api = "affine_select"
    target, source = placed(dst, "dst", api, _SBUF), placed(on_true_tile, "on_true_tile", api, _SBUF)
    compare = alu_op(cmp_op, "cmp_op", api)
    if compare not in COMPARISONS:
        raise NKIError(f"{api} cmp_op must be a comparison such as nl.greater_equal, got {compare}")
    if not is_number(on_false_value):
        raise NKIError(f"{api} on_false_value must be a number, got {on_false_value!r}")
    values = _affine(target, pattern, offset, channel_multiplier, api)
    select.affine_select(target, values, compare, source, float(on_false_value))


def tensor_partition_reduce(dst: NkiTensor, op: object, data: NkiTensor, name: str | None = None) -> None:
    """Reduce the partition dimension on GpSimdE.

    Args:
        dst: one partition in SBUF with as many free elements.
        op: `nl.add`, `nl.maximum`, `nl.bitwise_or` or `nl.bitwise_and`.
        data: tile in SBUF.
        name: name of the instruction.
    """
    api = "tensor_partition_reduce"
    partition_reduce(placed(dst, "dst", api, _SBUF), alu_op(op, "op", api), placed(data, "data", api, _SBUF))


def _affine(target: AccessPattern, pattern: object, offset: object, multiplier: object, api: str) -> Array:
    return select.affine_values(
        target.shape[0],
        index_pairs(pattern, api),
        static_integer(offset, f"offset of {api}"),
        static_integer(multiplier, f"channel_multiplier of {api}"),
        api,
    )
