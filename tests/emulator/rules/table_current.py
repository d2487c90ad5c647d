"""The current dialect: messages of the simulator, and what fails on a chip only, see test_rules.py."""

from __future__ import annotations

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")


def tile(*shape, dtype="float32", buffer=None):
    return nl.zeros(shape, dtype, buffer=buffer)


def undefined(*shape, dtype="float32", buffer=None):
    return nl.ndarray(shape, dtype, buffer=buffer)


def at(start, count, buffer=None):
    """A compute instruction on some partitions from a start."""
    return lambda x: nisa.tensor_copy(tile(128, 4)[0:count], tile(128, 4, buffer=buffer)[start : start + count])


def stored(*tiles):
    """Move tiles to HBM, where undefined elements are found."""
    for source in tiles:
        nisa.dma_copy(nl.ndarray(source.shape, source.dtype, nl.hbm), source)


def partly():
    source = undefined(4, 6)
    nisa.memset(source[:, 0:3], 1.0)
    return source


def summed(source):
    result = undefined(4, 1)
    nisa.tensor_reduce(result, nl.add, source, 1)
    return result


def rounded(values, dtype):
    out = nl.ndarray(values.shape, dtype, nl.hbm)
    nl.store(out, values)
    return nl.load(out)


def leak(keep):
    """Keep a tile beyond its launch and use it in the next."""

    def body(x):
        if not keep:
            keep.append(tile(4, 4))
        stored(keep[0])

    return body


_EMPTY_SLICE = "the slice is empty; every access has at least one element"

DIALECT = "current"

