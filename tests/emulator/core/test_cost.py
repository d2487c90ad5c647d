"""The cost model: counters of what was executed, and the roofline that is made of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import Cost, Machine, NKIError, launch, measure
from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.cost import DMA_LATENCY, Meter, metered
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as nl

if TYPE_CHECKING:
    from pathlib import Path

X = np.ones((128, 56, 56), np.float32)


@jit
def pool(x, k):
    c, h, w = x.shape
    out = nl.ndarray((c, h // k, w // k), x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(tile, x)
    sums = nl.ndarray(out.shape, nl.float32)
    windows = tile.ap([[h * w, c], [k * w, h // k], [k, w // k], [w, k], [1, k]])
    nisa.tensor_reduce(sums, nl.add, windows, axis=[3, 4])
    means = nl.ndarray(out.shape, x.dtype)
    nisa.tensor_scalar(means, sums, nl.multiply, 1 / (k * k))
    nisa.dma_copy(out, means)
    return out


def copied(x: np.ndarray, *piece: slice) -> Cost:
    """Cost of moving a piece of an image to the chip and back."""

    @jit
    def kernel(x):
        part = x[piece]
        tile = nl.ndarray(part.shape, x.dtype)
        nisa.dma_copy(tile, part)
        out = nl.ndarray(part.shape, x.dtype, buffer=nl.shared_hbm)
        nisa.dma_copy(out, tile)
        return out

    return measure(kernel, x)


def test_bytes_transfers_and_descriptors_are_counted() -> None:
    cost = measure(pool, X, 2)
    assert (cost.dma_bytes_in, cost.dma_bytes_out) == (X.nbytes, X.nbytes // 4)
    assert (cost.dma_transfers, cost.dma_descriptors) == (2, 256)


def test_a_strided_piece_takes_a_descriptor_per_run() -> None:
    cost = copied(X, *np.s_[0:16, 0:10, 0:56:2])
    elements = 16 * 10 * 28
    assert (cost.dma_bytes_in, cost.dma_bytes_out) == (4 * elements, 4 * elements)
    assert cost.dma_descriptors == elements + 16
    assert cost.dma_seconds > 20 * copied(X, *np.s_[0:16, 0:10, 0:28]).dma_seconds / 10


def test_few_partitions_use_few_dma_engines() -> None:
    wide, narrow = (measure(added, np.ones(shape, np.float32), True) for shape in ((128, 784), (2, 50176)))
    assert wide.dma_bytes_in == narrow.dma_bytes_in
    assert narrow.dma_seconds == pytest.approx(16 * wide.dma_seconds)


@pytest.mark.parametrize(("generation", "cycles"), [("gen2", 3136 + 784), ("gen3", 3136 + 784 / 2)])
def test_cycles_of_a_pool(generation: str, cycles: float) -> None:
    cost = measure(pool, X, 2, machine=Machine(generation))
    assert cost.cycles["vector"] == cycles
    assert cost.instructions == {"tensor": 0, "vector": 2, "scalar": 0, "gpsimd": 0}


def test_an_instruction_takes_sixty_four_cycles_at_least() -> None:
    assert measure(pool, X[:, :4, :4], 2).cycles["vector"] == 2 * 64


@jit
def added(x, one_column):
    tile = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(tile, x)
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    if one_column:
        nisa.tensor_scalar(tile, tile, nl.add, 1.0)
    else:
        nisa.tensor_tensor(tile, tile, tile, nl.add)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize(
    ("dtype", "generation", "one_column", "cycles"),
    [
        (np.float32, "gen3", False, 2048),
        (ml_dtypes.bfloat16, "gen3", False, 1024),
        (np.float32, "gen2", True, 1024),
        (np.float32, "gen3", True, 512),
        (ml_dtypes.bfloat16, "gen3", True, 256),
    ],
)
def test_cycles_by_operands_and_dtype(dtype: Any, generation: str, one_column: bool, cycles: int) -> None:
    cost = measure(added, np.ones((128, 1024), dtype), one_column, machine=Machine(generation))
    assert cost.cycles["vector"] == cycles


def test_the_published_example_is_bound_as_worked_out() -> None:
    """128 x 56 x 56 in bf16 with windows of 2 x 2 on gen3: 2.7 us of HBM traffic, 3.3 us of reduction."""
    cost = measure(pool, X.astype(ml_dtypes.bfloat16), 2)
    assert cost.busy["hbm"] == pytest.approx(2.7e-6, rel=0.02)
    assert cost.busy["vector"] == pytest.approx(3.3e-6 + 0.4e-6, rel=0.02)
    assert cost.bound == "vector"
    assert cost.seconds == cost.busy["vector"]
    assert measure(pool, X, 2).bound == "dma"


def test_nothing_overlapping_takes_the_sum() -> None:
    cost = measure(pool, X, 2)
    assert cost.serial_seconds == pytest.approx(cost.busy["vector"] + cost.busy["dma"] + 2 * DMA_LATENCY)
    assert cost.serial_seconds > cost.seconds


def test_peaks_count_what_lives_together() -> None:
    cost = measure(pool, X, 2)
    assert cost.peak_sbuf == 4 * (3136 + 784 + 784)
    assert cost.peak_psum == 0


def test_the_peak_is_the_highest_and_not_the_last_use() -> None:
    @jit
    def kernel(x):
        for columns in (100, 300, 200):
            tile = nl.ndarray((4, columns), nl.float32)
            del tile
        out = nl.ndarray((4, 8), x.dtype, buffer=nl.shared_hbm)
        tile = nl.ndarray((4, 8), nl.float32)
        nisa.dma_copy(tile, x)
        nisa.dma_copy(out, tile)
        return out

    assert measure(kernel, np.ones((4, 8), np.float32)).peak_sbuf == 1200


def cycles(api: str, **operands: tuple[tuple[int, ...], Any]) -> dict[str, float]:
    """Cycles of one instruction by engine, of operands (shape, dtype) that are contiguous, in SBUF, the first `dst`."""
    seen: list[Cost] = []

    @jit
    def kernel(x):
        launch = current_launch("test")
        meter = Meter(launch.generation)
        made = {role: AccessPattern.whole(launch.allocate(*operand, Buffer.SBUF)) for role, operand in operands.items()}
        for role, access in made.items():
            meter.operand(access, role, api)
        meter.wrote(made["dst"])
        seen.append(meter.cost(launch.ledger.peak))
        nisa.dma_copy(x, nl.zeros(x.shape, x.dtype))

    launch(kernel, np.ones((4, 8), np.float32))
    return {engine: count for engine, count in seen[0].cycles.items() if count}


@pytest.mark.parametrize(
    ("api", "operands", "expected"),
    [
        ("nc_matmul", {"dst": ((8, 512), "bfloat16"), "moving": ((8, 512), "bfloat16")}, {"tensor": 512}),
        ("nc_matmul", {"dst": ((8, 512), "float32"), "moving": ((8, 512), "float32")}, {"tensor": 2048}),
        ("iota", {"dst": ((8, 512), "int32")}, {"gpsimd": 150 + 512}),
        ("activation", {"dst": ((8, 512), "float32"), "data": ((8, 512), "float32")}, {"scalar": 512}),
        ("nl.exp", {"dst": ((8, 512), "float32"), "data": ((8, 512), "float32")}, {"scalar": 512}),
        ("memset", {"dst": ((8, 512), "float32")}, {"vector": 512}),
        ("memset", {"dst": ((8, 512), "float16")}, {"vector": 256}),
        ("reciprocal", {"dst": ((8, 512), "float32"), "data": ((8, 512), "float32")}, {"vector": 8 * 512}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cycles_by_instruction(api: str, operands: dict[str, Any], expected: dict[str, float]) -> None:
    assert cycles(api, **operands) == expected


@pytest.mark.parametrize(("step", "factor"), [(4, 1), (5, 2)])
def test_steps_of_more_than_sixteen_bytes_take_twice_as_long(step: int, factor: int) -> None:
    @jit
    def kernel(x):
        tile = nl.zeros((8, 5000), nl.float32)
        part = tile.ap([[5000, 8], [step, 1000]])
        nisa.tensor_copy(nl.ndarray((8, 1000), nl.float32), part)
        nisa.dma_copy(x, tile[:4, :8])

    assert measure(kernel, np.ones((4, 8), np.float32)).cycles["vector"] == 5000 + factor * 1000 / 2


def test_a_launch_that_is_not_measured_counts_nothing() -> None:
    seen: list[Cost] = []
    with metered(lambda name, cost: seen.append(cost)):
        launch(pool, X, 2)
    launch(pool, X, 2)
    assert len(seen) == 1
    with pytest.raises(NKIError), metered(lambda name, cost: seen.append(cost)):
        launch(pool, np.ones((129, 2, 2), np.float32), 2)
    assert len(seen) == 1


def test_the_table_names_every_resource_and_the_bound() -> None:
    table = measure(pool, X, 2).table("pool")
    assert table.splitlines()[0] == "pool on gen3 (modelled, not measured)"
    bound = [line for line in table.splitlines() if line.endswith("<- bound")]
    assert len(bound) == 1
    assert bound[0].split()[0] == "dma"
    assert "1605632 B in, 401408 B out" in table


SCRIPT = """
import numpy as np
import nki, nki.isa as nisa, nki.language as nl

@nki.jit
def copied(x):
    tile = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(tile, x)
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(out, tile)
    return out

print(copied(np.ones((4, 8), np.float32)).sum())
"""


@pytest.mark.parametrize("flags", [["--cost"], []], ids=["asked", "not asked"])
def test_a_script_prints_the_cost_of_its_launches_when_asked(tmp_path: Path, flags: list[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = [sys.executable, "-m", "pytest_nki_pool.emulator", *flags, str(script)]
    shown = subprocess.run(run, capture_output=True, text=True, check=True)
    assert shown.stdout == "32.0\n"
    assert ("copied on gen3 (modelled, not measured)" in shown.stderr) == bool(flags)
    assert ("128 B in, 128 B out" in shown.stderr) == bool(flags)
