"""TensorE: matrix product and transposition, and the transposition of VectorE.

Sources: NKI ISA, nc_matmul and nc_transpose; architecture guides for Trainium/Inferentia2 and Trainium2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.emulator.core.dtypes import FLOAT32, as_float32, name_of, round_into
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import (
    PSUM,
    SBUF,
    all_defined,
    check_operands,
    defined_of,
    mark,
    matrix,
    put,
)
from pytest_nki_pool.emulator.core.rules import CHIP, check_bank
from pytest_nki_pool.emulator.core.traffic import accumulate as begin_sum
from pytest_nki_pool.emulator.core.traffic import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.generations import Generation
    from pytest_nki_pool.emulator.core.operands import Defined

#: Rows and columns of the systolic array: largest contraction and largest stationary free size.
ARRAY_SIZE = 128
#: Rows and columns of the largest product that BLAS computes in one thread at a depth of `ARRAY_SIZE`.
_BLOCK_ROWS, _BLOCK_COLUMNS = 32, 64
#: Largest square that VectorE transposes.
VECTOR_TRANSPOSE = 32

_OPERANDS = frozenset({"float8_e4m3", "float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float32"})


def moving_limit(generation: Generation) -> int:
    """Largest free size of a moving matrix: one PSUM bank of fp32, and two from NeuronCore-v4 on."""
    return 512 if generation.number < 4 else 1024


def matmul(
    dst: AccessPattern,
    stationary: AccessPattern,
    moving: AccessPattern,
    *,
    accumulate: bool | None = None,
    api: str = "nc_matmul",
) -> None:
    """Compute `stationary.T @ moving` in fp32 into PSUM.

    Args:
        dst: M x N in PSUM; fp32, and bf16 too from NeuronCore-v4 on.
        stationary: K x M in SBUF, both at most 128; K is the partition dimension, M the flattened free ones.
        moving: K x N in SBUF, N as `moving_limit`.
        accumulate: whether to add to `dst`; None: where it holds something.
        api: NKI function in messages.

    Raises:
        NKIError: buffers, shapes or dtypes that TensorE does not take.
    """
    check_operands(api, SBUF, stationary=stationary, moving=moving)
    check_operands(api, PSUM, dst=dst)
    _check_shapes(dst, stationary, moving, api)
    _check_dtypes(dst, stationary, moving, api)
    check_bank(dst, "dst", api)
    product = multiply(as_float32(matrix(stationary)), as_float32(matrix(moving)))
    defined = _product_defined(stationary, moving)
    before = dst.defined() if accumulate is None else accumulate
    if before is False:
        put(dst, product, defined)
        return
    target = begin_sum(dst)
    old = as_float32(target).reshape(product.shape)
    kept: Defined = before if isinstance(before, bool) else before.reshape(product.shape)
    product = product + (old if kept is True else np.where(kept, old, np.float32(0)))
    if accumulate:
        defined = all_defined([defined, defined_of(dst, dst.shape[0])])
    round_into(target, product.reshape(dst.shape))
    mark(dst, defined)


def multiply(stationary: Array, moving: Array) -> Array:
    """Compute `stationary.T @ moving` in fp32, block by block.

    BLAS gives every larger product to several threads, which costs more than a product of this size takes.

    Args:
        stationary: K x M.
        moving: K x N.
    """
    depth, rows = stationary.shape
    columns = moving.shape[1]
    if rows * columns * depth <= _BLOCK_ROWS * _BLOCK_COLUMNS * ARRAY_SIZE:
        return stationary.T @ moving
    left, right = _padded(stationary, _BLOCK_ROWS), _padded(moving, _BLOCK_COLUMNS)
    product = np.empty((left.shape[1], right.shape[1]), FLOAT32)
    np.matmul(
        left.reshape(depth, -1, _BLOCK_ROWS).transpose(1, 2, 0),
        right.reshape(depth, -1, 1, _BLOCK_COLUMNS).transpose(1, 2, 0, 3),
        out=product.reshape(-1, _BLOCK_ROWS, right.shape[1] // _BLOCK_COLUMNS, _BLOCK_COLUMNS).transpose(2, 0, 1, 3),
    )
    return product[:rows, :columns]


def check_array_tile(
    stationary: AccessPattern, tile_position: Sequence[int], tile_size: Sequence[int], api: str
) -> None:
    """Check the tile of the systolic array that a product runs on; it decides when, not what, is computed.

    Rows and columns are cut into tiles of 128, 64, or from NeuronCore-v3 on 32 (NKI ISA, nc_matmul, tiling mode).

    Args:
        stationary: K x M.
        tile_position: first row and column; empty for the whole array.
        tile_size: rows and columns; empty for the whole array.
        api: NKI function in messages.

    Raises:
        NKIError: no such tile, or it does not hold the stationary matrix.
    """
    if not tile_position and not tile_size:
        return
    sizes = (32, 64, 128) if stationary.storage.launch.generation.number >= 3 else (64, 128)
    if len(tile_position) != 2 or len(tile_size) != 2 or any(size not in sizes for size in tile_size):
        raise NKIError(
            f"{api}: tile_position and tile_size are (row, column) and (rows, columns) with sizes of "
            f"{', '.join(map(str, sizes))}, got {tuple(tile_position)} and {tuple(tile_size)}"
        )
    if any(at not in range(0, ARRAY_SIZE, size) for at, size in zip(tile_position, tile_size, strict=True)):
        raise NKIError(
            f"{api}: tile_position {tuple(tile_position)} is no multiple of tile_size {tuple(tile_size)} inside the "
            f"array of {ARRAY_SIZE} rows and columns"
        )
    if stationary.shape[0] > tile_size[0] or _free(stationary) > tile_size[1]:
        raise NKIError(
            f"{api}: stationary {list(stationary.shape)} of {stationary.storage.describe()} does not fit the tile "
            f"{tuple(tile_size)} of the array"
        )


def pass_through(dst: AccessPattern, stationary: AccessPattern, moving: AccessPattern, api: str) -> bool:
    """Transpose in the transpose mode of `nc_matmul`: the stationary matrix comes out transposed, bit for bit.

    Args:
        dst: M x K in PSUM of the dtype of `stationary`.
        stationary: K x M.
        moving: the K x K identity.
        api: NKI function in messages.

    Returns:
        False on NeuronCore-v2, which has no such mode and multiplies.

    Raises:
        NKIError: the moving matrix is no identity, or see `transpose`.
    """
    if dst.storage.launch.generation.number < 3:
        return False
    check_operands(api, SBUF, stationary=stationary, moving=moving)
    values = as_float32(matrix(moving))
    if values.shape[0] != values.shape[1] or not np.array_equal(values, np.eye(len(values), dtype=FLOAT32)):
        raise NKIError(
            f"{api}: is_transpose passes the stationary matrix through and takes an identity as the moving one, got "
            f"{list(moving.shape)} of {moving.storage.describe()}"
        )
    transpose(dst, stationary, engine="tensor", api=api)
    return True


def _padded(values: Array, unit: int) -> Array:
    """Fill up the second dimension with zeros to a multiple of a unit."""
    extra = -values.shape[1] % unit
    return np.pad(values, ((0, 0), (0, extra))) if extra else values


def _check_shapes(dst: AccessPattern, stationary: AccessPattern, moving: AccessPattern, api: str) -> None:
    contraction, rows, columns = stationary.shape[0], _free(stationary), _free(moving)
    generation = dst.storage.launch.generation
    if moving.shape[0] != contraction:
        raise NKIError(
            f"{api}: number of partitions mismatch in parameters stationary {list(stationary.shape)} and moving "
            f"{list(moving.shape)}; the contraction is over the partition dimension of both",
            "err_num_partition_mismatch",
        )
    if rows > ARRAY_SIZE:
        raise NKIError(
            f"Matmult/Matmul stationary free dimension {rows} exceeds max {ARRAY_SIZE} for nc_version="
            f"{generation.name}: {api} of {stationary.storage.describe()}",
            "err_size_of_dimension_exceed_arch_limit",
        )
    limit = moving_limit(generation)
    if columns > limit:
        raise NKIError(
            f"Matmult/Matmul moving free dimension {columns} exceeds max {limit} for nc_version={generation.name}: "
            f"{api} of {moving.storage.describe()}",
            "err_size_of_dimension_exceed_arch_limit",
        )
    if dst.shape[0] != rows or _free(dst) != columns:
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold the product of stationary "
            f"{list(stationary.shape)} and moving {list(moving.shape)}, which is [{rows}, {columns}]"
        )


def _check_dtypes(dst: AccessPattern, stationary: AccessPattern, moving: AccessPattern, api: str) -> None:
    left, right = (name_of(access.storage.dtype) for access in (stationary, moving))
    for role, name in (("stationary", left), ("moving", right)):
        if name not in _OPERANDS:
            raise NKIError(f"{api}: {role} dtype {name} is not one of {', '.join(sorted(_OPERANDS))}")
    if left != right and ("float32" in {left, right} or {"float8_e4m3", "float8_e4m3fn"} == {left, right}):
        raise NKIError(f"{api}: stationary {left} and moving {right} do not go together; give both one dtype")
    generation = dst.storage.launch.generation
    allowed = ("float32",) if generation.number < 4 else ("float32", "bfloat16")
    if name_of(dst.storage.dtype) not in allowed:
        raise NKIError(
            f"{api} dst dtype must be {' or '.join(allowed)} on {generation.name}, got {dst.storage.describe()}"
        )


def _product_defined(stationary: AccessPattern, moving: AccessPattern) -> Defined:
    left, right = (defined_of(access, access.shape[0]) for access in (stationary, moving))
    if left is True and right is True:
        return True
    if left is False or right is False:
        return False
    rows = np.ones((1, 1), np.bool_) if isinstance(left, bool) else np.logical_and.reduce(left, axis=0)[:, None]
    columns = np.ones((1, 1), np.bool_) if isinstance(right, bool) else np.logical_and.reduce(right, axis=0)[None, :]
    both: Array = np.logical_and(rows, columns)
    return both


def transpose(dst: AccessPattern, data: AccessPattern, *, engine: str | None = None, api: str = "nc_transpose") -> None:
    """Swap the partition dimension and the flattened free dimensions of a tile, bit for bit.

    Args:
        dst: F x P of the same dtype.
        data: P x F.
        engine: "tensor" (SBUF to PSUM, up to 128 x 128), "vector" (up to 32 x 32), or None: TensorE where it fits.
        api: NKI function in messages.

    Raises:
        NKIError: buffers, shapes or dtypes that the engine does not take.
    """
    check_operands(api, CHIP, data=data, dst=dst)
    rows, columns = data.shape[0], _free(data)
    if engine is None:
        moves_to_psum = data.storage.buffer in SBUF and dst.storage.buffer in PSUM
        engine = "tensor" if moves_to_psum else "vector"
    limit = ARRAY_SIZE if engine == "tensor" else VECTOR_TRANSPOSE
    if engine == "tensor":
        check_operands(api, SBUF, data=data)
        check_operands(api, PSUM, dst=dst)
    if rows > limit or columns > limit:
        raise NKIError(
            f"{api} on engine {engine} takes up to [{limit}, {limit}], got [{rows}, {columns}] of "
            f"{data.storage.describe()}; TensorE reads SBUF, writes PSUM and takes up to [{ARRAY_SIZE}, {ARRAY_SIZE}]",
            "err_size_of_dimension_exceed_arch_limit",
        )
    if (dst.shape[0], _free(dst)) != (columns, rows):
        raise NKIError(
            f"{api}: 'dst' {list(dst.shape)} of {dst.storage.describe()} does not hold the transpose of 'data' "
            f"{list(data.shape)}, which is [{columns}, {rows}]"
        )
    if dst.storage.dtype != data.storage.dtype:
        raise NKIError(
            f"{api}: dst and data have the same dtype, got {dst.storage.describe()} and {data.storage.describe()}"
        )
    values = matrix(data)
    defined = defined_of(data, rows)
    if engine == "tensor" and dst.storage.launch.generation.number < 3 and not np.isfinite(as_float32(values)).all():
        # NeuronCore-v2 multiplies by the identity, in which 0 * NaN and 0 * inf spread along a row of the result.
        put(
            dst, as_float32(values).T @ np.eye(rows, dtype=FLOAT32), defined if isinstance(defined, bool) else defined.T
        )
        return
    write(dst)[...] = values.T.copy().reshape(dst.shape)
    mark(dst, defined if isinstance(defined, bool) else defined.T)


def _free(access: AccessPattern) -> int:
    return access.size // access.shape[0]
