"""What a launch demands of a kernel: outputs, parameters, loops, and what stays when the sources are silent."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, launch
from pytest_nki_pool.emulator.core import engine, movement, traffic
from pytest_nki_pool.emulator.core.access import Span
from pytest_nki_pool.emulator.core.dtypes import dtype_of, round_to
from pytest_nki_pool.emulator.core.memory import Buffer, check_shape
from pytest_nki_pool.emulator.current import isa as nisa
from pytest_nki_pool.emulator.current import jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import mutable_tensor

X = np.arange(32, dtype=np.float32).reshape(4, 8)
ORDER = "err_unexpected_output_dependencies"


def output(shape: tuple[int, ...] = (4, 8), dtype: Any = np.float32) -> Any:
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm)


def stored(value: Any, dtype: Any = None) -> Any:
    out = output(value.shape, value.dtype if dtype is None else dtype)
    nl.store(out, value)
    return out


def refused(kernel: Any, *args: Any, **options: Any) -> NKIError:
    with pytest.raises(NKIError) as caught:
        launch(kernel, *args, **options)
    return caught.value


# Outputs and parameters


@pytest.mark.parametrize("written", [True, False], ids=["written", "never written"])
def test_an_output_that_is_made_is_returned(written: bool) -> None:
    def kernel(x: Any, spare: Any) -> Any:
        other = nl.ndarray(x.shape, x.dtype, buffer=spare)
        if written:
            nl.store(other, nl.load(x))
        return stored(nl.load(x))

    launch(kernel, X, nl.private_hbm)
    error = refused(kernel, X, nl.shared_hbm)
    assert "lives in shared_hbm, and is not returned" in str(error)
    assert error.rule == "err_tensor_output_not_written_to"


def test_several_outputs_are_all_returned() -> None:
    def kernel(x: Any, count: int) -> Any:
        tile = nl.load(x)
        outputs = [stored(tile), stored(tile)]
        return tuple(outputs[:count])

    assert len(launch(kernel, X, 2)) == 2  # type: ignore[arg-type]
    assert "is not returned" in str(refused(kernel, X, 1))


@pytest.mark.parametrize("returns", ["another", "nothing"])
def test_a_mutated_parameter_is_returned(returns: str) -> None:
    def kernel(x: Any, keep: bool) -> Any:
        nl.store(x, nl.load(x) + 1)
        return x if keep else stored(nl.load(x)) if returns == "another" else None

    kernel.__annotations__ = {"x": mutable_tensor}
    x = X.copy()
    launch(kernel, x, True)
    assert np.array_equal(x, X + 1)
    assert refused(kernel, X.copy(), False).rule == "err_mutable_parameter_not_returned"


def locked(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_a_read_only_array_is_no_destination_in_the_legacy_dialect(layout: str) -> None:
    def into(x: Any, out: Any) -> None:
        nl.store(out, nl.load(x))

    out = np.zeros((4, 16), np.float32)[:, ::2] if layout == "strided" else np.zeros((4, 8), np.float32)
    launch(into, locked(X), out)
    assert np.array_equal(out, X)
    out.flags.writeable = False
    for outputs in (None, ("out",)):
        assert "read-only array" in str(refused(into, X, out, outputs=outputs))


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_a_read_only_array_is_no_destination_in_the_current_dialect(layout: str) -> None:
    @jit
    def zero(x):
        tile = current.zeros(x.shape, x.dtype)
        nisa.dma_copy(x, tile)

    x = np.ones((4, 16), np.float32)[:, ::2] if layout == "strided" else np.ones((4, 8), np.float32)
    launch(zero, x)
    assert not x.any()
    x.flags.writeable = False
    assert "read-only array" in str(refused(zero, x))


def test_parameters_of_the_current_dialect_are_written_through() -> None:
    x = X.copy()

    @jit
    def writes(x):
        tile = current.full((4, 8), 7, current.float32)
        nisa.dma_copy(x, tile)

    launch(writes, x)
    assert (x == 7).all()

    def legacy(x: Any) -> Any:
        tile = nl.load(x)
        nl.store(x, tile)
        return stored(tile)

    assert refused(legacy, X).rule == "err_cannot_update_immutable_parameter"


# Definedness


def test_undefined_elements_are_contagious_until_they_reach_an_output() -> None:
    def kernel(x: Any, rows: int) -> Any:
        tile = nl.ndarray((4, 8), np.float32)
        tile[:, 0:rows] = nl.load(x)[:, 0:rows]
        doubled = nl.add(tile, tile)
        return stored(doubled)

    assert np.array_equal(launch(kernel, X, 8), 2 * X)
    assert "4 of 32 elements, first at [0, 7], of" in str(refused(kernel, X, 7))


def test_nan_of_an_input_is_defined() -> None:
    x = np.full((4, 8), np.nan, np.float32)
    assert np.isnan(launch(lambda x: stored(nl.load(x)), x)).all()  # type: ignore[arg-type]


# Casts and shapes


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.int8], ids=str)
def test_a_store_rounds_like_a_dma(dtype: Any) -> None:
    x = (X * 1.37).astype(np.float32)
    got = launch(lambda x: stored(nl.load(x), dtype), x)
    assert np.array_equal(got, round_to(x, np.dtype(dtype)))  # type: ignore[arg-type]


def test_a_store_repeats_dimensions_of_one_and_no_others() -> None:
    def kernel(x: Any, columns: int) -> Any:
        out = output()
        nl.store(out, nl.load(x)[:, 0:columns])
        return out

    assert np.array_equal(launch(kernel, X, 1), np.broadcast_to(X[:, :1], (4, 8)))
    assert "shape" in str(refused(kernel, X, 2))


def test_a_sum_starts_from_its_first_element() -> None:
    x = np.full((4, 8), -0.0, np.float32)
    assert np.signbit(launch(lambda x: stored(nl.sum(nl.load(x), axis=[1])), x)).all()  # type: ignore[arg-type]


def test_no_tile_outlives_its_launch() -> None:
    kept: list[Any] = []

    def kernel(x: Any) -> Any:
        kept.append(nl.load(x))
        return stored(kept[0])

    launch(kernel, X)
    assert "made by a launch that is over" in str(refused(kernel, X))


# Loops


def summing(accumulate: Any, buffer: Buffer = Buffer.PSUM) -> Any:
    """A kernel whose iterations all add to one tile."""

    def kernel(x: Any, loop: Any) -> Any:
        total = nl.zeros((4, 8), np.float32, buffer=buffer)
        tile = nl.load(x)
        for _ in loop(3):
            accumulate(total, tile)
        return stored(nl.copy(total))

    return kernel


def add_product(total: Any, tile: Any) -> None:
    view = traffic.accumulate(total.access)
    view += traffic.read(tile.access)


def add_elementwise(total: Any, tile: Any) -> None:
    engine.elementwise(total.access, "add", total.access, tile.access)


def test_products_may_be_summed_in_psum_by_independent_iterations() -> None:
    assert np.array_equal(launch(summing(add_product), X, nl.affine_range), 3 * X)


def test_a_commutative_carry_is_refused_although_no_order_shows_it() -> None:
    kernel = summing(add_elementwise)
    forward = launch(kernel, X, nl.sequential_range)
    assert np.array_equal(forward, 3 * X)
    assert refused(kernel, X, nl.affine_range).rule == ORDER


@pytest.mark.parametrize(
    "also",
    [
        nl.copy,
        lambda total: engine.memset(total.access, 0),
        lambda total: movement.copy(
            total.access.take([Span(0, 4), Span(0, 1)]), total.access.take([Span(0, 4), Span(1, 1)])
        ),
    ],
    ids=["read", "overwritten", "written in part"],
)
def test_sums_of_products_are_not_accessed_otherwise_by_other_iterations(also: Any) -> None:
    def both(total: Any, tile: Any) -> None:
        add_product(total, tile)
        also(total)

    launch(summing(both), X, nl.sequential_range)
    assert refused(summing(both), X, nl.affine_range).rule == ORDER


@pytest.mark.parametrize(
    "last",
    [lambda total: nl.copy(total), lambda total: engine.memset(total.access, 0)],  # noqa: PLW0108  (one form for all)
    ids=["read", "overwritten"],
)
def test_a_later_iteration_leaves_the_sums_of_earlier_ones_alone(last: Any) -> None:
    def kernel(x: Any, loop: Any) -> Any:
        total = nl.zeros((4, 8), np.float32, buffer=Buffer.PSUM)
        tile = nl.load(x)
        steps = iter([add_product, add_product, lambda total, tile: last(total)])
        for _ in loop(3):
            next(steps)(total, tile)
        return stored(nl.copy(total))

    launch(kernel, X, nl.sequential_range)
    error = refused(kernel, X, nl.affine_range)
    assert error.rule == ORDER
    assert "that iteration 0 summed" in str(error)


def test_iterations_write_different_elements() -> None:
    def kernel(x: Any, step: int) -> Any:
        out = output()
        nl.store(out, nl.load(x))
        again = nl.ndarray((4, 8), np.float32, buffer=nl.private_hbm)
        for i in nl.affine_range(4):
            nl.store(again[:, nl.ds(step * i, 2)], nl.load(x[:, nl.ds(step * i, 2)]))
        return out

    launch(kernel, X, 2)
    error = refused(kernel, X, 1)
    assert error.rule == ORDER
    assert "iteration 1 of affine_range(4,) writes elements of" in str(error)


def test_the_check_of_the_loop_order_sees_what_regions_cannot() -> None:
    def kernel(x: Any, growing: bool) -> Any:
        out = output()
        values = itertools.count() if growing else itertools.repeat(1)
        for i in nl.affine_range(4):
            nl.store(out[:, nl.ds(2 * i, 2)], next(values))
        return out

    for order in ("forward", "reversed", "check"):
        launch(kernel, X, False, machine=Machine(loop_order=order))  # type: ignore[arg-type]
    launch(kernel, X, True)
    error = refused(kernel, X, True, machine=Machine(loop_order="check"))
    assert error.rule == ORDER
    assert "depends on the order in which affine_range iterates" in str(error)


def test_a_fraction_fills_integers_rounded() -> None:
    def kernel(x: Any, value: float) -> Any:
        out = output(dtype=np.int8)
        nl.store(out, value)
        return out

    for value, expected in ((2.5, 2), (3.5, 4), (-200.7, -128), (float("nan"), 0)):
        assert (launch(kernel, X, value) == expected).all()  # type: ignore[union-attr]


def test_no_tensor_is_larger_than_the_memory_of_the_device() -> None:
    def kernel(x: Any, gib: int) -> Any:
        nl.ndarray((gib, 1 << 30), np.int8, buffer=nl.private_hbm)
        return stored(nl.load(x))

    launch(kernel, X, 1)
    assert "out of private_hbm: tensor [97, 1073741824] int8 needs 104152956928 bytes; gen3 has 103079215104" in str(
        refused(kernel, X, 97)
    )


@pytest.mark.parametrize("shape", [None, 7, "22"], ids=str)
def test_a_shape_is_a_sequence(shape: Any) -> None:
    with pytest.raises(NKIError, match="a shape is a tuple or list of static integers"):
        check_shape(shape, Buffer.HBM, 128, "tensor")
    assert check_shape((np.int64(2), 3), Buffer.HBM, 128, "tensor") == (2, 3)


@pytest.mark.parametrize(
    "spelling", ["float99", np.float64, None, 5, [1], SimpleNamespace(dtype=np.dtype(np.int8))], ids=str
)
def test_a_dtype_is_a_name_or_a_type(spelling: Any) -> None:
    with pytest.raises(NKIError, match="does not exist on a NeuronCore"):
        dtype_of(spelling)
    assert dtype_of("float32") == dtype_of(np.float32) == np.float32
