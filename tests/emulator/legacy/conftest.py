"""Tables of rules.

A module with a table `RULES` has one row per rule: its name, a kernel body that keeps it, one that breaks it, a
fragment of the error, and optionally the documented error id and the machine. The bodies take `x` [8, 6, 6] fp32 in HBM
and `t`, the same loaded, and return a tile or an HBM tensor.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator import Machine, launch
from pytest_nki_pool.emulator.legacy import language as nl

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rules = getattr(metafunc.module, "RULES", ())
    names = [rule[0] for rule in rules]
    assert len(set(names)) == len(names), "rule names are unique"
    rows = [_row(*rule[1:]) for rule in rules]
    if "kept" in metafunc.fixturenames:
        metafunc.parametrize("kept", [row[0] for row in rows], ids=names)
    if "broken" in metafunc.fixturenames:
        metafunc.parametrize(("broken", "says", "rule_id"), [row[1:] for row in rows], ids=names)


def _row(kept: Any, broken: Any, says: str, rule_id: str = "", machine: Machine | None = None) -> tuple[Any, ...]:
    return _launcher(kept, machine), _launcher(broken, machine), says, rule_id


def _launcher(body: Callable[[Any, Any], Any], machine: Machine | None) -> Callable[[], object]:
    def kernel(x: Any) -> Any:
        result = body(x, nl.load(x))
        if result.buffer is nl.shared_hbm:
            return result
        out = nl.ndarray(result.shape, result.dtype, buffer=nl.shared_hbm)
        nl.store(out, result)
        return out

    return functools.partial(launch, kernel, np.arange(288, dtype=np.float32).reshape(8, 6, 6), machine=machine)
