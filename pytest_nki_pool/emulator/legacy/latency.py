"""The latency that `nki.benchmark` reports here: a model, not a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.cost import Cost

#: Percentiles that NKI reports.
_PERCENTILES = (0, 1, 10, 25, 50, 90, 99, 100)


@dataclass(frozen=True, slots=True)
class Latency:
    """Modelled latency of a launch on one NeuronCore.

    Attributes:
        microseconds: the latency; every percentile is the same, as a model does not vary.
        modelled: always True: nothing was measured.
    """

    microseconds: float
    modelled: bool = True

    def get_latency_percentile(self, percentile: int) -> float:
        """Microseconds of a percentile.

        Raises:
            NKIError: a percentile that NKI does not report.
        """
        if percentile not in _PERCENTILES:
            raise NKIError(f"latency percentiles are {', '.join(map(str, _PERCENTILES))}, got {percentile}")
        return self.microseconds


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Attribute `benchmark_result` of a kernel of `nki.benchmark`.

    Attributes:
        nc_latency: latency on one NeuronCore.
    """

    nc_latency: Latency

    @classmethod
    def of(cls, cost: Cost) -> BenchmarkResult:
        """Take the roofline estimate of a launch's counters."""
        return cls(Latency(1e6 * cost.seconds))
