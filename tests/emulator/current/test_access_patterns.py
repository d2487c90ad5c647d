"""`.ap`: explicit access patterns on chip and in HBM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
X = np.arange(4 * 6 * 10, dtype=np.float32).reshape(4, 6, 10)


def gather(array, pattern, offset):
    """Elements that an access pattern addresses, by an index per element."""
    index = np.full([count for _, count in pattern], offset)
    for dim, (step, count) in enumerate(pattern):
        index += (step * np.arange(count)).reshape([-1 if d == dim else 1 for d in range(len(pattern))])
    return array.reshape(-1)[index]


ACCEPTED_ON_CHIP = {
    "whole": ([[60, 4], [10, 6], [1, 10]], 0),
    "windows": ([[60, 4], [20, 3], [2, 5], [10, 2], [1, 2]], 0),
    "permuted free dimensions": ([[60, 4], [1, 10], [10, 6]], 0),
    "repeated element": ([[60, 4], [0, 3], [1, 10]], 0),
    "backward": ([[60, 4], [-1, 10]], 9),
    "one partition": ([[60, 1], [1, 60]], 0),
    "overlapping windows": ([[60, 3], [1, 8], [1, 3]], 0),
    "last elements": ([[60, 4], [1, 2]], 58),
    "start partition": ([[60, 2], [1, 60]], 120),
}
REFUSED_ON_CHIP = {
    "partition step": (
        [[64, 4], [1, 10]],
        None,
        "ap() pattern has invalid partition stride. Partition step 64 must equal tensor free dimension size 60",
    ),
    "past the end": ([[60, 4], [1, 60]], 1, "reaches elements [1, 240] of tensor `tile` [4, 6, 10] float32 in sbuf"),
    "before the start": ([[60, 4], [-1, 10]], 8, "reaches elements [-1, 188]"),
    "into the next partition": ([[60, 3], [1, 61]], 0, "spans elements [0, 60] of a partition of 60"),
    "into the next partition by an offset": ([[60, 3], [1, 60]], 3, "spans elements [3, 62] of a partition of 60"),
    "one dimension": ([[60, 4]], 0, "must have at least 2 dimensions"),
    "six pairs": ([[60, 1]] + [[1, 1]] * 5, 0, "ap() takes 1 to 5 pairs [step, count]"),
    "no pairs": ([], 0, "ap() takes 1 to 5 pairs [step, count]"),
    "three numbers": ([[60, 4], [1, 2, 3]], 0, "ap() takes 1 to 5 pairs [step, count]"),
    "count 0": ([[60, 4], [1, 0]], 0, "ap() pair [1, 0]"),
    "count above 16 bits": ([[60, 4], [0, 65536]], 0, "a count is 1 to 65535"),
    "step of no integer": ([[60, 4], [0.5, 2]], 0, "step and count of ap(): a static integer, got 0.5"),
    "no list": (5, 0, "the pattern of ap() is a list of pairs [step, count], got 5"),
    "no list of pairs": ([60, 4], 0, "step and count of ap(): a tuple or a list of static integers, got 60"),
    "offset of no integer": ([[60, 4], [1, 2]], 1.0, "offset of ap(): a static integer, got 1.0"),
}


def loaded(x):
    tile = nl.ndarray(x.shape, x.dtype, name="tile")
    nisa.dma_copy(dst=tile, src=x)
    return tile


@pytest.mark.parametrize(("pattern", "offset"), ACCEPTED_ON_CHIP.values(), ids=ACCEPTED_ON_CHIP)
def test_a_pattern_on_chip(run, pattern, offset):
    np.testing.assert_array_equal(
        run(lambda x: loaded(x).ap(pattern, offset), X), gather(X, pattern, offset), strict=True
    )


@pytest.mark.parametrize(("pattern", "offset", "fragment"), REFUSED_ON_CHIP.values(), ids=REFUSED_ON_CHIP)
def test_a_pattern_on_chip_is_refused(run, pattern, offset, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: loaded(x).ap(pattern, offset), X)
    assert fragment in str(error.value)
    assert "test_access_patterns.py:" in error.value.where


@pytest.mark.parametrize(
    ("pattern", "offset"),
    [
        pytest.param([[1, 10], [60, 4]], 0, id="any order"),
        pytest.param([[7, 30]], 3, id="one pair"),
        pytest.param([[-60, 4], [1, 60]], 180, id="backward"),
        pytest.param([[0, 5], [1, 3]], 237, id="repeated, at the end"),
    ],
)
def test_a_pattern_in_hbm(run, pattern, offset):
    np.testing.assert_array_equal(run(lambda x: x.ap(pattern, offset), X), gather(X, pattern, offset), strict=True)


@pytest.mark.parametrize(
    ("pattern", "offset", "fragment"),
    [
        pytest.param([[60, 5], [1, 1]], 0, "reaches elements [0, 240]", id="past the end"),
        pytest.param([[-1, 2]], 0, "reaches elements [-1, 0]", id="before the start"),
        pytest.param([[1, 65536]], 0, "a count is 1 to 65535", id="count above 16 bits"),
        pytest.param([[1, 1]] * 6, 0, "ap() takes 1 to 5 pairs", id="six pairs"),
    ],
)
def test_a_pattern_in_hbm_is_refused(run, pattern, offset, fragment):
    with pytest.raises(emulator.NKIError) as error:
        run(lambda x: x.ap(pattern, offset), X)
    assert fragment in str(error.value)


def test_the_pattern_of_a_view_addresses_its_storage(run):
    pattern = [[60, 2], [10, 2], [1, 3]]
    got = run(lambda x: loaded(x)[0:2, 3:5, 4].ap(pattern), X)
    np.testing.assert_array_equal(got, gather(X, pattern, 34), strict=True)
    got = run(lambda x: loaded(x)[0:2, 3:5, 4].ap(pattern, offset=0), X)
    np.testing.assert_array_equal(got, gather(X, pattern, 0), strict=True)


def test_get_pattern_gives_back_the_pattern(run):
    pattern = [[60, 4], [20, 3], [2, 5]]

    def body(x):
        tile = loaded(x)
        assert tile.ap(pattern).get_pattern() == pattern
        assert tile.ap(tile[:, 1:3].get_pattern(), 10).shape == (4, 2, 10)
        assert not tile.ap(pattern).is_indirect()

    run(body, X)


@pytest.mark.parametrize("arguments", [{"scalar_offset": 1}, {"vector_offset": 1}, {"indirect_dim": 1}], ids=str)
def test_dynamic_patterns_are_not_supported(run, arguments):
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"ap\(\) with"):
        run(lambda x: x.ap([[1, 1]], **arguments), X)


def test_a_compute_instruction_takes_steps_of_16_bits(run):
    x = np.ones((1, 32769), np.float32)

    def reduce_pairs(step):
        def body(x):
            sums = nl.ndarray((1, 1), nl.float32)
            nisa.tensor_reduce(dst=sums, op=nl.add, data=nl.load(x).ap([[32769, 1], [step, 2]]), axis=1)
            return sums

        return body

    assert run(reduce_pairs(32767), x) == 2
    with pytest.raises(emulator.NKIError, match="step of 32768 elements; an instruction takes up to 32767"):
        run(reduce_pairs(32768), x)


@st.composite
def patterns(draw, low, high, pairs):
    """Pairs whose addresses stay within [low, high], with the offset that achieves it."""
    room = high - low
    result, below, used = [], 0, 0
    for _ in range(pairs):
        count = draw(st.integers(1, 6))
        reach = (room - used) // max(count - 1, 1)
        step = draw(st.integers(-reach, reach))
        result.append([step, count])
        used += abs(step) * (count - 1)
        below += -min(step, 0) * (count - 1)
    return result, low + below + draw(st.integers(0, room - used))


@given(data=st.data())
def test_random_patterns_address_what_an_index_per_element_addresses(run, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    pattern, offset = data.draw(patterns(0, array.size - 1, data.draw(st.integers(1, 5))))
    np.testing.assert_array_equal(
        run(lambda x: x.ap(pattern, offset), array), gather(array, pattern, offset), strict=True
    )
    row = array.size // shape[0]
    free, offset = data.draw(patterns(0, row - 1, data.draw(st.integers(1, 4))))
    pattern = [[row, shape[0]], *free]
    got = run(lambda x: loaded(x).ap(pattern, offset), array)
    np.testing.assert_array_equal(got, gather(array, pattern, offset), strict=True)


@given(
    pattern=st.lists(st.tuples(st.integers(-70, 130), st.integers(0, 5)), min_size=1, max_size=5),
    offset=st.integers(-3, 245),
)
def test_a_random_pattern_is_right_or_refused(run, pattern, offset):
    pattern = [list(pair) for pair in pattern]
    reachable = all(count > 0 for _, count in pattern)
    if reachable:
        ends = [offset + sum(f(step * (count - 1), 0) for step, count in pattern) for f in (min, max)]
        reachable = ends[0] >= 0 and ends[1] < X.size
    if reachable:
        np.testing.assert_array_equal(run(lambda x: x.ap(pattern, offset), X), gather(X, pattern, offset), strict=True)
    else:
        with pytest.raises(emulator.NKIError, match=r"ap\(\)"):
            run(lambda x: x.ap(pattern, offset), X)


def test_a_pattern_under_another_dtype_counts_in_its_elements(run):
    halves = X.view(np.int16).reshape(4, 120)
    got = run(lambda x: loaded(x).ap([[120, 4], [2, 30]], 60, dtype=nl.int16), X)
    np.testing.assert_array_equal(got, halves[:, 60:120:2], strict=True)
    got = run(lambda x: loaded(x)[:, 1:2].ap([[120, 4], [1, 3]], dtype=nl.int16), X)
    np.testing.assert_array_equal(got, halves[:, 20:23], strict=True)


def test_a_pattern_under_another_dtype_keeps_the_partition_step(run):
    with pytest.raises(emulator.NKIError, match="Partition step 60 must equal tensor free dimension size 120"):
        run(lambda x: loaded(x).ap([[60, 4], [1, 3]], dtype=nl.int16), X)
