"""`nl.affine_range`, `nl.sequential_range` and `nl.static_range`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.affine import Index
from pytest_nki_pool.emulator.core.cost import counts_only
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.regions import LoopRegions
from pytest_nki_pool.emulator.legacy.indices import static_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nki_pool.emulator.core.cost import Meter


def affine_range(*bounds: int, **_hints: object) -> Iterator[Index]:
    """Iterate with a symbolic variable over independent iterations.

    Args:
        *bounds: start, stop and step as of `range`, static.
        **_hints: compiler hints, without effect here.

    Yields:
        The loop variable.

    Raises:
        NKIError: an iteration depends on another one.
    """
    launch = current_launch("affine_range")
    values = _static(bounds, "nl.affine_range")
    if counts_only() and launch.meter is not None:
        yield from _traced(launch.meter, values)
        return
    if launch.machine.loop_order == "reversed":
        values = values[::-1]
    regions = LoopRegions(bounds, launch.serial, len(values))
    launch.loops.append(regions)
    try:
        for value in values:
            regions.begin_iteration(launch.serial)
            yield Index(value)
    finally:
        launch.loops.remove(regions)


def sequential_range(*bounds: int, **_hints: object) -> Iterator[Index]:
    """Iterate in order with a symbolic variable; iterations may carry data, see `affine_range`."""
    meter = current_launch("sequential_range").meter
    values = _static(bounds, "nl.sequential_range")
    if counts_only() and meter is not None:
        yield from _traced(meter, values)
        return
    for value in values:
        yield Index(value)


def _traced(meter: Meter, values: range) -> Iterator[Index]:
    """Run the first iteration alone, as NKI's tracer does, and count it as often as the loop iterates."""
    for value in values[:1]:
        before = meter.counts()
        yield Index(value)
        meter.repeat(before, len(values))


def static_range(*bounds: int) -> range:
    """Unroll: iterate with Python integers."""
    return _static(bounds, "nl.static_range")


def _static(bounds: tuple[int, ...], api: str) -> range:
    if not 1 <= len(bounds) <= 3:
        raise NKIError(f"{api} takes (stop), (start, stop) or (start, stop, step), got {len(bounds)} arguments")
    values = [bound if type(bound) is int else static_integer(bound, api) for bound in bounds]
    if len(values) == 3 and values[2] == 0:
        raise NKIError(f"{api}: the step is not 0")
    return range(*values)
