"""Whole kernels of the legacy dialect: control flow, scopes and loops, see test_rules.py."""

from __future__ import annotations

from typing import Any

from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import tensor  # noqa: TC001  (the kernel's annotations are read)

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


def filled(shape: tuple[int, ...], dtype: Any = nl.float32) -> Any:
    return nl.full(shape, 1, dtype)


def where_not_0(x: Any) -> Any:
    tile = nl.load(x)
    return stored(nl.where(tile, tile, 1.0))


def truth_of_a_tile(x: Any) -> Any:
    return 1 if nl.load(x) else 0


def condition_on_an_integer(x: Any) -> Any:
    return stored(nl.load(x)) if x.shape[1] > 3 else None


def condition_on_arange(x: Any) -> Any:
    return 1 if H < 3 else 0


def condition_on_a_tensor(x: Any) -> Any:
    return 1 if nl.load(x) < 3 else 0


def counted_while(x: Any) -> Any:
    tile, n = nl.load(x), 0
    while n < 3:
        tile += 1
        n += 1
    return stored(tile)


def while_on_a_tensor(x: Any) -> Any:
    tile = nl.load(x)
    while tile < 3:
        tile += 1
    return stored(tile)


def while_on_an_index(x: Any) -> Any:
    for i in nl.sequential_range(3):
        while i < 2:
            return stored(nl.load(x))
    return None


def right_annotation(x: Any) -> Any:
    tile: tensor[8, 6, 6] = nl.load(x)
    return stored(tile)


def wrong_annotation(x: Any) -> Any:
    tile: tensor[8, 6, 5] = nl.load(x)
    return stored(tile)


def annotated_helper(x: Any, width: int) -> Any:
    tile: tensor[8, 6, width] = nl.load(x)
    return tile


def right_annotation_in_a_helper(x: Any) -> Any:
    return stored(annotated_helper(x, 6))


def wrong_annotation_in_a_helper(x: Any) -> Any:
    return stored(annotated_helper(x, 5))


def counted(loop: Any) -> int:
    n = 0
    for _ in loop(3):
        n += 1
    return n


def unrolled_counter(x: Any) -> Any:
    return stored(nl.load(x) * counted(nl.static_range))


def side_effect(x: Any) -> Any:
    n = 0
    for _ in nl.affine_range(3):
        n += 1
    return stored(nl.load(x) * n)


def counting_helper(x: Any) -> int:
    n = 0
    for _ in nl.affine_range(3):
        n += 1
    return n


def side_effect_in_a_helper(x: Any) -> Any:
    return stored(nl.load(x) * counting_helper(x))


def used_in_its_block(x: Any) -> Any:
    out = output()
    for i in nl.affine_range(6):
        tile = nl.load(x[:, nl.ds(i, 1), :])
        nl.store(out[:, nl.ds(i, 1), :], tile)
    return out


def used_outside_its_block(x: Any) -> Any:
    for _ in nl.affine_range(2):
        tile = nl.load(x)
    return stored(tile)


def shared_in_a_loop(x: Any) -> Any:
    for _ in nl.affine_range(2):
        out = output()
        nl.store(out, nl.load(x))
    return out


def shared_before_a_loop(x: Any) -> Any:
    out = output()
    for i in nl.affine_range(2):
        nl.store(out[:, nl.ds(3 * i, 3), :], nl.load(x[:, nl.ds(3 * i, 3), :]))
    return out


def same_destination(x: Any) -> Any:
    out = output()
    for _ in nl.affine_range(2):
        nl.store(out, nl.load(x))
    return out


def summed_products(x: Any) -> Any:
    """TensorE adds products up in PSUM in any order."""
    total = nl.zeros((6, 6), nl.float32, buffer=nl.psum)
    for _ in nl.affine_range(3):
        total += nisa.nc_matmul(filled((8, 6)), filled((8, 6)))
    return stored(nl.copy(total))


def commutative_carry(x: Any) -> Any:
    total = nl.zeros((8, 6, 6), nl.float32)
    for _ in nl.affine_range(3):
        total += nl.load(x)
    return stored(total)


RULES = [
    ("truth of a tensor", where_not_0, truth_of_a_tile, "is ambiguous", "err_ambiguous_tensor_truth_value"),
    (
        "control flow on an index",
        condition_on_an_integer,
        condition_on_arange,
        "control flow cannot depend on an index",
        "err_control_flow_condition_depending_on_arange",
    ),
    (
        "control flow on a tensor",
        condition_on_an_integer,
        condition_on_a_tensor,
        "control flow cannot depend on the values",
        "err_control_flow_condition_depending_on_tensor",
    ),
    (
        "while on a tensor",
        counted_while,
        while_on_a_tensor,
        "`while tile < 3`: the condition is not known",
        "err_while_loop_requires_unconditional_entry",
    ),
    (
        "while on a loop variable",
        counted_while,
        while_on_an_index,
        "`while i < 2`",
        "err_while_loop_requires_unconditional_entry",
    ),
    (
        "annotated local",
        right_annotation,
        wrong_annotation,
        "variable `tile` is annotated as a tensor of shape [8, 6, 5], got shape [8, 6, 6]",
        "err_annotation_shape_mismatch",
    ),
    (
        "annotated local of a helper",
        right_annotation_in_a_helper,
        wrong_annotation_in_a_helper,
        "annotated as a tensor of shape [8, 6, 5]",
        "err_annotation_shape_mismatch",
    ),
    ("side effect of a traced loop", unrolled_counter, side_effect, "`n`, a Python int from outside the loop"),
    (
        "side effect of a helper's loop",
        unrolled_counter,
        side_effect_in_a_helper,
        "`n`, a Python int from outside the loop",
    ),
    (
        "scope of a tensor",
        used_in_its_block,
        used_outside_its_block,
        "Local variable 'tile' is referenced outside of its parent scope",
        "err_local_variable_used_out_of_scope",
    ),
    (
        "shared HBM at the top level",
        shared_before_a_loop,
        shared_in_a_loop,
        "created at the top level of the kernel",
        "err_shared_hbm_must_in_kernel_level",
    ),
    (
        "iterations write apart",
        shared_before_a_loop,
        same_destination,
        "missing indices in the dst access",
        "err_unexpected_output_dependencies",
    ),
    (
        "iterations carry nothing but sums of products",
        summed_products,
        commutative_carry,
        "iterations of affine_range must be independent",
        "err_unexpected_output_dependencies",
    ),
]
