"""What is called where no kernel runs, and kernels that the emulator cannot judge, see test_rules.py."""

from __future__ import annotations

from typing import Any

from pytest_nki_pool.emulator import launch
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

DIALECT = "host"


def filled(x: Any) -> Any:
    out = nl.ndarray(x.shape, nl.float32, buffer=nl.shared_hbm)
    nl.store(out, nl.load(x))
    return out


def incremented(x: Any, out: Any) -> None:
    nl.store(out, nl.load(x) + 1)


class Callable:
    def __call__(self, x: Any) -> Any:
        return filled(x)


def allocated(x: Any) -> Any:
    return nl.zeros((8, 36), nl.float32, buffer=nki.compiler.sbuf.mod_alloc(base_addr=0))


def activated_in_place(x: Any) -> Any:
    tile = nl.ndarray((8, 36), nl.float32, buffer=nki.compiler.sbuf.mod_alloc(base_addr=0))
    tile[...] = nisa.activation(nl.exp, nl.load(x))
    return tile


def transposed_in_place(x: Any) -> Any:
    tile = nl.ndarray((36, 8), nl.float32, buffer=nki.compiler.psum.mod_alloc(base_bank=0))
    tile[...] = nisa.nc_transpose(nl.load(x))
    return tile


def of_dtype(dtype: Any) -> Any:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((8, 1), dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.full((8, 1), 1, dtype))
        return out

    return kernel


def launched_twice(x: Any, *, keep: bool) -> Any:
    """Keep a tile of the first launch for the second."""
    tiles: list[Any] = []

    def kernel(x: Any) -> Any:
        tiles.append(nl.load(x))
        out = nl.ndarray(x.shape, nl.float32, buffer=nl.shared_hbm)
        nl.store(out, tiles[0] if keep else tiles[-1])
        return out

    launch(kernel, x)
    return launch(kernel, x)


def launched_twice_in_the_current_dialect(x: Any, *, keep: bool) -> Any:
    tiles: list[Any] = []

    @jit
    def kernel(x):
        tiles.append(current.load(x))
        out = current.ndarray(x.shape, x.dtype, buffer=current.shared_hbm)
        current.store(out, tiles[0] if keep else tiles[-1])
        return out

    launch(kernel, x)
    return launch(kernel, x)


RULES = [
    (
        "9.17 no tile outlives its launch",
        lambda x: launched_twice(x, keep=False),
        lambda x: launched_twice(x, keep=True),
        "was made by a launch that is over",
    ),
    (
        "9.17 no tile outlives its launch in the current dialect",
        lambda x: launched_twice_in_the_current_dialect(x, keep=False),
        lambda x: launched_twice_in_the_current_dialect(x, keep=True),
        "was made by a launch that is over",
    ),
    (
        "9.10 a launch models trn2",
        lambda x: launch(of_dtype("float8_e5m2"), x),
        lambda x: launch(of_dtype("float8_e4m3fn"), x),
        "dtype float8_e4m3fn does not exist on gen3",
    ),
    (
        "NKI runs in kernels",
        lambda x: launch(filled, x),
        lambda x: nl.ndarray((8, 6), nl.float32),
        "calling NKI API 'ndarray' outside of NKI kernels is not supported",
        "err_nki_api_outside_of_nki_kernel",
    ),
    (
        "input and output are distinct",
        lambda x: launch(incremented, x, x.copy()),
        lambda x: launch(incremented, x, x, outputs=["out"]),
        "share memory; input and output are distinct tensors",
        "err_read_modify_write_on_kernel_parameter",
    ),
    (
        "a kernel is a function",
        lambda x: launch(nki.jit(filled), x),
        lambda x: launch(Callable(), x),
        "a kernel is a Python function, got Callable",
    ),
    (
        "a decorated kernel is a function",
        lambda x: launch(nki.jit(filled), x),
        lambda x: launch(nki.jit(Callable()), x),
        "a kernel is a Python function, got Callable",
    ),
    (
        "a cast takes an array",
        lambda x: nl.static_cast([[1, 2], [3, 4]], nl.bfloat16),
        lambda x: nl.static_cast([[1, 2], [3]], nl.bfloat16),
        "nl.static_cast takes an array of numbers",
    ),
    (
        "direct allocation: err_tensor_creation_on_scratchpad_with_init_value_not_supported",
        lambda x: launch(filled, x),
        lambda x: launch(allocated, x),
        "the emulator does not support nki.compiler",
        "unsupported",
    ),
    (
        "direct allocation: err_bias_tensor_must_be_specified_in_allocation",
        lambda x: launch(filled, x),
        lambda x: launch(activated_in_place, x),
        "the emulator does not support nki.compiler",
        "unsupported",
    ),
    (
        "direct allocation: err_transpose_on_tensor_engine_not_allowed_in_allocated_kernel",
        lambda x: launch(filled, x),
        lambda x: launch(transposed_in_place, x),
        "the emulator does not support nki.compiler",
        "unsupported",
    ),
]
