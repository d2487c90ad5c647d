"""The tables of rules next to this file: every rule once kept and once broken.

A table is a module with a `DIALECT` and `RULES`. A row is a rule's name, a kernel body that keeps it, one that breaks
it, what the error says ("…" stands for anything in between), and optionally the documented error id and the generations
on which the two bodies run. A body that gives a pair has computed a tensor and what it must be. A name that begins with
"9." and a number applies a decision that was taken where the NKI documentation is silent.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.manual import DIRECT_ALLOCATION, ERRORS, MESSAGES
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.current import isa as current_isa
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.current.tensor import NkiTensor
from pytest_nki_pool.emulator.legacy import language as legacy
from pytest_nki_pool.emulator.legacy.tensor import Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Body = Callable[..., Any]

HERE = Path(__file__).parent


class Rule(NamedTuple):
    name: str
    kept: Body
    broken: Body
    says: str
    error: str = ""
    kept_on: str = "gen3"
    broken_on: str = "gen3"


def tables() -> Iterator[tuple[str, str, Rule]]:
    """Name of the table, dialect, row."""
    for path in sorted(HERE.glob("table_*.py")):
        spec = importlib.util.spec_from_file_location(f"rules_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for row in module.RULES:
            yield path.stem.removeprefix("table_"), module.DIALECT, Rule(*row)


def legacy_kernel(body: Body) -> tuple[Body, list[Any]]:
    """Kernel on `x` [8, 6, 6] in HBM and `t`, the same loaded; a tile that the body gives is stored."""
    expected: list[Any] = []

    def kernel(x: Any) -> Any:
        result = body(x, legacy.load(x))
        if isinstance(result, tuple) and isinstance(result[0], Tile):
            result, value = result
            expected.append(value)
        if not isinstance(result, Tile):
            result = legacy.zeros((1, 1), legacy.float32)
        if result.buffer is legacy.shared_hbm:
            return result
        out = legacy.ndarray(result.shape, result.dtype, buffer=legacy.shared_hbm)
        legacy.store(out, result)
        return out

    return kernel, expected


def current_kernel(body: Body) -> tuple[Body, list[Any]]:
    """Kernel on `x` [512, 4] in HBM; a tensor is given back where the body says what it must be."""
    expected: list[Any] = []

    @jit
    def kernel(x: Any) -> Any:
        result = body(x)
        if isinstance(result, tuple) and isinstance(result[0], NkiTensor):
            result, value = result
            expected.append(value)
        else:
            result = current.zeros((1, 1), current.float32)
        if result.buffer is current.psum:
            result = current.copy(result)
        out = current.ndarray(result.shape, result.dtype, buffer=current.shared_hbm)
        current_isa.dma_copy(out, result)
        return out

    return kernel, expected


def core_kernel(body: Body) -> tuple[Body, list[Any]]:
    """Kernel on access patterns: `tile` makes an on-chip one, `x` is [128, 12, 10] in HBM."""

    def tile(shape: Any, dtype: Any = np.float32, buffer: Buffer = Buffer.SBUF, *, filled: bool = True) -> Any:
        made = legacy.ndarray(shape, dtype, buffer=buffer, name="t").access
        if filled:
            engine.fill(made, 1)
        return made

    def kernel(x: Any) -> Any:
        x.access.storage.read = True
        body(tile, x.access)
        out = legacy.ndarray((1, 1), np.float32, buffer=legacy.shared_hbm)
        legacy.store(out, 0)
        return out

    return kernel, []


def whole_kernel(body: Body) -> tuple[Body, list[Any]]:
    """The body is the kernel itself, of the legacy dialect, on `x` [8, 6, 6]."""
    return body, []


def host(body: Body) -> tuple[Body, list[Any]]:
    """The body runs outside of any kernel, on an array `x` [8, 6, 6]."""
    return body, []


#: Dialect of a table -> what makes a kernel of a body, and the shape of the kernel's argument.
KERNELS: Mapping[str, tuple[Callable[[Body], tuple[Body, list[Any]]], tuple[int, ...]]] = MappingProxyType(
    {
        "legacy": (legacy_kernel, (8, 6, 6)),
        "legacy kernel": (whole_kernel, (8, 6, 6)),
        "host": (host, (8, 6, 6)),
        "current": (current_kernel, (512, 4)),
        "core": (core_kernel, (128, 12, 10)),
    }
)

TABLES = list(tables())
ROWS = pytest.mark.parametrize(
    ("dialect", "rule"), [row[1:] for row in TABLES], ids=[f"{table}: {rule.name}" for table, _, rule in TABLES]
)


def run(dialect: str, body: Body, generation: str) -> tuple[Any, list[Any]]:
    make, shape = KERNELS[dialect]
    kernel, expected = make(body)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    if dialect == "host":
        return kernel(x), expected
    return launch(kernel, x, machine=Machine(generation)), expected


@ROWS
@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_a_kept_rule_gives_its_result(dialect: str, rule: Rule) -> None:
    result, expected = run(dialect, rule.kept, rule.kept_on)
    for value in expected:
        np.testing.assert_array_equal(result, value)


@ROWS
@pytest.mark.filterwarnings("ignore::pytest_nki_pool.emulator.legacy.creation.BlockDimensionWarning")
def test_a_broken_rule_is_refused(dialect: str, rule: Rule) -> None:
    kind = UnsupportedByEmulator if rule.error == "unsupported" else NKIError
    with pytest.raises(kind) as caught:
        run(dialect, rule.broken, rule.broken_on)
    parts = ".*".join(map(re.escape, rule.says.split("…")))
    assert re.search(parts, str(caught.value)), str(caught.value)
    if kind is NKIError:
        assert caught.value.rule == rule.error
        assert caught.value.where.startswith(str(HERE))


def test_rule_names_are_unique() -> None:
    names = [(table, rule.name) for table, _, rule in TABLES]
    assert len(set(names)) == len(names) >= 150


def test_every_documented_error_has_a_row() -> None:
    assert {rule.error for _, _, rule in TABLES} - {"", "unsupported"} == ERRORS.keys()


def test_direct_allocation_cannot_be_judged() -> None:
    names = {rule.name.removeprefix("direct allocation: ") for _, _, rule in TABLES if rule.error == "unsupported"}
    assert names >= DIRECT_ALLOCATION


def test_every_message_of_the_simulator_has_a_row() -> None:
    says = [rule.says for _, _, rule in TABLES]
    assert [message for message in MESSAGES if not any(message in text for text in says)] == []


def test_every_decision_has_a_row() -> None:
    found = {int(number) for _, _, rule in TABLES for number in re.findall(r"^9\.(\d+) ", rule.name)}
    assert found == set(range(1, 19))
