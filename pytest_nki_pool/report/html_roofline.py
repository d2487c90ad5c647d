"""Rooflines of a run from what the emulator's cost model counted: a model, not a measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.cost import RATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nki_pool.report.model import Record

#: Of one generation; launches that look the same on paper are one point.
_MOST_POINTS = 1000


def rooflines(records: Iterable[Record]) -> list[dict[str, Any]]:
    """What there is to draw of each generation.

    A point stands where the model puts the first launch of a case: how many bytes of HBM it moves per cycle of the
    compute engine that is busy longest, and how many per second of the modelled time.

    Args:
        records: the cases; those without counters were not executed on the emulator and have no point.

    Returns:
        Per generation: its name, the bandwidths of HBM and DMA in bytes per second, engine -> clock in Hz of those that
        have a point, the points and how many were left out.
    """
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for record in records:
        counters = record.verdict.launches.counters
        point = _point(record, counters) if counters else None
        if counters and point:
            points = found.setdefault(counters["generation"], {})
            key = (point["kernel"], point["bound"], f"{point['x']:.3g}", f"{point['y']:.3g}")
            points.setdefault(key, {**point, "cases": 0})["cases"] += 1
    return [_roofline(generation, list(points.values())) for generation, points in sorted(found.items())]


def _point(record: Record, counters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a launch stands; None when it moves or computes nothing."""
    size = counters["dma_bytes_in"] + counters["dma_bytes_out"]
    clocks = RATES[counters["generation"]].clocks
    cycles = {engine: count for engine, count in counters["cycles"].items() if count}
    if not size or not cycles:
        return None
    engine = max(cycles, key=lambda name: cycles[name] / clocks[name])
    identity = record.verdict.identity
    return {
        "kernel": identity.kernel,
        "case": identity.case,
        "engine": engine,
        "bound": counters["bound"],
        "x": size / cycles[engine],
        "y": size / counters["modelled_seconds"],
    }


def _roofline(generation: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    rates = RATES[generation]
    return {
        "generation": generation,
        "hbm": rates.hbm,
        "dma": rates.dma,
        "clocks": {engine: rates.clocks[engine] for engine in sorted({point["engine"] for point in points})},
        "points": points[:_MOST_POINTS],
        "more": max(0, len(points) - _MOST_POINTS),
    }
