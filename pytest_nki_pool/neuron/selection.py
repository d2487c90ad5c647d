"""Which cores of the machine a run may use."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.errors import NeuronError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nki_pool.neuron.devices import Core, Inventory

#: The runtime's rule for a set of cores. Source: Neuron runtime developer guide, NEURON_RT_VISIBLE_CORES.
RULE = (
    "the Neuron runtime takes one index (3), an inclusive range (3-6), a list (3,4,5) or a mix (3-5,6), "
    "and the cores must be contiguous and strictly increasing"
)

VISIBLE_CORES = "NEURON_RT_VISIBLE_CORES"
NUM_CORES = "NEURON_RT_NUM_CORES"

_PART = re.compile(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Selection:
    """Cores that a run may use.

    Attributes:
        cores: the cores, ascending.
        limit: how many of them the run may use at a time.
        source: the flag or variable that decided; empty when nobody asked for certain cores.
    """

    cores: tuple[Core, ...]
    limit: int
    source: str


def parse_cores(text: str, source: str) -> tuple[int, ...]:
    """Expand a set of cores by the runtime's rule.

    Args:
        text: such as ``0-3``.
        source: the flag or variable it comes from, for the error.

    Raises:
        NeuronError: it is no set of cores, or one that the runtime refuses; quotes the rule.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise NeuronError(f"{source}: {text!r} is no set of cores; {RULE}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise NeuronError(f"{source}: the range {part.strip()} runs backwards; {RULE}")
        numbers += range(first, last + 1)
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise NeuronError(f"{source}: in {text!r} core {after} follows core {before}; {RULE}")
    return tuple(numbers)


def format_cores(cores: Sequence[Core]) -> str:
    """The cores as NEURON_RT_VISIBLE_CORES takes them: one index or one range."""
    first, last = cores[0].index, cores[-1].index
    return str(first) if first == last else f"{first}-{last}"


def select(inventory: Inventory, asked: str | None, environ: Mapping[str, str] | None = None) -> Selection:
    """Choose the cores that a run may use.

    A variable that is set already is the share that a scheduler or container gave to this run: it is subdivided, never
    overwritten. Where both are set NEURON_RT_VISIBLE_CORES wins, as it does for the runtime.

    Args:
        inventory: the machine; must have a device.
        asked: value of ``--nki-device``, in the runtime's numbers of the machine's cores; None for every core.
        environ: this process's own by default.

    Raises:
        NeuronError: a set of cores is malformed, has a gap, or names cores that do not exist or were not given.
    """
    inventory.require()
    environ = os.environ if environ is None else environ
    pool, source = inventory.cores, ""
    if VISIBLE_CORES in environ:
        pool, source = _take(pool, environ[VISIBLE_CORES], VISIBLE_CORES, "this machine"), VISIBLE_CORES
    if asked is not None:
        where = f"{VISIBLE_CORES}={environ[VISIBLE_CORES]}" if source else "this machine"
        pool, source = _take(pool, asked, "--nki-device", where), "--nki-device"
    limit = len(pool)
    if NUM_CORES in environ and VISIBLE_CORES not in environ:
        limit = _limit(environ[NUM_CORES], len(pool))
        source = source or NUM_CORES
    return Selection(pool, limit, source)


def _take(pool: tuple[Core, ...], text: str, source: str, where: str) -> tuple[Core, ...]:
    numbers = parse_cores(text, source)
    by_number = {core.index: core for core in pool}
    missing = [number for number in numbers if number not in by_number]
    if missing:
        has = ", ".join(map(str, by_number))
        raise NeuronError(f"{source}: {where} has no core {', '.join(map(str, missing))}; it has {has}")
    return tuple(by_number[number] for number in numbers)


def _limit(text: str, available: int) -> int:
    """How many cores NEURON_RT_NUM_CORES grants; 0 means all."""
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        raise NeuronError(f"{NUM_CORES}: {text!r} is no number of cores; give a whole number, 0 for all")
    if int(text) > available:
        raise NeuronError(f"{NUM_CORES}: {text} cores asked for, {available} may be used")
    return int(text) or available
