"""A tile is gone when its name gets another one: a loop needs room for the tiles of one iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.core.source import releasing
from pytest_nki_pool.emulator.current import isa
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import language as legacy

#: 150 KiB per partition: one such tile fits into any generation, two into none.
WIDE = 38400
X = np.arange(2 * WIDE, dtype=np.float32).reshape(2, 1, WIDE)


def current_loop(x: Any) -> Any:
    out = current.ndarray(x.shape, current.float32, buffer=current.shared_hbm)
    for i in range(2):
        tile = current.ndarray((1, WIDE), current.float32)
        isa.dma_copy(dst=tile, src=x[i])
        isa.dma_copy(dst=out[i], src=tile)
    return out


def legacy_loop_with_branch(x: Any) -> Any:
    out = legacy.ndarray(x.shape, legacy.float32, buffer=legacy.shared_hbm)
    for i in legacy.sequential_range(2):
        if x.shape[0] == 2:
            tile: Any = legacy.load(x[i])
            legacy.store(out[i], tile)
    return out


def straight(x: Any) -> Any:
    out = current.ndarray(x.shape, current.float32, buffer=current.shared_hbm)
    tile = current.load(x[0])
    current.store(out[0], tile)
    tile = current.load(x[1])
    current.store(out[1], tile)
    return out


@pytest.mark.parametrize("kernel", [current_loop, legacy_loop_with_branch, straight], ids=lambda k: k.__name__)
def test_a_rebound_name_frees_its_tile_first(kernel: Any) -> None:
    assert np.array_equal(launch(kernel, X), X)


def kept_in_a_list(x: Any) -> Any:
    tiles = []
    for i in range(2):
        tile = current.load(x[i])
        tiles.append(tile)
    return tiles


def used_to_make_the_next(x: Any) -> Any:
    out = current.ndarray(x.shape, current.float32, buffer=current.shared_hbm)
    tile = current.load(x[0])
    tile = current.copy(tile)
    current.store(out[0], tile)
    return out


def of_two_names(x: Any) -> Any:
    first = current.load(x[0])
    second = current.load(x[1])
    return first, second


@pytest.mark.parametrize("kernel", [kept_in_a_list, used_to_make_the_next, of_two_names], ids=lambda k: k.__name__)
def test_a_tile_that_is_still_needed_takes_its_room(kernel: Any) -> None:
    with pytest.raises(NKIError, match=r"out of sbuf: .* needs 153600 bytes per partition, .* held by"):
        launch(kernel, X)


def survives_in_a_handler() -> int:
    value = int("1")
    value = int("2")
    try:
        value = int("none")
    except ValueError:
        value = value + 1
    return value


def seen_from_inside() -> list[int]:
    value = int("1")
    seen = []
    for _ in range(2):
        value = next(value + step for step in [1])
        seen.append(value)
    return seen


def annotated_and_keyed(*, start: int = 3) -> int:
    value: int = int("1")
    value = int("2") + value
    value = abs(-5)
    return value + start


@pytest.mark.parametrize(
    ("function", "expected"), [(survives_in_a_handler, 3), (seen_from_inside, [2, 3]), (annotated_and_keyed, 8)]
)
def test_what_a_function_computes_stays_the_same(function: Any, expected: Any) -> None:
    assert releasing(function)() == function() == expected


def test_an_error_names_the_line_of_the_file() -> None:
    def kernel(x: Any) -> Any:
        for i in range(2):
            tile = current.load(x[i + 9])
        return tile

    with pytest.raises(NKIError) as caught:
        launch(kernel, X)
    line = kernel.__code__.co_firstlineno + 2
    assert caught.value.where == f"{__file__}:{line}"


def test_a_closure_keeps_its_variables() -> None:
    factor = 3.0

    def kernel(x: Any) -> Any:
        out = current.ndarray(x.shape, current.float32, buffer=current.shared_hbm)
        for i in range(2):
            tile = current.load(x[i])
            current.store(out[i], tile)
        assert factor == 3.0
        return out

    assert np.array_equal(emulator.launch(kernel, X), X)
