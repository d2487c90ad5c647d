"""Rules of the hardware, on access patterns, see test_rules.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pytest_nki_pool.emulator.core import engine, movement
from pytest_nki_pool.emulator.core.access import AccessPattern, Span
from pytest_nki_pool.emulator.core.matmul import matmul
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.legacy import language as nl

Body = Callable[[Any, AccessPattern], object]
SBUF, PSUM = Buffer.SBUF, Buffer.PSUM


def piece(access: AccessPattern, *spans: Span) -> AccessPattern:
    return access.take(spans)


def on(start: int, count: int, operation: Callable[..., object]) -> Body:
    return lambda t, x: operation(piece(t((128, 8)), Span(start, count)))


def tile(shape: tuple[int, ...]) -> Any:
    made = nl.ndarray(shape, np.float32).access
    engine.fill(made, 1)
    return made


def memset(dst: AccessPattern) -> None:
    engine.memset(dst, 0)


def copy_from(src: AccessPattern) -> None:
    movement.copy(tile((src.shape[0], 8)), src)


def load_into(dst: AccessPattern) -> None:
    movement.dma(dst, tile((dst.shape[0], 8)))


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


def products(t: Any, *, accumulate: bool) -> None:
    """Multiply into one PSUM tile in every iteration, in whatever order they run."""
    dst = t((8, 4), np.float32, PSUM)
    for _ in nl.affine_range(3):
        matmul(dst, t((4, 8)), t((4, 4)), accumulate=accumulate)


KIB = 1024
QUADRANT = "Invalid access of"
DIALECT = "core"

RULES = [
    ("over 64 partitions start at 0", on(0, 65, memset), on(32, 65, memset), QUADRANT),
    ("33 to 64 partitions start at 0 or 64", on(64, 33, memset), on(32, 33, memset), QUADRANT),
    ("up to 32 partitions start at a quadrant", on(96, 32, memset), on(16, 32, memset), QUADRANT),
    ("one partition starts at a quadrant", on(32, 1, memset), on(1, 1, memset), QUADRANT),
    ("a source starts at a quadrant too", on(64, 8, copy_from), on(65, 8, copy_from), QUADRANT),
    ("DMA starts anywhere", on(17, 5, load_into), on(17, 5, memset), QUADRANT),
    (
        "SBUF of gen2",
        lambda t, x: held(t, [96 * KIB, 96 * KIB], SBUF),
        lambda t, x: held(t, [96 * KIB, 96 * KIB, 1], SBUF),
        "out of sbuf: tensor `t` … needs 1 bytes per partition, 0 of 196608 are free; held by tensor `t`",
        "",
        "gen2",
        "gen2",
    ),
    (
        "SBUF of gen3",
        lambda t, x: held(t, [224 * KIB], SBUF),
        lambda t, x: held(t, [224 * KIB + 1], SBUF),
        "out of sbuf",
    ),
    (
        "SBUF grows with the generation",
        lambda t, x: held(t, [256 * KIB], SBUF),
        lambda t, x: held(t, [256 * KIB], SBUF),
        "out of sbuf",
        "",
        "gen4",
    ),
    (
        "PSUM has eight banks",
        lambda t, x: held(t, [4] * 8, PSUM),
        lambda t, x: held(t, [4] * 9, PSUM),
        "out of psum: … needs 2048 bytes per partition, 0 of 16384 are free in banks of 2048",
    ),
    (
        "a PSUM tile takes whole banks",
        lambda t, x: held(t, [2048] * 6 + [2049], PSUM),
        lambda t, x: held(t, [2048] * 7 + [2049], PSUM),
        "out of psum",
    ),
    (
        "a matrix product stays in one PSUM bank",
        lambda t, x: product(t, 1024, 512, 512),
        lambda t, x: product(t, 1024, 511, 2),
        "elements [511, 512] of each partition of tensor `t` … lie in more than 1 PSUM banks of 512 elements",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    (
        "a matrix product of gen4 reaches into the next PSUM bank",
        lambda t, x: product(t, 2048, 512, 1024),
        lambda t, x: product(t, 2048, 511, 514),
        "elements [511, 1024] of each partition of tensor `t` … lie in more than 2 PSUM banks of 512 elements",
        "err_size_of_dimension_exceed_arch_limit",
        "gen4",
        "gen4",
    ),
    (
        "iterations may add products to one PSUM tile",
        lambda t, x: products(t, accumulate=True),
        lambda t, x: products(t, accumulate=False),
        "iteration 1 of affine_range(3,) writes elements",
        "err_unexpected_output_dependencies",
    ),
    (
        "free elements of SBUF",
        lambda t, x: read_pattern(t, 65536, (256, 256), (1, 256)),
        lambda t, x: read_pattern(t, 65537 + 255, (256, 257), (1, 256)),
        "has 65792 elements per partition; an instruction takes up to 65536 of sbuf",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    (
        "free elements of PSUM",
        lambda t, x: engine.memset(t((1, 4096), np.float32, PSUM, filled=False), 0),
        lambda t, x: engine.memset(t((1, 2, 2049), np.int16, PSUM, filled=False), 0),
        "has 4098 elements per partition; an instruction takes up to 4096 of psum",
        "err_size_of_dimension_exceed_arch_limit",
    ),
    (
        "count of a free dimension",
        lambda t, x: read_pattern(t, 131070, (2, 65535)),
        lambda t, x: read_pattern(t, 131072, (2, 65536)),
        "a free dimension of 65536 elements; an instruction takes up to 65535",
    ),
    (
        "step of a free dimension",
        lambda t, x: read_pattern(t, 40000, (32767, 2), (2, 3)),
        lambda t, x: read_pattern(t, 40000, (32768, 2), (2, 3)),
        "a step of 32768 elements; an instruction takes up to 32767",
    ),
    (
        "a step that is never taken has no limit",
        lambda t, x: read_pattern(t, 40000, (39000, 1), (2, 3)),
        lambda t, x: read_pattern(t, 40000, (39000, 2), (2, 3)),
        "a step of 39000 elements",
    ),
    (
        "free dimensions",
        lambda t, x: read_pattern(t, 600, (300, 2), (100, 2), (30, 2), (2, 2)),
        lambda t, x: read_pattern(t, 600, (300, 2), (100, 2), (30, 2), (9, 2), (2, 2)),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    (
        "dtypes of gen2",
        lambda t, x: t((1, 4), "float8_e5m2"),
        lambda t, x: t((1, 4), "float8_e5m2"),
        "dtype float8_e5m2 does not exist on gen2",
        "",
        "gen3",
        "gen2",
    ),
    (
        "dtypes of gen3",
        lambda t, x: t((1, 4), "float8_e4m3fn"),
        lambda t, x: t((1, 4), "float8_e4m3fn"),
        "dtype float8_e4m3fn does not exist on gen3",
        "",
        "gen4",
    ),
    (
        "partitions of a tile",
        lambda t, x: t((128, 1)),
        lambda t, x: t((129, 1)),
        "Size of partition dimension 129 exceeds architecture limitation of 128",
        "err_num_partition_exceed_arch_limit",
    ),
    ("rank of a tile", lambda t, x: t((8, 1)), lambda t, x: t((8,)), "Insufficient rank"),
    ("sizes of a tile", lambda t, x: t((8, 1)), lambda t, x: t((8, 0)), "has a dimension of size 0"),
    (
        "partitions of an access are consecutive",
        lambda t, x: movement.copy(t((4, 8)), piece(t((8, 8)), Span(0, 4))),
        lambda t, x: movement.copy(t((4, 8)), piece(t((8, 8)), Span(0, 4, 2))),
        "the leading dimension of an on-chip access is the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "partitions of an access come first",
        lambda t, x: movement.copy(t((8, 8)), t((8, 8))),
        lambda t, x: movement.copy(t((8, 8)), t((8, 8)).permute((1, 0))),
        "the leading dimension of an on-chip access is the partition dimension",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "HBM has any step",
        lambda t, x: movement.dma(t((4, 120)), piece(x, Span(0, 4, 30)).reshape((4, 120))),
        lambda t, x: movement.copy(t((4, 120)), piece(t((128, 120)), Span(0, 4, 30))),
        "with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "a partition reaches its own memory",
        lambda t, x: movement.copy(t((2, 8)), AccessPattern(t((2, 16)).storage, 8, (2, 8), (16, 1))),
        lambda t, x: movement.copy(t((2, 8)), AccessPattern(t((4, 16)).storage, 9, (2, 8), (16, 1))),
        "spans elements [9, 16] of a partition of 16",
    ),
    (
        "compute reads the chip",
        lambda t, x: movement.copy(t((128, 120)), t((128, 120))),
        lambda t, x: movement.copy(t((128, 120)), x.reshape((128, 120))),
        "Expected operand 'src' of 'tensor_copy' to be in address space 'psum|sbuf'",
        "err_unsupported_memory",
    ),
    (
        "DMA does not reach PSUM",
        lambda t, x: movement.dma(t((128, 120)), x),
        lambda t, x: movement.dma(t((128, 120), np.float32, PSUM), x),
        "Expected operand 'dst' of 'dma_copy'",
        "err_unsupported_memory",
    ),
    (
        "DMA moves as many elements",
        lambda t, x: movement.dma(t((120, 128)), x),
        lambda t, x: movement.dma(t((128, 121)), x),
        "dma_copy requires src and dst to have the same number of elements",
    ),
    (
        "a copy's destination is no larger",
        lambda t, x: movement.copy(t((4, 9)), t((4, 3, 3))),
        lambda t, x: movement.copy(t((4, 9)), t((4, 1))),
        "differ in partitions or free elements",
    ),
    (
        "a reduction's destination is no larger",
        lambda t, x: engine.reduce(t((4, 3)), "add", t((4, 3, 5)), [2]),
        lambda t, x: engine.reduce(t((4, 4)), "add", t((4, 3, 5)), [2]),
        "does not hold what is left",
    ),
    (
        "a reduction leaves the partitions",
        lambda t, x: engine.reduce(t((4, 1)), "add", t((4, 3)), [1]),
        lambda t, x: engine.reduce(t((1, 3)), "add", t((4, 3)), [0]),
        "axis 0 is the partition dimension",
    ),
    (
        "undefined elements stay off HBM",
        lambda t, x: movement.copy(t((128, 120)), t((128, 120), filled=False)),
        lambda t, x: movement.dma(
            nl.ndarray((4, 4), np.float32, buffer=nl.private_hbm).access, t((4, 4), filled=False)
        ),
        "all 16 elements of tensor `t` … are undefined",
    ),
    (
        "an input is not written",
        lambda t, x: movement.dma(t((128, 120)), x),
        lambda t, x: movement.dma(x, t((128, 120))),
        "is an input, and immutable",
        "err_cannot_update_immutable_parameter",
    ),
]
