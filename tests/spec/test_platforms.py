"""The suite and the emulator name the same chips: neither knows the other, so only a test can hold them together."""

from __future__ import annotations

from pytest_nki_pool import emulator
from pytest_nki_pool.spec.platforms import GENERATIONS


def test_suite_and_emulator_agree_on_the_generation_of_every_platform() -> None:
    assert dict(GENERATIONS) == dict(emulator.GENERATION_OF)