RULES = [
    (
        "dma_copy counts",
        lambda x: nisa.dma_copy(tile(4, 6), tile(2, 12)),
        lambda x: nisa.dma_copy(tile(4, 6), tile(2, 11)),
        "dma_copy requires src and dst to have the same number of elements, got src=",
    ),
    (
        "partitions of a tile",
        lambda x: tile(128, 4),
        lambda x: tile(129, 4),
        "exceeds architecture limitation of 128",
        "err_num_partition_exceed_arch_limit",
    ),
    (
        "ap partition stride",
        lambda x: tile(4, 64).ap([[64, 4], [1, 8]]),
        lambda x: tile(4, 60).ap([[64, 4], [1, 8]]),
        "ap() pattern has invalid partition stride. Partition step 64 must equal tensor free dimension",
    ),
    (
        "index in bounds",
        lambda x: tile(4, 3)[:, 2],
        lambda x: tile(4, 3)[:, 3],
        "Out-of-bound access for tensor `unnamed` on dimension 1: index 3 exceed dimension size of 3",
        "err_tensor_access_out_of_bound",
    ),
    (
        "slice in bounds",
        lambda x: tile(4, 12)[:, 11:12],
        lambda x: tile(4, 12)[:, 12:13],
        "on dimension 1: index range [12, 12] exceed dimension size of 12",
        "err_tensor_access_out_of_bound",
    ),
    (
        "range in bounds",
        lambda x: tile(4, 12)[:, 8:12],
        lambda x: tile(4, 12)[:, 8:13],
        "Out-of-bound access for tensor `unnamed` on dimension 1: index range [8, 12] exceed dimension size of 12",
        "err_tensor_access_out_of_bound",
    ),
    (
        "two dimensions on chip",
        lambda x: undefined(4, 1),
        lambda x: undefined(4),
        "SBUF and PSUM tensors must have at least 2 dimensions (partition-dim and free-dim)",
    ),
    (
        "reshape keeps the partitions",
        lambda x: tile(1, 6).reshape((1, 2, 3)),
        lambda x: tile(1, 6).reshape((3, 2)),
        "Partition dim size must be preserved, got 1 -> 3",
    ),
    (
        "assignment of one shape",
        lambda x: tile(4, 6).__setitem__(..., tile(4, 6)),
        lambda x: tile(4, 6).__setitem__(..., tile(4, 1)),
        "shape mismatch: value array of shape [4, 1] could not be broadcast",
    ),
    (
        "tensor_copy on chip",
        lambda x: nisa.tensor_copy(tile(4, 4), tile(4, 4)),
        lambda x: nisa.tensor_copy(tile(4, 4, buffer=nl.shared_hbm), tile(4, 4)),
        "tensor_copy dst must be in ['sbuf', 'psum'], got shared_hbm",
        "err_unsupported_memory",
    ),
    ("start of 1 partition", at(32, 1), at(1, 1), "Invalid access of 1 partitions starting at partition 1"),
    ("start of 32 partitions", at(96, 32), at(16, 32), "starting at partition 16"),
    ("start of 33 partitions", at(64, 33), at(32, 33), "starting at partition 32"),
    ("start of 64 partitions", at(64, 64), at(32, 64), "a multiple of 64"),
    ("start of 65 partitions", at(0, 65), at(32, 65), "a multiple of 128"),
    ("start in psum", at(32, 1, "psum"), at(2, 1, "psum"), "starting at partition 2"),
    (
        "start of a DMA",
        lambda x: nisa.dma_copy(tile(128, 4)[1], tile(128, 4)[7]),
        lambda x: nisa.memset(tile(128, 4)[1], 0.0),
        "memset dst: Invalid access of 1 partitions starting at partition 1",
    ),
    (
        "destination of the source's size",
        lambda x: nisa.tensor_reduce(tile(4, 1), nl.add, tile(4, 9), 1),
        lambda x: nisa.tensor_reduce(tile(4, 9), nl.add, tile(4, 9), 1),
        "does not hold what is left of 'data'",
    ),
    (
        "elementwise destination",
        lambda x: nisa.tensor_scalar(tile(4, 1), tile(4, 1), nl.add, 1.0),
        lambda x: nisa.tensor_scalar(tile(4, 9), tile(4, 1), nl.add, 1.0),
        "differ in partitions or free elements",
    ),
    (
        "division",
        lambda x: nl.multiply(tile(4, 4), nl.reciprocal(tile(4, 4))),
        lambda x: nl.divide(tile(4, 4), tile(4, 4)),
        "divide is not an operation of the engines",
    ),
    (
        "division as an operation",
        lambda x: nisa.tensor_scalar(tile(4, 4), tile(4, 4), nl.multiply, 0.25),
        lambda x: nisa.tensor_scalar(tile(4, 4), tile(4, 4), nl.divide, 4.0),
        "divide is not an operation of the engines",
    ),
    (
        "broadcast of a column",
        lambda x: nisa.tensor_scalar(tile(4, 6), tile(4, 6), nl.add, tile(4, 1)),
        lambda x: nisa.tensor_tensor(tile(4, 6), tile(4, 6), tile(4, 1), nl.add),
        "tiles do not broadcast",
    ),
    (
        "store of a tile in sbuf",
        lambda x: nl.store(x[0:4], tile(4, 4)),
        lambda x: nl.store(x[0:4], tile(4, 4, buffer=nl.psum)),
        "store value must be in ['sbuf'], got psum",
        "err_unsupported_memory",
    ),
    (
        "undefined elements stay on chip",
        lambda x: stored(summed(partly()[:, 0:3])),
        lambda x: stored(summed(partly())),
        "are undefined (never written…) and would reach",
    ),
    (
        "undefined elements may be computed with",
        lambda x: stored(nl.exp(partly())[:, 0:3]),
        lambda x: stored(nl.exp(partly())),
        "first at [0, 3],",
    ),
    ("size 0", lambda x: undefined(4, 1), lambda x: undefined(4, 0), "has a dimension of size 0"),
    ("empty slice", lambda x: x[3:4], lambda x: x[3:3], _EMPTY_SLICE),
    ("backward slice", lambda x: x[3:4], lambda x: x[4:3], _EMPTY_SLICE),
    ("empty ds", lambda x: x[nl.ds(0, 1)], lambda x: x[nl.ds(0, 0)], "every access has at least one element"),
    ("ap count 0", lambda x: x.ap([[1, 1]]), lambda x: x.ap([[1, 0]]), "a count is 1 to 65535"),
    (
        "ap across partitions",
        lambda x: tile(4, 8).ap([[8, 3], [1, 8]], 8),
        lambda x: tile(4, 8).ap([[8, 3], [1, 8]], 4),
        "a partition reaches its own memory only",
    ),
    (
        "partition step on chip",
        lambda x: nl.load(x[0:8:2]),
        lambda x: nl.copy(tile(8, 4)[0:8:2]),
        "the leading dimension of an on-chip access is the partition dimension with step 1",
        "err_leading_dimension_of_tensor_must_be_partition",
    ),
    (
        "four free dimensions",
        lambda x: nl.sum(tile(2, 2, 2, 2, 2), axis=[3, 4]),
        lambda x: nl.sum(tile(2, 3, 3, 3, 3, 3)[:, ::2, ::2, ::2, ::2, ::2], axis=[4, 5]),
        "has 5 free dimensions; an instruction takes up to 4",
    ),
    (
        "step where it is taken",
        lambda x: nl.copy(tile(1, 40000).ap([[40000, 1], [39999, 1]])),
        lambda x: nl.copy(tile(1, 40000).ap([[40000, 1], [39999, 2]])),
        "has a step of 39999 elements",
    ),
    (
        "sbuf is freed with the last reference",
        lambda x: [undefined(128, 40000).shape for _ in "ab"],
        lambda x: [undefined(128, 40000) for _ in "ab"],
        "out of sbuf",
    ),
    (
        "dma from sbuf",
        lambda x: nisa.dma_copy(tile(4, 4), tile(4, 4)),
        lambda x: nisa.dma_copy(tile(4, 4), tile(4, 4, buffer=nl.psum)),
        "dma_copy src must be in ['hbm', 'private_hbm', 'shared_hbm', 'sbuf'], got psum",
        "err_unsupported_memory",
    ),
    (
        "enum members",
        lambda x: nisa.tensor_copy(tile(4, 4), tile(4, 4), engine=nisa.engine.vector),
        lambda x: nisa.tensor_copy(tile(4, 4), tile(4, 4), engine=5),
        "engine must be a member of nisa.engine, got 5",
    ),
]
