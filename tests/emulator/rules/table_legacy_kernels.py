"""Whole kernels of the legacy dialect: parameters, outputs, tensors as indices and nesting, see test_rules.py."""

from __future__ import annotations

from typing import Any

from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import mutable_tensor  # noqa: TC001  (the kernel's annotations are read)

DIALECT = "legacy kernel"

P = nl.arange(8)[:, None, None]
H = nl.arange(6)[None, :, None]
W = nl.arange(6)[None, None, :]


def output(shape: tuple[int, ...] = (8, 6, 6)) -> Any:
    return nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm)


def stored(tile: Any) -> Any:
    out = output(tile.shape)
    nl.store(out, tile)
    return out


def written_output(x: Any) -> Any:
    return stored(nl.load(x))


def written_input(x: Any) -> Any:
    out = stored(nl.load(x))
    nl.store(x, 1)
    return out


def written_mutable(x: mutable_tensor) -> Any:
    tile = nl.load(x)
    nl.store(x, tile + 1)
    return x


def kept_mutable(x: mutable_tensor) -> Any:
    nl.store(x, 1)
    return stored(nl.load(x))


def transposed(x: Any) -> Any:
    tile = nl.load(x).reshape((8, 36))
    return stored(nl.copy(nl.transpose(tile)))


def transposed_in_three_dimensions(x: Any) -> Any:
    return nl.transpose(nl.load(x))


def indices() -> Any:
    return nl.zeros((8, 1), nl.int32)


def gathered_in_the_free_dimension(x: Any) -> Any:
    return nl.load(x[P, indices(), W])


def computed_on_a_gathered_piece(x: Any) -> Any:
    return nl.load(x)[P, indices(), W] + 1


def copy_of_a_gathered_piece(x: Any) -> Any:
    return nl.copy(nl.load(x)[P, indices(), W])


def assigned_gathered_piece(x: Any) -> Any:
    tile = nl.ndarray((8, 6, 6), nl.float32)
    tile[...] = nl.load(x)[P, indices(), W]
    return tile


def gathered_load(x: Any) -> Any:
    return nl.load(x[indices(), H, W])


def blocks_first(x: Any) -> Any:
    tile = nl.ndarray((2, nl.par_dim(8), 36), nl.float32)
    tile[0] = nl.load(x.reshape((8, 36)))
    return stored(nl.copy(tile[0]))


def blocks_whole(x: Any) -> Any:
    return stored(nl.copy(nl.ndarray((2, nl.par_dim(8), 36), nl.float32)))


def several_partition_dimensions(x: Any) -> Any:
    return nl.ndarray((nl.par_dim(2), nl.par_dim(8), 36), nl.float32)


def unwritten_output(x: Any) -> Any:
    return output()


def partly_written_output(x: Any) -> Any:
    out = output()
    nl.store(out[:, 0:5, :], nl.load(x)[:, 0:5, :])
    return out


def unreturned_output(x: Any) -> Any:
    stored(nl.load(x))
    return stored(nl.load(x))


def nothing(x: Any) -> None:
    nl.load(x)


def sbuf_output(x: Any) -> Any:
    return nl.load(x)


def number_output(x: Any) -> Any:
    return 7


def nested(x: Any) -> Any:
    return nki.jit(written_output)(x)


def nested_with_a_grid(x: Any) -> Any:
    return nki.jit(written_output)[2](x)


RULES = [
    (
        "input",
        written_output,
        written_input,
        "is an input, and immutable",
        "err_cannot_update_immutable_parameter",
    ),
    (
        "mutable parameter",
        written_mutable,
        kept_mutable,
        "was written and is not returned",
        "err_mutable_parameter_not_returned",
    ),
    (
        "dimensions of a transposition",
        transposed,
        transposed_in_three_dimensions,
        "of 'transpose' exceed max supported number of dimensions of 2.",
        "err_exceed_max_supported_dimension",
    ),
    (
        "a tensor indexes no free dimension",
        written_output,
        gathered_in_the_free_dimension,
        "a tensor indexes the first dimension only, got one for dimension 1",
        "err_indirect_indices_free_dim",
    ),
    (
        "a tensor as an index of an operand",
        written_output,
        computed_on_a_gathered_piece,
        "no instruction takes a piece on chip that a tensor selects",
        "err_indirect_indices_are_not_supported_with_nki_api",
    ),
    (
        "a tensor as an index of a copy",
        written_output,
        copy_of_a_gathered_piece,
        "indexed by a tensor is not supported natively",
        "err_copy_dynamic_indirect_indices_not_natively_supported",
    ),
    (
        "a tensor as an index of an assigned piece",
        written_output,
        assigned_gathered_piece,
        "indexed by a tensor is not supported natively",
        "err_copy_dynamic_indirect_indices_not_natively_supported",
    ),
    (
        "block dimensions first",
        blocks_first,
        blocks_whole,
        "index each of them with an integer or a loop variable before anything else",
        "err_failed_to_infer_tile_from_local_tensor",
    ),
    (
        "one partition dimension",
        blocks_first,
        several_partition_dimensions,
        "got several nl.par_dim",
        "err_failed_to_infer_tile_from_local_tensor",
    ),
    (
        "output never written",
        written_output,
        unwritten_output,
        "was never written; write all of it",
        "err_tensor_output_not_written_to",
    ),
    (
        "output partly written",
        written_output,
        partly_written_output,
        "was written in part: 48 of 288 elements are missing, first at [0, 5, 0]",
        "err_tensor_output_not_written_to",
    ),
    (
        "output not returned",
        written_output,
        unreturned_output,
        "lives in shared_hbm, and is not returned",
        "err_tensor_output_not_written_to",
    ),
    (
        "no output",
        written_output,
        nothing,
        "returned nothing and wrote to none of its parameters",
        "err_tensor_output_not_written_to",
    ),
    ("output in HBM", written_output, sbuf_output, "does not live in hbm"),
    ("output is a tensor", written_output, number_output, "a kernel returns tensors, got int"),
    (
        "grid of a nested kernel",
        nested,
        nested_with_a_grid,
        "has no launch grid of its own",
        "err_nested_kernel_with_spmd_grid",
    ),
    ("gather", written_output, gathered_load, "a tensor as an index (gather and scatter)", "unsupported"),
]
