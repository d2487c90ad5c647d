"""Rules of the hardware and of the launch: every row is accepted once and refused once.

A body takes `tile`, which makes an on-chip tensor, and `x` [128, 12, 10] fp32 in HBM, and works on access patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, launch
from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.access import AccessPattern, Span, basic_selection
from pytest_nki_pool.emulator.core.matmul import matmul
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.legacy import language as nl

X = np.random.default_rng(0).integers(-9, 9, (128, 12, 10)).astype(np.float32)
Body = Callable[[Any, AccessPattern], object]
SBUF, PSUM = Buffer.SBUF, Buffer.PSUM


@dataclass(frozen=True)
class Rule:
    accepted: Body
    refused: Body
    says: str
    rule: str = ""
    accepted_on: str = "gen3"
    refused_on: str = "gen3"


def tile(shape: tuple[int, ...], dtype: Any = np.float32, buffer: Buffer = SBUF, *, filled: bool = True) -> Any:
    made = nl.ndarray(shape, dtype, buffer=buffer, name="t").access
    if filled:
        engine.fill(made, 1)
    return made


def piece(access: AccessPattern, *spans: Span) -> AccessPattern:
    return access.take(spans)


def on(start: int, count: int, operation: Callable[..., object]) -> Body:
    return lambda t, x: operation(piece(t((128, 8)), Span(start, count)))


def memset(dst: AccessPattern) -> None:
    engine.memset(dst, 0)


def copy_from(src: AccessPattern) -> None:
    engine.copy(tile((src.shape[0], 8)), src)


def load_into(dst: AccessPattern) -> None:
    engine.dma(dst, tile((dst.shape[0], 8)))


def held(t: Any, sizes: list[int], buffer: Buffer) -> object:
    return [t((1, size), np.uint8, buffer, filled=False) for size in sizes]


def pattern(t: Any, elements: int, *pairs: tuple[int, int]) -> AccessPattern:
    """A free pattern of (stride, count) pairs over one partition of int8."""
    whole = t((1, elements), np.int8)
    return AccessPattern(
        whole.storage, 0, (1, *(count for _, count in pairs)), (elements, *(stride for stride, _ in pairs))
    )


def read_pattern(t: Any, elements: int, *pairs: tuple[int, int]) -> None:
    source = pattern(t, elements, *pairs)
    engine.reduce(t((1, 1)), "add", source, list(range(1, len(source.shape))))


def product(t: Any, columns: int, first: int, count: int) -> None:
    """Multiply into columns of a PSUM tile."""
    dst = piece(t((8, columns), np.float32, PSUM, filled=False), Span(0, 8), Span(first, count))
    matmul(dst, t((4, 8)), t((4, count)))


KIB = 1024
QUADRANT = "Invalid access of"
RULES = {
    "over 64 partitions start at 0": Rule(on(0, 65, memset), on(32, 65, memset), QUADRANT),
    "33 to 64 partitions start at 0 or 64": Rule(on(64, 33, memset), on(32, 33, memset), QUADRANT),
    "up to 32 partitions start at a quadrant": Rule(on(96, 32, memset), on(16, 32, memset), QUADRANT),
    "one partition starts at a quadrant": Rule(on(32, 1, memset), on(1, 1, memset), QUADRANT),
    "a source starts at a quadrant too": Rule(on(64, 8, copy_from), on(65, 8, copy_from), QUADRANT),
    "DMA starts anywhere": Rule(on(17, 5, load_into), on(17, 5, memset), QUADRANT),
    "SBUF of gen2": Rule(
        lambda t, x: held(t, [96 * KIB, 96 * KIB], SBUF),
        lambda t, x: held(t, [96 * KIB, 96 * KIB, 1], SBUF),
        "out of sbuf: tensor `t` .* needs 1 bytes per partition, 0 of 196608 are free; held by tensor `t`",
        accepted_on="gen2",
        refused_on="gen2",
    ),
    "SBUF of gen3": Rule(
        lambda t, x: held(t, [224 * KIB], SBUF), lambda t, x: held(t, [224 * KIB + 1], SBUF), "out of sbuf"
    ),
    "SBUF grows with the generation": Rule(
        lambda t, x: held(t, [256 * KIB], SBUF),
        lambda t, x: held(t, [256 * KIB], SBUF),
        "out of sbuf",
        accepted_on="gen4",
    ),
    "PSUM has eight banks": Rule(
        lambda t, x: held(t, [4] * 8, PSUM),
        lambda t, x: held(t, [4] * 9, PSUM),
        "out of psum: .* needs 2048 bytes per partition, 0 of 16384 are free in banks of 2048",
    ),
    "a PSUM tile takes whole banks": Rule(
        lambda t, x: held(t, [2048] * 6 + [2049], PSUM), lambda t, x: held(t, [2048] * 7 + [2049], PSUM), "out of psum"
    ),
    "a matrix product stays in one PSUM bank": Rule(
        lambda t, x: product(t, 1024, 512, 512),
        lambda t, x: product(t, 1024, 511, 2),
        r"elements \[511, 512\] of each partition of tensor `t` .* lie in more than 1 PSUM banks of 512 elements",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    "a matrix product of gen4 reaches into the next PSUM bank": Rule(
        lambda t, x: product(t, 2048, 512, 1024),
        lambda t, x: product(t, 2048, 511, 514),
        r"elements \[511, 1024\] of each partition of tensor `t` .* lie in more than 2 PSUM banks of 512 elements",
        "err_size_of_dimension_exceed_arch_limit",
        accepted_on="gen4",
        refused_on="gen4",
    ),
    "free elements of SBUF": Rule(
        lambda t, x: read_pattern(t, 65536, (256, 256), (1, 256)),
        lambda t, x: read_pattern(t, 65537 + 255, (256, 257), (1, 256)),
        "has 65792 elements per partition; an instruction takes up to 65536 of sbuf",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    "free elements of PSUM": Rule(
        lambda t, x: engine.memset(t((1, 4096), np.float32, PSUM, filled=False), 0),
        lambda t, x: engine.memset(t((1, 2, 2049), np.int16, PSUM, filled=False), 0),
        "has 4098 elements per partition; an instruction takes up to 4096 of psum",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    "count of a free dimension": Rule(
        lambda t, x: read_pattern(t, 131070, (2, 65535)),
        lambda t, x: read_pattern(t, 131072, (2, 65536)),
        "a free dimension of 65536 elements; an instruction takes up to 65535",
    ),
    "step of a free dimension": Rule(
        lambda t, x: read_pattern(t, 40000, (32767, 2), (2, 3)),
        lambda t, x: read_pattern(t, 40000, (32768, 2), (2, 3)),
        "a step of 32768 elements; an instruction takes up to 32767",
    ),
    "a step that is never taken has no limit": Rule(
        lambda t, x: read_pattern(t, 40000, (39000, 1), (2, 3)),
        lambda t, x: read_pattern(t, 40000, (39000, 2), (2, 3)),
        "a step of 39000 elements",
    ),
    "free dimensions": Rule(
        lambda t, x: read_pattern(t, 600, (300, 2), (100, 2), (30, 2), (2, 2)),
        lambda t, x: read_pattern(t, 600, (300, 2), (100, 2), (30, 2), (9, 2), (2, 2)),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    "dtypes of gen2": Rule(
        lambda t, x: t((1, 4), "float8_e5m2"),
        lambda t, x: t((1, 4), "float8_e5m2"),
        "dtype float8_e5m2 does not exist on gen2",
        refused_on="gen2",
    ),
    "dtypes of gen3": Rule(
        lambda t, x: t((1, 4), "float8_e4m3fn"),
        lambda t, x: t((1, 4), "float8_e4m3fn"),
        "dtype float8_e4m3fn does not exist on gen3",
        accepted_on="gen4",
    ),
    "partitions of a tile": Rule(
        lambda t, x: t((128, 1)),
        lambda t, x: t((129, 1)),
        "Size of partition dimension 129 exceeds architecture limitation of 128",
        "err_num_partition_exceed_arch_limit",
    ),
    "rank of a tile": Rule(lambda t, x: t((8, 1)), lambda t, x: t((8,)), "Insufficient rank"),
    "sizes of a tile": Rule(lambda t, x: t((8, 1)), lambda t, x: t((8, 0)), "has a dimension of size 0"),
    "partitions of an access are consecutive": Rule(
        lambda t, x: engine.copy(t((4, 8)), piece(t((8, 8)), Span(0, 4))),
        lambda t, x: engine.copy(t((4, 8)), piece(t((8, 8)), Span(0, 4, 2))),
        "the leading dimension of an on-chip access is the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    "partitions of an access come first": Rule(
        lambda t, x: engine.copy(t((8, 8)), t((8, 8))),
        lambda t, x: engine.copy(t((8, 8)), t((8, 8)).permute((1, 0))),
        "the leading dimension of an on-chip access is the partition dimension",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    "HBM has any step": Rule(
        lambda t, x: engine.dma(t((4, 120)), piece(x, Span(0, 4, 30)).reshape((4, 120))),
        lambda t, x: engine.copy(t((4, 120)), piece(t((128, 120)), Span(0, 4, 30))),
        "with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    "a partition reaches its own memory": Rule(
        lambda t, x: engine.copy(t((2, 8)), AccessPattern(t((2, 16)).storage, 8, (2, 8), (16, 1))),
        lambda t, x: engine.copy(t((2, 8)), AccessPattern(t((4, 16)).storage, 9, (2, 8), (16, 1))),
        r"spans elements \[9, 16\] of a partition of 16",
    ),
    "compute reads the chip": Rule(
        lambda t, x: engine.copy(t((128, 120)), t((128, 120))),
        lambda t, x: engine.copy(t((128, 120)), x.reshape((128, 120))),
        "Expected operand 'src' of 'tensor_copy' to be in address space 'psum|sbuf'",
        "err_unsupported_memory",
    ),
    "DMA does not reach PSUM": Rule(
        lambda t, x: engine.dma(t((128, 120)), x),
        lambda t, x: engine.dma(t((128, 120), np.float32, PSUM), x),
        "Expected operand 'dst' of 'dma_copy'",
        "err_unsupported_memory",
    ),
    "DMA moves as many elements": Rule(
        lambda t, x: engine.dma(t((120, 128)), x),
        lambda t, x: engine.dma(t((128, 121)), x),
        "dma_copy requires src and dst to have the same number of elements",
    ),
    "a copy's destination is no larger": Rule(
        lambda t, x: engine.copy(t((4, 9)), t((4, 3, 3))),
        lambda t, x: engine.copy(t((4, 9)), t((4, 1))),
        "differ in partitions or free elements",
    ),
    "a reduction's destination is no larger": Rule(
        lambda t, x: engine.reduce(t((4, 3)), "add", t((4, 3, 5)), [2]),
        lambda t, x: engine.reduce(t((4, 4)), "add", t((4, 3, 5)), [2]),
        "does not hold what is left",
    ),
    "a reduction leaves the partitions": Rule(
        lambda t, x: engine.reduce(t((4, 1)), "add", t((4, 3)), [1]),
        lambda t, x: engine.reduce(t((1, 3)), "add", t((4, 3)), [0]),
        "axis 0 is the partition dimension",
    ),
    "undefined elements stay off HBM": Rule(
        lambda t, x: engine.copy(t((128, 120)), t((128, 120), filled=False)),
        lambda t, x: engine.dma(nl.ndarray((4, 4), np.float32, buffer=nl.private_hbm).access, t((4, 4), filled=False)),
        "all 16 elements of tensor `t` .* are undefined",
    ),
    "an input is not written": Rule(
        lambda t, x: engine.dma(t((128, 120)), x),
        lambda t, x: engine.dma(x, t((128, 120))),
        "is an input, and immutable",
        "err_cannot_update_immutable_parameter",
    ),
}


@pytest.mark.parametrize("later", [slice(0, 2, 0), [0], 1.5, slice(2, 2), slice("a", 2)], ids=str)
def test_a_subscript_that_is_malformed_is_not_reported_as_out_of_bounds(later: Any) -> None:
    with pytest.raises(NKIError) as caught:
        basic_selection((slice(0, 9), later), (4, 4), "t", negative=False)
    assert caught.value.rule == ""
    with pytest.raises(NKIError) as caught:
        basic_selection((slice(0, 9), slice(0, 2)), (4, 4), "t", negative=False)
    assert caught.value.rule == "err_tensor_access_out_of_bound"


def run(body: Body, generation: str) -> None:
    def kernel(x: Any) -> Any:
        x.access.storage.read = True
        body(tile, x.access)
        out = nl.ndarray((1, 1), np.float32, buffer=nl.shared_hbm)
        nl.store(out, 0)
        return out

    launch(kernel, X, machine=Machine(generation))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_what_the_hardware_runs_is_accepted(rule: Rule) -> None:
    run(rule.accepted, rule.accepted_on)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_what_the_hardware_refuses_is_refused(rule: Rule) -> None:
    with pytest.raises(NKIError, match=rule.says) as caught:
        run(rule.refused, rule.refused_on)
    assert caught.value.rule == rule.rule
    assert "test_rules.py:" in str(caught.value)
