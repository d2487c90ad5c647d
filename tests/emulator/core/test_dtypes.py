"""Widening to fp32 and rounding back, bit for bit, whatever the processor does with subnormals."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from pytest_nki_pool.emulator.core.dtypes import as_float32, round_into, round_to

HALF_PATTERNS = np.arange(1 << 16, dtype=np.uint16)
HALVES = HALF_PATTERNS.view(np.float16)

FLUSHED = """
import numpy as np, torch
from pytest_nki_pool.emulator.core.dtypes import as_float32, round_to
assert torch.set_flush_denormal(True)
halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
assert np.float32(2.0**-149) * np.float32(2.0**112) == 0
wide = as_float32(halves)
values = np.linspace(-2.0**-13, 2.0**-13, 1 << 14, dtype=np.float32)
print(wide.view(np.uint32).tobytes().hex(), round_to(values, halves.dtype).view(np.uint16).tobytes().hex())
"""


def unpacked(pattern: int) -> int:
    """The fp32 pattern of an fp16 pattern by the standard library, which keeps no NaN payload."""
    (value,) = struct.unpack("<e", struct.pack("<H", pattern))
    return int.from_bytes(struct.pack("<f", value), "little")


def test_every_fp16_pattern_widens_to_its_value() -> None:
    wide = as_float32(HALVES).view(np.uint32)
    numbers = ~np.isnan(HALVES)
    expected = np.array([unpacked(int(p)) for p in HALF_PATTERNS], np.uint32)
    assert np.array_equal(wide[numbers], expected[numbers])


def test_fp16_nan_keeps_sign_and_payload() -> None:
    nan = np.isnan(HALVES)
    wide = as_float32(HALVES).view(np.uint32)[nan]
    patterns = HALF_PATTERNS[nan].astype(np.uint32)
    assert np.array_equal(wide, (patterns & 0x8000) << 16 | 0x7F800000 | (patterns & 0x3FF) << 13)


def test_every_fp16_pattern_survives_both_ways() -> None:
    back = round_to(as_float32(HALVES), np.dtype(np.float16))
    numbers = ~np.isnan(HALVES)
    assert np.array_equal(back.view(np.uint16)[numbers], HALF_PATTERNS[numbers])
    assert np.isnan(back[~numbers]).all()


def test_small_and_large_arrays_widen_alike() -> None:
    few = np.concatenate([as_float32(part) for part in np.split(HALVES, 256)])
    assert np.array_equal(few.view(np.uint32) | 0x400000, as_float32(HALVES).view(np.uint32) | 0x400000)


def test_strided_fp16_widens_as_its_copy_does() -> None:
    strided = HALVES.reshape(256, 256).T[::2, 1::3]
    assert np.array_equal(as_float32(strided).view(np.uint32), as_float32(strided.copy()).view(np.uint32))


def test_fp16_converts_alike_when_the_processor_flushes_subnormals() -> None:
    pytest.importorskip("torch", reason="sets the processor's mode")
    shown = subprocess.run([sys.executable, "-c", FLUSHED], capture_output=True, text=True, check=True)
    wide, narrow = (bytes.fromhex(part) for part in shown.stdout.split())
    flushed = np.frombuffer(wide, np.uint32)
    numbers = ~np.isnan(HALVES)
    assert np.array_equal(flushed[numbers], as_float32(HALVES).view(np.uint32)[numbers])
    values = np.linspace(-(2.0**-13), 2.0**-13, 1 << 14, dtype=np.float32)
    assert np.array_equal(np.frombuffer(narrow, np.uint16), halves(values))


def halves(values: np.ndarray) -> np.ndarray:
    """Patterns of values rounded to fp16, as inside a launch."""
    with np.errstate(all="ignore"):
        return round_to(values, np.dtype(np.float16)).view(np.uint16)


def nearest_even(value: Fraction) -> int:
    """Pattern of the fp16 number nearest to a positive value, ties to even, by exact arithmetic."""
    exponent = max(value.numerator.bit_length() - value.denominator.bit_length(), -14)
    while exponent > -14 and Fraction(2) ** exponent > value:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= value:
        exponent += 1
    steps = round(value / Fraction(2) ** (exponent - 10))  # Python rounds ties to even
    return min((exponent + 14) * 1024 + steps, 0x7C00)


def test_fp32_rounds_to_fp16_at_every_tie_and_beside_it() -> None:
    positive = as_float32(HALVES)[:0x7C00].astype(np.float64)
    upper = np.append(positive[1:], 65536.0)
    ties = ((positive + upper) / 2).astype(np.float32)
    above, below = np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(0))
    patterns = np.arange(0x7C00)
    assert np.array_equal(halves(ties), patterns + patterns % 2)
    assert np.array_equal(halves(above), patterns + 1)
    assert np.array_equal(halves(below), patterns)


@pytest.mark.parametrize("largest", [16, 18], ids=["finite", "with overflow"])
def test_fp32_rounds_to_the_nearest_fp16(largest: int) -> None:
    rng = np.random.default_rng(0)
    values = np.ldexp(1 + rng.random(6000), rng.integers(-27, largest, 6000)).astype(np.float32)
    expected = [nearest_even(Fraction(float(value))) for value in values]
    assert np.array_equal(halves(values), expected)
    assert np.array_equal(halves(-values), np.array(expected) | 0x8000)


def test_every_rounding_to_fp16_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 1 << 32, 1 << 21, dtype=np.uint32)
    values = patterns.view(np.float32)
    values = values[np.abs(values) < 65536]
    with np.errstate(all="ignore"):
        assert np.array_equal(halves(values), values.astype(np.float16).view(np.uint16))


def test_infinity_and_nan_round_to_themselves() -> None:
    values = np.zeros(5000, np.float32)
    values[[1, 2, 3]] = np.inf, -np.inf, np.nan
    got = halves(values).view(np.float16)
    assert got[1] == np.inf
    assert got[2] == -np.inf
    assert np.isnan(got[3])
    assert not got[4:].any()


@pytest.mark.parametrize("tiny", [1e-40, 2.0**-26, 2.0**-25, 0.0])
def test_what_rounds_to_zero_keeps_its_sign(tiny: float) -> None:
    assert np.array_equal(halves(np.full(5000, -tiny, np.float32)), np.full(5000, 0x8000))
    assert np.array_equal(halves(np.full(5000, tiny, np.float32)), np.zeros(5000))


def test_strided_values_round_as_their_copy_does() -> None:
    values = np.random.default_rng(2).standard_normal((300, 200)).astype(np.float32).T[::2, 1::3]
    out = np.zeros((100, 200), np.float16)[:, ::2]
    round_into(out, values)
    assert np.array_equal(out, values.astype(np.float16))


@pytest.mark.parametrize("pattern", [0x7C00, 0x7C01, 0x7FFF, 0xFC00, 0xFC01, 0xFFFF], ids=hex)
def test_one_special_value_among_many_numbers_widens(pattern: int) -> None:
    values = np.ones(5000, np.float16)
    values.view(np.uint16)[17] = pattern
    wide = as_float32(values).view(np.uint32)
    assert wide[17] == (pattern & 0x8000) << 16 | 0x7F800000 | (pattern & 0x3FF) << 13
    assert (np.delete(wide, 17) == 0x3F800000).all()
