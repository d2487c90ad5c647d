"""TensorE: matrix products and transpositions of the legacy dialect, which return a new tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core import matmul as core
from pytest_nki_pool.emulator.core import movement, partitions
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.masks import region_of
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.rules import HBM, check_buffer
from pytest_nki_pool.emulator.legacy.compute import condition_of, run
from pytest_nki_pool.emulator.legacy.indices import static_integer
from pytest_nki_pool.emulator.legacy.operations import alu_operation
from pytest_nki_pool.emulator.legacy.surface import api as documented
from pytest_nki_pool.emulator.legacy.tensor import ProductTile, Tile, as_tile, new_tile

if TYPE_CHECKING:
    from typing import Any


@documented("nisa")
def nc_matmul(
    stationary: Tile,
    moving: Tile,
    *,
    is_stationary_onezero: bool = False,  # noqa: ARG001  (a hint to the compiler)
    is_moving_onezero: bool = False,  # noqa: ARG001  (a hint to the compiler)
    is_transpose: bool = False,
    tile_position: tuple[int, ...] = (),
    tile_size: tuple[int, ...] = (),
    mask: object = None,
) -> Tile:
    """Compute `stationary.T @ moving` in fp32 into a new PSUM tile.

    Args:
        stationary: K x M in SBUF, up to 128 x 128.
        moving: K x N in SBUF, N up to 512.
        is_stationary_onezero: hint, without effect here.
        is_moving_onezero: hint, without effect here.
        is_transpose: pass `stationary` through, transposed bit for bit, with an identity as `moving`.
        tile_position: first row and column of the part of the systolic array that computes.
        tile_size: its rows and columns.
        mask: condition on loop variables and programs that decides whether anything is computed.

    Raises:
        NKIError: shapes, buffers or dtypes that TensorE does not take.
    """
    name = "nisa.nc_matmul"
    left, right = as_tile(stationary, "stationary", name), as_tile(moving, "moving", name)
    position, size = (
        [static_integer(entry, f"{name} {role}") for entry in (value if isinstance(value, (tuple, list)) else [value])]
        for role, value in (("tile_position", tile_position), ("tile_size", tile_size))
    )
    core.check_array_tile(left.access, position, size, name)
    return _product(left, right, name, mask=mask, transposes=is_transpose)


@documented("nl")
def matmul(x: Tile, y: Tile, *, transpose_x: bool = False, mask: object = None) -> Tile:
    """Compute `x @ y` in fp32 into a new PSUM tile.

    Args:
        x: M x K, or K x M with `transpose_x`, which saves a transposition.
        y: K x N.
        transpose_x: whether `x` is handed over transposed.
        mask: condition on loop variables and programs that decides whether anything is computed.

    Raises:
        NKIError: shapes, buffers or dtypes that TensorE does not take.
    """
    name = "nl.matmul"
    left, right = as_tile(x, "x", name), as_tile(y, "y", name)
    if not transpose_x:
        turned = _transposed(left, Buffer.PSUM, name)
        left = new_tile(turned.shape, turned.dtype)
        movement.copy(left.access, turned.access, api=name)
    return _product(left, right, name, mask=mask)


def _product(stationary: Tile, moving: Tile, api: str, *, mask: object = None, transposes: bool = False) -> Tile:
    for role, tile in (("stationary", stationary), ("moving", moving)):
        check_buffer(tile, role, api, {Buffer.SBUF})
    rows = stationary.access.size // stationary.shape[0]
    if rows > core.ARRAY_SIZE:
        raise NKIError(
            f"{api}: {stationary!r} has a free size of {rows}; the stationary matrix has up to {core.ARRAY_SIZE}",
            "err_size_of_dimension_exceed_arch_limit",
        )
    bitwise = transposes and current_launch(api).generation.number >= 3
    dtype = stationary.dtype if bitwise else "float32"
    result = new_tile((rows, *moving.shape[1:]), dtype, Buffer.PSUM)
    if not _computes(api, mask):
        return result
    if bitwise and core.pass_through(result.access, stationary.access, moving.access, api):
        return result
    core.matmul(result.access, stationary.access, moving.access, accumulate=False, api=api)
    return ProductTile(result.access)


@documented("nisa")
def nc_transpose(data: Tile, *, mask: object = None, dtype: object = None, engine: Any = None) -> Tile:
    """Swap partitions and free elements: TensorE into PSUM up to 128 x 128, VectorE into SBUF up to 32 x 32."""
    name = "nisa.nc_transpose"
    tile = _selected(as_tile(data, "data", name), mask, name)
    if dtype is not None and dtype != tile.dtype:
        raise UnsupportedByEmulator(f"{name}(dtype=…)", "legacy", "nl.copy(dtype=…)")
    chosen = getattr(engine, "name", "unknown")
    if chosen not in ("unknown", "tensor", "vector"):
        raise NKIError(f"{name} runs on the tensor or the vector engine, got {chosen}")
    return _transposed(tile, Buffer.SBUF if chosen == "vector" else Buffer.PSUM, name)


@documented("nl")
def transpose(x: Tile, *, dtype: object = None, mask: object = None) -> Tile:
    """Swap the partitions and the free elements of a tile of two dimensions into a PSUM tile."""
    name = "nl.transpose"
    tile = _selected(as_tile(x, "x", name), mask, name)
    if tile.ndim > 2:
        raise NKIError(
            f"parameter 'x' {tile!r} of 'transpose' exceed max supported number of dimensions of 2.",
            "err_exceed_max_supported_dimension",
        )
    if dtype is not None and dtype != tile.dtype:
        raise UnsupportedByEmulator(f"{name}(dtype=…)", "legacy", "nl.copy(dtype=…)")
    return _transposed(tile, Buffer.PSUM, name)


def _transposed(tile: Tile, buffer: Buffer, api: str) -> Tile:
    partitions_of_result = tile.access.size // tile.shape[0]
    result = new_tile((partitions_of_result, tile.shape[0]), tile.dtype, buffer)
    core.transpose(result.access, tile.access, engine="tensor" if buffer is Buffer.PSUM else "vector", api=api)
    return result


@documented("nl")
def load_transpose2d(src: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Load a piece of HBM of two dimensions with its dimensions swapped."""
    name = "nl.load_transpose2d"
    tile = as_tile(src, "src", name)
    check_buffer(tile, "src", "load_transpose2d", HBM)
    if tile.ndim != 2:
        raise NKIError(f"{name} takes two dimensions, got {tile!r}")
    tile = _selected(tile, mask, name)
    result = new_tile(tile.shape[::-1], tile.dtype if dtype is None else dtype)
    movement.dma(result.access, tile.access.permute((1, 0)), api="load_transpose2d")
    return result


