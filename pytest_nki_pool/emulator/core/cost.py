"""What a launch would cost on the hardware: a model, not a measurement.

Counters are exact for what the emulator executes. Times come from published rates and are a roofline: every engine
and the DMA work at their documented speed and overlap perfectly.

Sources: architecture guides for Trainium/Inferentia2, Trainium2 and Trainium3 (clocks, elements per cycle, HBM); the
NKI DMA bandwidth guide (rates, 2 KiB descriptors, 8 partitions per DMA engine, 1.3 µs per transfer); the cycle tables
of `nki.isa` of Neuron SDK 2.25.

Errors: the compiler may choose other engines, merge instructions and DMA, and insert copies; waiting for semaphores,
contention for memory ports and instruction fetch are not modelled; 16-bit modes of reductions are not assumed.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.access import coalesce
from pytest_nki_pool.emulator.core.memory import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.generations import Generation


@dataclass(frozen=True, slots=True)
class Rates:
    """Speeds of one NeuronCore.

    Attributes:
        hbm: bytes per second of the core's share of HBM.
        dma: bytes per second of its 16 DMA engines together, sustained.
        clocks: cycles per second of the compute engines.
        packed: elements per cycle and lane of VectorE with 16-bit and with other operands in SBUF, where the
            instruction has that mode.
    """

    hbm: float
    dma: float
    clocks: Mapping[str, float]
    packed: tuple[int, int]


def _clocks(tensor: float, vector: float, scalar: float, gpsimd: float) -> Mapping[str, float]:
    return MappingProxyType({"tensor": tensor, "vector": vector, "scalar": scalar, "gpsimd": gpsimd})


#: Generation -> rates of one NeuronCore.
RATES: Mapping[str, Rates] = MappingProxyType(
    {
        "gen2": Rates(410e9, 272e9, _clocks(2.8e9, 1.12e9, 1.4e9, 1.4e9), (1, 1)),
        "gen3": Rates(375e9, 368e9, _clocks(2.4e9, 0.96e9, 1.2e9, 1.2e9), (4, 2)),
        "gen4": Rates(590e9, 528e9, _clocks(2.4e9, 1.2e9, 1.2e9, 1.2e9), (4, 2)),
    }
)

DMA_ENGINES = 16
#: Partitions that one DMA engine serves.
PARTITIONS_PER_DMA_ENGINE = 8
#: A smaller descriptor takes as long as one of this size.
DESCRIPTOR_BYTES = 2048
#: Time from the start of a transfer to its end, whatever its size.
DMA_LATENCY = 1.3e-6
#: Cycles that an instruction takes at least.
MIN_CYCLES = 64
#: Steps in bytes between elements above which SBUF and PSUM deliver half as much.
FAST_STEP_BYTES = 16

#: Instructions and functions that do not run on VectorE.
_ENGINE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("matmul", "nc_matmul", "transpose", "nc_transpose"), "tensor"),
        **dict.fromkeys(
            ("activation", "activation_reduce", "exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "arctan", "erf"),
            "scalar",
        ),
        **dict.fromkeys(("sigmoid", "gelu", "silu", "softplus", "mish"), "scalar"),
        **dict.fromkeys(("iota", "affine_select", "tensor_partition_reduce", "power", "rsqrt"), "gpsimd"),
    }
)

#: Cycles per element of VectorE instructions that have no faster mode.
_CYCLES_PER_ELEMENT: Mapping[str, int] = MappingProxyType({"reciprocal": 8, "tensor_tensor_scan": 2})
#: Instructions that read every element once, whatever the dtype.
_REDUCTIONS = frozenset({"tensor_reduce", "sum", "max", "min", "mean", "prod", "var", "all"})
#: Cycles before the first element.
_START_UP: Mapping[str, int] = MappingProxyType({"iota": 150, "affine_select": 150})


@dataclass(frozen=True, slots=True)
class Cost:
    """Counters of one launch and what a roofline makes of them.

    Attributes:
        generation: the generation that was modelled.
        instructions: instructions per compute engine.
        cycles: busy cycles per compute engine.
        dma_transfers: DMA operations.
        dma_descriptors: contiguous pieces that they move.
        dma_bytes_in: bytes from HBM.
        dma_bytes_out: bytes to HBM.
        dma_seconds: time that the DMA engines are busy.
        peak_sbuf: most bytes per partition in use in SBUF.
        peak_psum: most bytes per partition in use in PSUM.
    """

    generation: str
    instructions: Mapping[str, int]
    cycles: Mapping[str, float]
    dma_transfers: int
    dma_descriptors: int
    dma_bytes_in: int
    dma_bytes_out: int
    dma_seconds: float
    peak_sbuf: int
    peak_psum: int

    @property
    def busy(self) -> Mapping[str, float]:
        """Seconds that each engine, the DMA and the HBM are busy."""
        rates = RATES[self.generation]
        times = {engine: cycles / rates.clocks[engine] for engine, cycles in self.cycles.items()}
        times["dma"] = self.dma_seconds
        times["hbm"] = (self.dma_bytes_in + self.dma_bytes_out) / rates.hbm
        return MappingProxyType(times)

    @property
    def bound(self) -> str:
        """What is busy longest: "dma", "hbm" or an engine."""
        busy = self.busy
        return max(busy, key=busy.__getitem__)

    @property
    def seconds(self) -> float:
        """Time when everything overlaps: no launch is faster in this model."""
        return self.busy[self.bound]

    @property
    def serial_seconds(self) -> float:
        """Time when nothing overlaps, with the latency of every transfer."""
        busy = self.busy
        engines = sum(time for name, time in busy.items() if name not in ("dma", "hbm"))
        return engines + max(busy["dma"], busy["hbm"]) + DMA_LATENCY * self.dma_transfers

    def table(self, name: str) -> str:
        """Write the cost as a table for people.

        Args:
            name: what was launched.
        """
        busy = self.busy
        rows = [
            (engine, f"{self.instructions[engine]} instructions, {self.cycles[engine]:.0f} cycles")
            for engine in self.cycles
            if self.instructions[engine]
        ]
        rows.append(("dma", f"{self.dma_transfers} transfers, {self.dma_descriptors} descriptors"))
        rows.append(("hbm", f"{self.dma_bytes_in} B in, {self.dma_bytes_out} B out"))
        lines = [f"{name} on {self.generation} (modelled, not measured)"]
        lines += [
            f"  {engine:<7}{1e6 * busy[engine]:10.2f} us  {counts}{'  <- bound' if engine == self.bound else ''}"
            for engine, counts in rows
        ]
        lines.append(f"  {'total':<7}{1e6 * self.seconds:10.2f} us if all overlaps, ")
        lines[-1] += f"{1e6 * self.serial_seconds:.2f} us if nothing does"
        lines.append(f"  peak   {self.peak_sbuf} B of SBUF and {self.peak_psum} B of PSUM per partition")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of a meter at one time, see `Cost`.

    Attributes:
        instructions: instructions per compute engine.
        cycles: busy cycles per compute engine.
        transfers: DMA operations, descriptors, bytes from and to HBM, seconds.
    """

    instructions: Mapping[str, int]
    cycles: Mapping[str, float]
    transfers: tuple[int, int, int, int, float]


