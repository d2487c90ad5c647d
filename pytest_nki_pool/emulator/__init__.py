"""A strict CPU model of NKI: it runs what the hardware runs and refuses what the hardware refuses."""

from pytest_nki_pool.emulator.core.cost import Cost
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.generations import GENERATION_OF
from pytest_nki_pool.emulator.core.launch import Machine
from pytest_nki_pool.emulator.entry import launch, measure
from pytest_nki_pool.emulator.imports import resolve

__all__ = ["GENERATION_OF", "Cost", "Machine", "NKIError", "UnsupportedByEmulator", "launch", "measure", "resolve"]
