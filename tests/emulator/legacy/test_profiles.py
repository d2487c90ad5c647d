"""What the releases of the SDK from 2.20 to 2.26 admit; every rule once taken and once refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, UnsupportedByEmulator, launch
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.creation import BlockDimensionWarning

X = np.arange(32, dtype=np.float32).reshape(4, 8)
SDKS = ("2.20", "2.21", "2.22", "2.23", "2.24", "2.25", "2.26")


def positional(x: Any, out: Any) -> None:
    i, j = nl.arange(4)[:, None], nl.arange(8)[None, :]
    tile = nl.load(x[i, j], i < 4, nl.float32)
    ones = nl.full((4, 8), 1.0, nl.float32, nl.sbuf)
    total = nl.sum(nl.add(tile, ones, nl.bfloat16, i < 4), 1, nl.float32, None, True)
    nl.store(out, nl.maximum(nisa.tensor_reduce(np.max, tile, 1, None, nl.float32, False, True), total), None)


def test_dtype_mask_and_buffer_are_positional_in_2_20_alone() -> None:
    out = np.zeros((4, 1), np.float32)
    launch(positional, X, out, machine=Machine(sdk="2.20"))
    assert np.array_equal(out, (X + 1).sum(1, keepdims=True))
    for sdk in (*SDKS[1:], None):
        with pytest.raises(NKIError, match=r"nl\.load\(src, \*, mask=None, dtype=None\) takes 1 positional argument"):
            launch(positional, X, out, machine=Machine(sdk=sdk))


def test_too_many_arguments_stay_too_many_in_2_20() -> None:
    def kernel(x: Any, out: Any) -> None:
        nl.store(out, nl.load(x, None, None, 1))  # type: ignore[call-arg, misc]

    with pytest.raises(NKIError, match=r"nl\.load.* takes 1 positional argument but 4 were given"):
        launch(kernel, X, np.zeros_like(X), machine=Machine(sdk="2.20"))


def returning(body: Any) -> Any:
    def kernel(x: Any) -> Any:
        out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, body(x))
        return out

    return kernel


def writing(body: Any) -> Any:
    def kernel(x: Any, out: Any) -> None:
        nl.store(out, body(x))

    return kernel


def run(body: Any, sdk: str) -> np.ndarray:
    """Launch in the form that the release has."""
    if sdk != "2.20":
        return launch(returning(body), X, machine=Machine(sdk=sdk))  # type: ignore[return-value]
    out = np.zeros_like(X)
    launch(writing(body), X, out, machine=Machine(sdk=sdk))
    return out


def dma_positional(x: Any) -> Any:
    tile = nl.ndarray((4, 8), nl.float32)
    nisa.dma_copy(tile, x)  # type: ignore[misc]
    return tile


def dma(**options: Any) -> Any:
    def body(x: Any) -> Any:
        tile = nl.ndarray((4, 8), nl.float32)
        nisa.dma_copy(dst=tile, src=x, **options)
        return tile

    return body


def predicated(x: Any) -> Any:
    tile = nl.load(x)
    nisa.tensor_copy_predicated(src=tile, dst=tile, predicate=nl.copy(tile, dtype=nl.uint8))
    return tile


def activation_sums(x: Any) -> Any:
    return nisa.activation(np.copy, nl.load(x), reduce_op=np.add, reduce_cmd=nisa.reduce_cmd.reset_reduce)


def activation_and_sums(x: Any) -> Any:
    sums = nl.ndarray((4, 1), nl.float32)
    return nisa.activation_reduce(np.copy, nl.load(x), reduce_op=np.add, reduce_res=sums)


def selected(x: Any) -> Any:
    tile = nl.load(x)
    nisa.select_reduce(dst=tile, predicate=nl.full((4, 8), 1, nl.uint8), on_true=nl.copy(tile), on_false=0.0)
    return tile


#: What is used -> a body that gives its input back, and the first release that takes it.
SINCE = {
    "nl.ds": (lambda x: nl.load(x[nl.ds(0, 4)]), "2.21"),
    "nisa.tensor_copy": (lambda x: nisa.tensor_copy(nl.load(x)), "2.21"),
    "nisa.dma_copy": (dma(), "2.21"),
    "nisa.activation_reduce": (activation_and_sums, "2.21"),
    "nisa.get_nc_version": (lambda x: nisa.get_nc_version() and nl.load(x), "2.21"),
    "nl.mod": (lambda x: nl.mod(nl.load(x), 64.0), "2.22"),
    "nl.fmod": (lambda x: nl.fmod(nl.load(x), 64.0), "2.22"),
    "nl.reciprocal": (lambda x: nl.minimum(nl.reciprocal(nl.load(x)), 0.0) + nl.load(x), "2.22"),
    "nl.broadcast_to": (lambda x: nl.broadcast_to(nl.load(x), shape=(4, 8)), "2.22"),
    "nl.empty_like": (lambda x: nl.empty_like(nl.load(x)) is not None and nl.load(x), "2.22"),
    "nisa.tensor_copy_predicated": (predicated, "2.22"),
    "nisa.activation(reduce_op=…)": (activation_sums, "2.22"),
    "nisa.dma_copy(mask=…)": (dma(mask=True), "2.23"),
    "nisa.dma_copy(oob_mode=…)": (dma(oob_mode=nisa.oob_mode.skip), "2.23"),
    "nisa.dma_copy(dge_mode=…)": (dma(dge_mode=nisa.dge_mode.swdge), "2.23"),
    "nisa.dma_copy(dst_rmw_op=…)": (dma(dst_rmw_op=None), "2.23"),
    "nisa.select_reduce": (selected, "2.26"),
}


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize(("name", "body", "since"), [(name, *row) for name, row in SINCE.items()], ids=SINCE)
def test_a_release_has_what_came_with_it_or_before(name: str, body: Any, since: str, sdk: str) -> None:
    if SDKS.index(sdk) >= SDKS.index(since):
        assert np.array_equal(run(body, sdk), X)
        return
    with pytest.raises(NKIError) as caught:
        run(body, sdk)
    function = name.partition("(")[0]
    assert function in str(caught.value)
    assert f"on, and this launch follows {sdk}" in str(caught.value)


def test_dma_copy_is_positional_in_2_21_alone() -> None:
    assert np.array_equal(run(dma_positional, "2.21"), X)
    for sdk in SDKS[2:]:
        with pytest.raises(NKIError, match=r"nisa\.dma_copy\(\*, dst, src.* takes 0 positional arguments"):
            run(dma_positional, sdk)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_store_reads_psum_from_2_25_on(sdk: str) -> None:
    def body(x: Any) -> Any:
        tile = nl.zeros((4, 8), nl.float32, buffer=nl.psum)
        tile[...] = nl.load(x)
        return tile

    if sdk in ("2.25", "2.26"):
        assert np.array_equal(run(body, sdk), X)
        return
    with pytest.raises(NKIError, match="Expected operand 'value' of 'store' to be in address space 'sbuf'"):
        run(body, sdk)


@pytest.mark.parametrize("sdk", SDKS)
def test_kernels_return_from_2_21_on_and_write_parameters_until_2_23(sdk: str) -> None:
    machine, out = Machine(sdk=sdk), np.zeros_like(X)
    if sdk == "2.20":
        with pytest.raises(NKIError, match=r"kernels return tensors from Neuron SDK 2\.21 on"):
            launch(returning(nl.load), X, machine=machine)
    else:
        assert np.array_equal(launch(returning(nl.load), X, machine=machine), X)
    if sdk in ("2.24", "2.25", "2.26"):
        with pytest.raises(NKIError, match=r"output parameters went with 2\.24"):
            launch(writing(nl.load), X, out, machine=machine)
    else:
        launch(writing(nl.load), X, out, machine=machine)
        assert np.array_equal(out, X)


@pytest.mark.parametrize("sdk", SDKS[1:])
@pytest.mark.parametrize("options", [[8], {"columns": 8}], ids=["list", "dict"])
def test_lists_and_dicts_are_arguments_from_2_25_on(options: Any, sdk: str) -> None:
    def kernel(x: Any, options: Any) -> Any:
        return returning(nl.load)(x)

    if sdk in ("2.25", "2.26"):
        assert np.array_equal(launch(kernel, X, options, machine=Machine(sdk=sdk)), X)
        return
    with pytest.raises(NKIError, match=r"kernels take lists and dicts from Neuron SDK 2\.25 on"):
        launch(kernel, X, options, machine=Machine(sdk=sdk))


def blocked(x: Any) -> Any:
    out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
    for _ in nl.affine_range(3):
        tiles = nl.ndarray((2, nl.par_dim(4), 8), nl.float32, buffer=nl.sbuf)
        tiles[1] = nl.load(x)
    last = nl.load(x)
    nl.store(out, last)
    return out


@pytest.mark.parametrize(
    ("sdk", "warns"), [("2.21", False), ("2.22", False), ("2.23", True), ("2.24", True), (None, True)]
)
def test_block_dimensions_are_silent_then_warned_of_once_per_line(sdk: str | None, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        launch(blocked, X, machine=Machine(sdk=sdk))
    assert [w.category for w in caught] == [BlockDimensionWarning] * warns


@pytest.mark.parametrize("sdk", ["2.25", "2.26"])
def test_block_dimensions_are_refused_from_2_25_on(sdk: str) -> None:
    with pytest.raises(NKIError, match=rf"1 block dimensions before its partition dimension, which SDK {sdk} refuses"):
        launch(blocked, X, machine=Machine(sdk=sdk))


def test_a_release_without_a_profile_is_named() -> None:
    with pytest.raises(UnsupportedByEmulator, match=r"SDK 2\.19 of the legacy dialect.*2\.25, 2\.26, 2\.24"):
        launch(blocked, X, machine=Machine(sdk="2.19"))