class Meter:
    """Counts what one launch executes.

    An instruction is known by its operands, which are checked first, and by the write that ends it.

    Args:
        generation: the generation that is modelled.
    """

    __slots__ = (
        "_api", "_bytes_in", "_bytes_out", "_cycles", "_descriptors", "_dma_seconds", "_generation", "_instructions",
        "_operands", "_rates", "_transfers",
    )  # fmt: skip

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._rates = RATES[generation.name]
        self._instructions = dict.fromkeys(self._rates.clocks, 0)
        self._cycles = dict.fromkeys(self._rates.clocks, 0.0)
        self._transfers = self._descriptors = self._bytes_in = self._bytes_out = 0
        self._dma_seconds = 0.0
        self._api = ""
        self._operands: dict[str, AccessPattern] = {}

    def operand(self, access: AccessPattern, role: str, api: str) -> None:
        """Note an operand of the instruction that is about to run."""
        self._api = api.rpartition(".")[2]
        self._operands[role] = access

    def wrote(self, dst: AccessPattern) -> None:
        """Count the instruction that writes a destination; a second write belongs to the same instruction."""
        if not self._operands:
            return
        sources = [access for role, access in self._operands.items() if role != "dst"]
        self._operands = {}
        if dst.storage.on_chip and all(source.storage.on_chip for source in sources) and "dma" not in self._api:
            self._count_instruction(dst, sources)
        else:
            self._count_transfer(dst, sources[0] if sources else dst)

    def cost(self, peak: Mapping[Buffer, int]) -> Cost:
        """Return what was counted.

        Args:
            peak: most bytes per partition that were in use in each on-chip buffer.
        """
        return Cost(
            self._generation.name,
            MappingProxyType(dict(self._instructions)),
            MappingProxyType(dict(self._cycles)),
            self._transfers,
            self._descriptors,
            self._bytes_in,
            self._bytes_out,
            self._dma_seconds,
            peak[Buffer.SBUF],
            peak[Buffer.PSUM],
        )

    def counts(self) -> Counts:
        """What was counted so far."""
        totals = self._transfers, self._descriptors, self._bytes_in, self._bytes_out, self._dma_seconds
        return Counts(dict(self._instructions), dict(self._cycles), totals)

    def repeat(self, before: Counts, times: int) -> None:
        """Count everything since some counts as often as it happens, instead of once."""
        for engine in self._instructions:
            self._instructions[engine] += (times - 1) * (self._instructions[engine] - before.instructions[engine])
            self._cycles[engine] += (times - 1) * (self._cycles[engine] - before.cycles[engine])
        transfers, descriptors, bytes_in, bytes_out, seconds = before.transfers
        self._transfers += (times - 1) * (self._transfers - transfers)
        self._descriptors += (times - 1) * (self._descriptors - descriptors)
        self._bytes_in += (times - 1) * (self._bytes_in - bytes_in)
        self._bytes_out += (times - 1) * (self._bytes_out - bytes_out)
        self._dma_seconds += (times - 1) * (self._dma_seconds - seconds)

    def _count_instruction(self, dst: AccessPattern, sources: list[AccessPattern]) -> None:
        engine = _ENGINE.get(self._api, "vector")
        operands = [dst, *sources]
        elements = max(access.size // access.shape[0] for access in operands)
        if engine == "tensor":
            work = float(_columns(sources, dst)) * (4 if any(a.storage.dtype.itemsize == 4 for a in sources) else 1)
        else:
            work = elements * (self._per_element(operands) if engine == "vector" else 1.0)
            work *= 2 if any(_is_sparse(access) for access in operands) else 1
        self._instructions[engine] += 1
        self._cycles[engine] += max(float(MIN_CYCLES), work) + _START_UP.get(self._api, 0)

    def _per_element(self, operands: list[AccessPattern]) -> float:
        if self._api in _REDUCTIONS:
            return 1.0
        if self._api in _CYCLES_PER_ELEMENT:
            return float(_CYCLES_PER_ELEMENT[self._api])
        if self._api == "memset":
            return 0.5 if operands[0].storage.dtype.itemsize <= 2 else 1.0
        in_sbuf = all(access.storage.buffer is Buffer.SBUF for access in operands)
        short = all(access.storage.dtype.itemsize <= 2 for access in operands)
        streams = sum(access.size > access.shape[0] for access in operands[1:])
        if streams > 1:
            return 1.0 if short or not in_sbuf else 2.0
        return 1.0 / self._rates.packed[0 if short else 1] if in_sbuf else 1.0

    def _count_transfer(self, dst: AccessPattern, src: AccessPattern) -> None:
        size = dst.size * max(dst.storage.dtype.itemsize, src.storage.dtype.itemsize)
        pieces = -(-dst.size // min(_run(dst), _run(src)))
        lanes = [access.shape[0] for access in (dst, src) if access.storage.on_chip]
        engines = min(DMA_ENGINES, -(-min(lanes) // PARTITIONS_PER_DMA_ENGINE)) if lanes else DMA_ENGINES
        self._transfers += 1
        self._descriptors += pieces
        if not src.storage.on_chip and src is not dst:
            self._bytes_in += src.size * src.storage.dtype.itemsize
        if not dst.storage.on_chip:
            self._bytes_out += dst.size * dst.storage.dtype.itemsize
        self._dma_seconds += max(size, pieces * DESCRIPTOR_BYTES) / (self._rates.dma * engines / DMA_ENGINES)


def _columns(sources: list[AccessPattern], dst: AccessPattern) -> int:
    moving = sources[-1] if sources else dst
    return moving.size // moving.shape[0]


def _is_sparse(access: AccessPattern) -> bool:
    runs = coalesce(access.shape[1:], access.strides[1:])
    return bool(runs) and abs(runs[-1][1]) * access.storage.dtype.itemsize > FAST_STEP_BYTES


def _run(access: AccessPattern) -> int:
    """Elements that lie next to each other at the end of a pattern; on chip, in one partition."""
    first = 1 if access.storage.on_chip else 0
    runs = coalesce(access.shape[first:], access.strides[first:])
    return runs[-1][0] if runs and runs[-1][1] == 1 else 1


_REPORT: ContextVar[Callable[[str, Cost], None] | None] = ContextVar("nki_cost_report", default=None)
_TRACED: ContextVar[bool] = ContextVar("nki_cost_traced", default=False)


@contextmanager
def metered(report: Callable[[str, Cost], None], *, traced: bool = False) -> Iterator[None]:
    """Have the launches of this context counted while it lasts.

    Args:
        report: gets the kernel's name and the cost of every launch that ends well.
        traced: run the body of a loop that NKI traces once only once, and count it as often as it iterates: there are
            no values to compute, and a launch gives none.
    """
    token, traced_token = _REPORT.set(report), _TRACED.set(traced)
    try:
        yield
    finally:
        _REPORT.reset(token)
        _TRACED.reset(traced_token)


def counts_only() -> bool:
    """Whether launches are there to be counted alone, see `metered`."""
    return _TRACED.get()


def current_report() -> Callable[[str, Cost], None] | None:
    """Who wants to know what a launch costs; usually nobody."""
    return _REPORT.get()
