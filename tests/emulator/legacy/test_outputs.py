"""How outputs leave a legacy kernel, and what is undefined on the way."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import Machine, NKIError, launch
from pytest_nki_pool.emulator.legacy import jit
from pytest_nki_pool.emulator.legacy import language as nl
from pytest_nki_pool.emulator.legacy.typing import mutable_tensor, tensor

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def hbm(like: Any, **options: Any) -> Any:
    return nl.ndarray(like.shape, like.dtype, **{"buffer": nl.shared_hbm, **options})


def doubled(x: Any) -> Any:
    out = hbm(x)
    nl.store(out, nl.load(x) * 2)
    return out


def doubled_into(x: Any, out: Any) -> None:
    nl.store(out, nl.load(x) * 2)


def test_returned_array_is_contiguous_writable_and_its_own() -> None:
    result = launch(doubled, X)
    assert isinstance(result, np.ndarray)
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert not np.shares_memory(result, X)
    assert np.array_equal(result, X * 2)


def test_returned_tuple_and_repeated_tensor() -> None:
    def kernel(x: Any) -> Any:
        out = doubled(x)
        return out, out, doubled(x)[0:1, :, 1:3]

    first, second, piece = launch(kernel, X)
    assert np.array_equal(first, second)
    assert not np.shares_memory(first, second)
    assert np.array_equal(piece, (X * 2)[0:1, :, 1:3])
    assert piece.flags.c_contiguous


@pytest.mark.parametrize("outputs", [None, ("out",)], ids=["inferred", "named"])
def test_out_parameter_is_written_in_place(outputs: Any) -> None:
    out = np.full_like(X, np.nan)
    assert launch(doubled_into, X, out, outputs=outputs) is None
    assert np.array_equal(out, X * 2)


@pytest.mark.parametrize("outputs", [None, ("out",)], ids=["inferred", "named"])
def test_out_parameter_with_strides_is_written_in_place(outputs: Any) -> None:
    base = np.zeros((2, 3, 8), np.float32)
    launch(doubled_into, X, base[..., ::2], outputs=outputs)
    assert np.array_equal(base[..., ::2], X * 2)
    assert not base[..., 1::2].any()


def test_strided_input_is_read() -> None:
    assert np.array_equal(launch(doubled, X.transpose(1, 0, 2)), X.transpose(1, 0, 2) * 2)


def test_inputs_keep_their_bytes() -> None:
    x = X.copy()
    x.flags.writeable = False
    launch(doubled, x)
    assert np.array_equal(x, X)


def test_a_tile_that_shares_an_input_does_not_write_to_it() -> None:
    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        copied = nl.copy(tile)
        tile[:, 0:1] = 0
        copied += 1
        out = hbm(x)
        nl.store(out, copied + tile)
        return out

    x = X.copy()
    result = launch(kernel, x)
    expected = 2 * X + 1
    expected[:, 0:1] = X[:, 0:1] + 1
    assert np.array_equal(x, X)
    assert np.array_equal(result, expected)


def test_partial_binds_arguments() -> None:
    def kernel(x: Any, factor: int) -> Any:
        out = hbm(x)
        nl.store(out, nl.load(x) * factor)
        return out

    assert np.array_equal(launch(functools.partial(kernel, factor=3), X), X * 3)
    assert np.array_equal(launch(functools.partial(jit(kernel), factor=3), X), X * 3)


def test_mutable_parameter_is_written_in_place_and_returned() -> None:
    def kernel(x: mutable_tensor, y: tensor[2, 3, 4]) -> Any:
        nl.store(x, nl.load(x) + nl.load(y))
        return x

    kernel.__annotations__ = {"x": mutable_tensor, "y": tensor[2, 3, 4]}
    x = X.copy()
    result = launch(kernel, x, X)
    assert np.array_equal(result, X * 2)
    assert np.array_equal(x, X * 2)


def return_nothing(x: Any) -> None:
    nl.load(x)


def return_input(x: Any) -> Any:
    return x


def return_tile(x: Any) -> Any:
    return nl.load(x)


def return_number(x: Any) -> Any:
    return 3


def return_unwritten(x: Any) -> Any:
    return hbm(x)


def return_partly_written(x: Any) -> Any:
    out = hbm(x)
    nl.store(out[:, 0:2], nl.load(x)[:, 0:2])
    return out


def store_undefined(x: Any) -> Any:
    out = hbm(x)
    nl.store(out, nl.ndarray(x.shape, x.dtype))
    return out


def store_partly_undefined_sum(x: Any) -> Any:
    tile = nl.ndarray(x.shape, x.dtype)
    tile[:, :, 0:3] = nl.load(x[:, :, 0:3])
    out = nl.ndarray((2, 3, 1), x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.sum(tile, axis=2, keepdims=True))
    return out


def store_undefined_through_arithmetic(x: Any) -> Any:
    tile = nl.ndarray(x.shape, x.dtype)
    tile[:, 0:2] = 1
    out = hbm(x)
    nl.store(out, nl.load(x) + tile * 0)
    return out


def write_input(x: Any) -> Any:
    out = doubled(x)
    nl.store(x, 0)
    return out


def write_unread_input(x: Any) -> Any:
    out = hbm(x)
    nl.store(out, 1)
    nl.store(x, 0)
    return out


def mutate_unreturned(x: mutable_tensor) -> Any:
    out = doubled(x)
    nl.store(x, 0)
    return out


@pytest.mark.parametrize(
    ("kernel", "says", "rule"),
    [
        (return_nothing, "returned nothing and wrote to none", "err_tensor_output_not_written_to"),
        (return_input, "returned tensor `x` [2, 3, 4] float32 in hbm was not created by this launch", ""),
        (return_tile, "does not live in hbm, private_hbm, shared_hbm", ""),
        (return_number, "a kernel returns tensors, got int", ""),
        (return_unwritten, "in shared_hbm (made at", "err_tensor_output_not_written_to"),
        (return_partly_written, "8 of 24 elements are missing, first at [0, 2, 0]", "err_tensor_output_not_written_to"),
        (store_undefined, "store: all 24 elements of tensor `unnamed`", ""),
        (store_partly_undefined_sum, "store: all 6 elements", ""),
        (store_undefined_through_arithmetic, "8 of 24 elements, first at [0, 2, 0],", ""),
        (write_input, "is an input, and immutable", "err_cannot_update_immutable_parameter"),
        (
            write_unread_input,
            "is immutable in a kernel that returns its output",
            "err_cannot_update_immutable_parameter",
        ),
        (mutate_unreturned, "was written and is not returned", "err_mutable_parameter_not_returned"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_output_discipline(kernel: Any, says: str, rule: str) -> None:
    x = X.copy()
    with pytest.raises(NKIError) as caught:
        launch(kernel, x)
    assert says in str(caught.value)
    assert caught.value.rule == rule
    assert "test_outputs.py:" in caught.value.where


def test_an_input_written_by_mistake_keeps_its_bytes() -> None:
    x = X.copy()
    with pytest.raises(NKIError, match="is an input, and immutable"):
        launch(write_input, x)
    assert np.array_equal(x, X)


def write_half(x: Any, out: Any) -> None:
    nl.store(out[:, 0:1], nl.load(x)[:, 0:1])


def write_nothing(x: Any, out: Any) -> None:
    nl.load(x)


def read_back(x: Any, out: Any) -> None:
    nl.store(out, nl.load(x))
    nl.store(out, nl.load(out))


def read_before(x: Any, out: Any) -> None:
    nl.store(out, nl.load(x) + nl.load(out))


@pytest.mark.parametrize("outputs", [None, ("out",)], ids=["inferred", "named"])
@pytest.mark.parametrize(
    ("kernel", "inferred", "named"),
    [
        (write_half, "16 of 24 elements are missing", "16 of 24 elements are missing"),
        (write_nothing, "wrote to none of its parameters", "wrote to none of its parameters"),
        (read_back, "is both written and read", None),
        (read_before, "is an input, and immutable", "are undefined (never written"),
    ],
    ids=["half", "nothing", "read back", "read before"],
)
def test_out_parameter_discipline(kernel: Any, inferred: str, named: str | None, outputs: Any) -> None:
    says = inferred if outputs is None else named
    if says is None:
        launch(kernel, X, np.empty_like(X), outputs=outputs)
        return
    with pytest.raises(NKIError) as caught:
        launch(kernel, X, np.empty_like(X), outputs=outputs)
    assert says in str(caught.value)


def test_named_outputs_leave_the_other_parameters_immutable() -> None:
    def kernel(x: Any, out: Any) -> None:
        doubled_into(x, out)
        nl.store(x, 0)

    with pytest.raises(NKIError, match=r"parameter tensor `x` .* is an input, and immutable") as caught:
        launch(kernel, X, np.empty_like(X), outputs=("out",))
    assert caught.value.rule == "err_cannot_update_immutable_parameter"


def test_output_that_is_the_input_is_refused() -> None:
    x = X.copy()
    with pytest.raises(NKIError, match="share memory") as caught:
        launch(doubled_into, x, x, outputs=("out",))
    assert caught.value.rule == "err_read_modify_write_on_kernel_parameter"


def test_unknown_output_name_is_refused() -> None:
    with pytest.raises(NKIError, match="outputs names result"):
        launch(doubled_into, X, np.empty_like(X), outputs=("result",))


def test_nan_in_an_input_is_a_value() -> None:
    x = X.copy()
    x[0, 1, 2] = np.nan
    assert np.array_equal(launch(doubled, x), x * 2, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.complex64, ">f4"])
def test_array_of_no_nki_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(NKIError, match=r"parameter `x`: dtype .* does not exist on a NeuronCore"):
        launch(doubled, X.astype(dtype))


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 0)])
def test_array_without_elements_is_refused(shape: Any) -> None:
    with pytest.raises(NKIError, match="parameter `x`"):
        launch(doubled, np.zeros(shape, np.float32))


def test_tile_kept_across_launches_is_refused() -> None:
    kept = []

    def keep(x: Any) -> Any:
        kept.append(nl.load(x))
        return doubled(x)

    def use(x: Any) -> Any:
        out = hbm(x)
        nl.store(out, kept[0])
        return out

    launch(keep, X)
    with pytest.raises(NKIError, match="was made by a launch that is over"):
        launch(use, X)


def test_output_of_an_earlier_launch_is_refused() -> None:
    kept = []

    def keep(x: Any) -> Any:
        kept.append(doubled(x))
        return kept[0]

    launch(keep, X)
    with pytest.raises(NKIError, match="was not created by this launch"):
        launch(lambda x: kept[0], X)


def test_nl_outside_a_kernel_is_refused() -> None:
    with pytest.raises(NKIError, match="outside of NKI kernels") as caught:
        nl.ndarray((2, 2), nl.float32)
    assert caught.value.rule == "err_nki_api_outside_of_nki_kernel"


def test_loop_order_check_finds_a_carry_that_memory_does_not_show() -> None:
    def kernel(x: Any) -> Any:
        order = itertools.count(1)
        out = nl.ndarray((2, 3, 4), x.dtype, buffer=nl.shared_hbm)
        for i in nl.affine_range(3):
            nl.store(out[:, nl.ds(i, 1)], nl.load(x[:, nl.ds(i, 1)]) * next(order))
        return out

    assert launch(kernel, X) is not None
    with pytest.raises(NKIError, match="depends on the order") as caught:
        launch(kernel, X, machine=Machine(loop_order="check"))
    assert caught.value.rule == "err_unexpected_output_dependencies"


def test_loop_order_check_accepts_independent_iterations() -> None:
    def kernel(x: Any, out: Any) -> None:
        for i in nl.affine_range(3):
            nl.store(out[:, nl.ds(i, 1)], nl.load(x[:, nl.ds(i, 1)]))

    out = np.empty_like(X)
    assert launch(kernel, X, out, machine=Machine(loop_order="check")) is None
    assert np.array_equal(out, X)


@pytest.mark.parametrize("options", [{"generation": "gen5"}, {"loop_order": "random"}])
def test_machine_refuses_unknown_values(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="use one of"):
        Machine(**options)
