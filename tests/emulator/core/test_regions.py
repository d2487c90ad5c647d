"""Which loops carry data from one iteration to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.legacy import language as nl

X = np.arange(48, dtype=np.float32).reshape(4, 12)


def hbm() -> Any:
    return nl.ndarray((4, 12), nl.float32, buffer=nl.shared_hbm)


def columns(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(4):
        nl.store(out[:, nl.ds(3 * i, 3)], nl.load(x[:, nl.ds(3 * i, 3)]))
    return out


def interleaved(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(3):
        nl.store(
            out[nl.arange(4)[:, None], 3 * nl.arange(4)[None, :] + i],
            nl.load(x[nl.arange(4)[:, None], 3 * nl.arange(4)[None, :] + i]),
        )
    return out


def scratch_of_each_iteration(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(4):
        part = nl.ndarray((4, 3), nl.float32)
        part[...] = nl.load(x[:, nl.ds(3 * i, 3)])
        part += 0
        nl.store(out[:, nl.ds(3 * i, 3)], part)
    return out


def shared_reads(x: Any, loop: Any) -> Any:
    out = hbm()
    tile = nl.load(x)
    for i in loop(4):
        nl.store(out[:, nl.ds(3 * i, 3)], nl.copy(tile)[:, nl.ds(3 * i, 3)])
    return out


def nested(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(2):
        for j in loop(2):
            at = 6 * i + 3 * j
            nl.store(out[:, nl.ds(at, 3)], nl.load(x[:, nl.ds(at, 3)]))
    return out


def inner_sequential(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(2):
        total = nl.zeros((4, 3), nl.float32)
        for j in nl.sequential_range(2):
            total += nl.load(x[:, nl.ds(6 * i + 3 * j, 3)])
            nl.store(out[:, nl.ds(6 * i + 3 * j, 3)], total)
    return out


def accumulation(x: Any, loop: Any) -> Any:
    out = hbm()
    total = nl.zeros((4, 12), nl.float32)
    for _ in loop(2):
        total += nl.load(x)
    nl.store(out, total)
    return out


def overlapping_writes(x: Any, loop: Any) -> Any:
    out = hbm()
    for i in loop(3):
        nl.store(out[:, nl.ds(4 * i, 4)], nl.load(x[:, nl.ds(4 * i, 4)]))
        nl.store(out[:, nl.ds(3 * i + 3, 2)], nl.load(x[:, nl.ds(3 * i + 3, 2)]))
    return out


def scratch_outside(x: Any, loop: Any) -> Any:
    out = hbm()
    part = nl.ndarray((4, 3), nl.float32)
    for i in loop(4):
        part[...] = nl.load(x[:, nl.ds(3 * i, 3)])
        nl.store(out[:, nl.ds(3 * i, 3)], part)
    return out


def prefix(x: Any, loop: Any) -> Any:
    tile = nl.load(x)
    for i in loop(11):
        tile[:, nl.ds(i + 1, 1)] = tile[:, nl.ds(i + 1, 1)] + tile[:, nl.ds(i, 1)]
    out = hbm()
    nl.store(out, tile)
    return out


def read_ahead(x: Any, loop: Any) -> Any:
    tile = nl.load(x)
    for i in loop(11):
        tile[:, nl.ds(i, 1)] = tile[:, nl.ds(i + 1, 1)]
    out = hbm()
    nl.store(out, tile)
    return out


def kept_name(x: Any, loop: Any) -> Any:
    out = hbm()
    last = nl.load(x)
    for _ in loop(3):
        last = last + 1
    nl.store(out, last)
    return out


def outer_carry(x: Any, loop: Any) -> Any:
    out = hbm()
    for _ in loop(2):
        for j in loop(4):
            nl.store(out[:, nl.ds(3 * j, 3)], nl.load(x[:, nl.ds(3 * j, 3)]))
    return out


INDEPENDENT = [columns, interleaved, scratch_of_each_iteration, shared_reads, nested, inner_sequential]
CARRIED = [accumulation, overlapping_writes, scratch_outside, prefix, read_ahead, kept_name, outer_carry]


@pytest.mark.parametrize("kernel", INDEPENDENT, ids=lambda k: k.__name__)
def test_independent_iterations_run(kernel: Any) -> None:
    assert np.array_equal(launch(kernel, X, nl.affine_range), launch(kernel, X, nl.sequential_range))


@pytest.mark.parametrize("kernel", CARRIED, ids=lambda k: k.__name__)
def test_carried_dependence_is_refused(kernel: Any) -> None:
    launch(kernel, X, nl.sequential_range)
    with pytest.raises(NKIError) as caught:
        launch(kernel, X, nl.affine_range)
    assert caught.value.rule in ("err_unexpected_output_dependencies", "err_local_variable_used_out_of_scope")
    assert "affine_range(" in str(caught.value)


def test_loops_end_with_a_break() -> None:
    def kernel(x: Any) -> Any:
        out = hbm()
        for _ in nl.affine_range(4):
            nl.store(out, nl.load(x))
            break
        nl.store(out, nl.load(x))
        return out

    assert np.array_equal(launch(kernel, X), X)
