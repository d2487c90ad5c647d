"""Loop variables of the legacy dialect, see test_rules.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.legacy import language as nl

if TYPE_CHECKING:
    from collections.abc import Callable


def filled(shape: Any, dtype: Any = nl.float32, **options: Any) -> Any:
    return nl.full(shape, 1, dtype, **options)


def in_loop(loop: Any, count: int, step: Callable[[Any], Any]) -> Any:
    for i in loop(count):
        step(i)


def carried(loop: Any) -> Any:
    total = nl.zeros((8, 1), nl.float32)
    for _ in loop(3):
        total += 1
    return total


def rows_stored(loop: Any, x: Any, row: Callable[[Any], Any]) -> Any:
    out = nl.ndarray((8, 6, 6), nl.float32, buffer=nl.shared_hbm)
    for i in loop(6):
        nl.store(out[:, nl.ds(row(i), 1), :], nl.load(x[:, nl.ds(i, 1), :]))
    if row(0) == 0:
        return out
    nl.store(out[:, 1:6, :], nl.load(x[:, 1:6, :]))
    return out


DIALECT = "legacy"

RULES = [
    (
        "no == on a loop variable",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: i == 0) or t,
        lambda x, t: in_loop(nl.affine_range, 2, lambda i: i == 0),
        "`==` on an index or loop variable",
        "err_control_flow_condition_depending_on_arange",
    ),
    (
        "no if on a comparison of a loop variable",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: 1 if i < 1 else 0) or t,
        lambda x, t: in_loop(nl.sequential_range, 2, lambda i: 1 if i < 1 else 0),
        "has no truth value",
        "err_control_flow_condition_depending_on_arange",
    ),
    (
        "no truth value of a loop variable",
        lambda x, t: in_loop(nl.static_range, 2, bool) or t,
        lambda x, t: in_loop(nl.affine_range, 2, bool),
        "control flow cannot depend",
        "err_control_flow_condition_depending_on_arange",
    ),
    (
        "no // on a loop variable",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: i // 2) or t,
        lambda x, t: in_loop(nl.affine_range, 2, lambda i: i // 2),
        "`//` of an index",
    ),
    (
        "no % on a loop variable",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: i % 2) or t,
        lambda x, t: in_loop(nl.affine_range, 2, lambda i: i % 2),
        "`%` of an index",
    ),
    (
        "a loop variable is no size",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: filled((1 + i, 2))) or t,
        lambda x, t: in_loop(nl.affine_range, 2, lambda i: filled((1 + i, 2))),
        "dimension sizes are static integers",
    ),
    (
        "a loop variable is no bound",
        lambda x, t: in_loop(nl.static_range, 2, lambda i: list(nl.static_range(i))) or t,
        lambda x, t: in_loop(nl.affine_range, 2, lambda i: list(nl.static_range(i))),
        "is symbolic and no Python integer",
    ),
    (
        "loop bounds are integers",
        lambda x, t: list(nl.affine_range(2)) and t,
        lambda x, t: list(nl.affine_range(2.0)),
        "static integers",
    ),
    (
        "affine_range carries nothing",
        lambda x, t: carried(nl.sequential_range),
        lambda x, t: carried(nl.affine_range),
        "iteration 1 of affine_range(3,) reads elements",
        "err_unexpected_output_dependencies",
    ),
    (
        "affine iterations write apart",
        lambda x, t: rows_stored(nl.affine_range, x, lambda i: i),
        lambda x, t: rows_stored(nl.affine_range, x, lambda i: 0),
        "iteration 1 of affine_range(6,) writes elements",
        "err_unexpected_output_dependencies",
    ),
]
