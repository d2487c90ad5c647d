"""The names of `neuronxcc.nki`: NKI as of Neuron SDK 2.25."""

from typing import NoReturn

from pytest_nki_pool.emulator.legacy import isa, language, typing
from pytest_nki_pool.emulator.legacy.entry import baremetal, benchmark, jit, profile, simulate_kernel, trace
from pytest_nki_pool.emulator.legacy.surface import missing
from pytest_nki_pool.emulator.legacy.tensor import Tile as tensor  # noqa: N813  (NKI's name)

__all__ = [
    "baremetal", "benchmark", "isa", "jit", "language", "profile", "simulate_kernel", "tensor", "trace", "typing",
]  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    raise missing("nki", name)
