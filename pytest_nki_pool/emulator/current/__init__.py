"""The names of `nki`, the API of SDK 2.27 and later, as of NKI 0.6."""

from pytest_nki_pool.emulator.current import isa, language, typing
from pytest_nki_pool.emulator.current.entry import Kernel, jit, simulate
from pytest_nki_pool.emulator.current.missing import refuse_missing

__getattr__ = refuse_missing("nki", dict.fromkeys(("collectives", "compiler", "simulator", "tensor"), ""))

__all__ = ["Kernel", "isa", "jit", "language", "simulate", "typing"]