@documented("nisa")
def tensor_partition_reduce(op: Any, data: Tile, *, mask: object = None, dtype: object = None) -> Tile:
    """Reduce over the partitions on GpSimdE; the result has one."""
    name = "nisa.tensor_partition_reduce"
    _refuse_mask(name, mask)
    tile = as_tile(data, "data", name)
    result = new_tile((1, *tile.shape[1:]), tile.dtype if dtype is None else dtype)
    partitions.partition_reduce(result.access, alu_operation(op, name), tile.access, api=name)
    return result


def _computes(api: str, mask: object) -> bool:
    """Whether a mask lets an instruction run; one on the axes of its operands is not supported.

    Raises:
        UnsupportedByEmulator: the mask has axes.
    """
    condition = condition_of(mask, api)
    if condition is None:
        return True
    if any(term.axes for term in condition.terms):
        raise UnsupportedByEmulator(f"{api}(mask=…) on index expressions", "legacy", f"{api} on exact slices")
    return not region_of(condition, (1,), api).empty


def _selected(tile: Tile, mask: object, api: str) -> Tile:
    """The tile itself, or a copy in which the elements that a mask leaves out are undefined."""
    if condition_of(mask, api) is None:
        return tile
    move, buffer = (movement.copy, Buffer.SBUF) if tile.storage.on_chip else (movement.dma, Buffer.PRIVATE_HBM)
    return run(api, new_tile(tile.shape, tile.dtype, buffer), (tile,), lambda dst, part: move(dst, part, api=api), mask)


def _refuse_mask(api: str, mask: object) -> None:
    if condition_of(mask, api) is not None:
        raise UnsupportedByEmulator(f"{api}(mask=…)", "legacy", f"{api} on exact slices")
