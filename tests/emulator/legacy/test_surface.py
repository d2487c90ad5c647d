"""What the emulator has of NKI, and how it says what it has not."""

from __future__ import annotations

import functools
import importlib
import pickle
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator import NKIError, UnsupportedByEmulator, launch, resolve
from pytest_nki_pool.emulator import legacy as nki
from pytest_nki_pool.emulator.legacy import isa as nisa
from pytest_nki_pool.emulator.legacy import language as nl

X = np.ones((2, 4), np.float32)


def use_softmax(x: Any) -> Any:
    return nl.softmax(nl.load(x), axis=1)


def use_range_select(x: Any) -> Any:
    return nisa.range_select(nl.load(x))


def use_unknown_op(x: Any) -> Any:
    return nisa.tensor_reduce(np.hypot, nl.load(x), axis=1)


def use_reduction_by_power(x: Any) -> Any:
    return nisa.tensor_reduce(nl.power, nl.load(x), axis=1)


def use_matmul_mask(x: Any) -> Any:
    tile = nl.load(x)
    return nisa.nc_matmul(tile, tile, mask=nl.arange(4)[:, None] < 3)


@pytest.mark.parametrize(
    ("kernel", "names"),
    [
        (use_softmax, "nki.language.softmax"),
        (use_range_select, "nki.isa.range_select"),
        (use_unknown_op, "op=hypot"),
        (use_reduction_by_power, "nisa.tensor_reduce by power"),
        (use_matmul_mask, "nisa.nc_matmul(mask=…)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_gap_names_the_function_and_is_no_rule(kernel: Any, names: str) -> None:
    with pytest.raises(UnsupportedByEmulator) as caught:
        launch(kernel, X)
    assert names in str(caught.value)
    assert "legacy" in str(caught.value)
    assert not isinstance(caught.value, NKIError)


@pytest.mark.parametrize("module", [nki, nl, nisa], ids=lambda m: m.__name__)
def test_a_name_that_nki_never_had_is_an_attribute_error(module: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'average_pool'"):
        module.average_pool  # noqa: B018


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("neuronxcc.nki", "legacy"),
        ("neuronxcc.nki.language", "legacy.language"),
        ("neuronxcc.nki.isa", "legacy.isa"),
        ("neuronxcc.nki.typing", "legacy.typing"),
        ("nki", "current"),
        ("nki.language", "current.language"),
        ("nki.isa", "current.isa"),
        ("nki.typing", "current.typing"),
    ],
)
def test_resolve_names_the_module_that_stands_for_it(name: str, module: str) -> None:
    assert resolve(name) is importlib.import_module(f"pytest_nki_pool.emulator.{module}")


@pytest.mark.parametrize(
    "name", ["neuronxcc.nki.language", "neuronxcc.nki.isa", "nki.language", "nki.isa", "nki.typing"]
)
def test_a_dotted_import_reaches_the_module_by_attributes(name: str) -> None:
    root, *parts = name.split(".")
    module: Any = resolve(root)
    for part in parts:
        module = getattr(module, part)
    assert module is resolve(name)


@pytest.mark.parametrize("name", ["numpy", "nkilib", "neuron", "", "mynki.language"])
def test_resolve_leaves_other_modules_alone(name: str) -> None:
    assert resolve(name) is None


@pytest.mark.parametrize("name", ["neuronxcc.nki.compiler", "neuronxcc.driver", "nki.collectives"])
def test_a_module_that_is_not_there_is_a_gap(name: str) -> None:
    with pytest.raises(UnsupportedByEmulator, match=name):
        resolve(name)


def _nested(x: Any, inner: Any) -> Any:
    return inner(x)


@pytest.mark.parametrize(
    "decorate",
    [
        nki.jit,
        nki.jit(),
        nki.jit(mode="simulation"),
        nki.jit(mode="jax", platform_target="trn2"),
        nki.baremetal,
        nki.baremetal(save_neff_name="file.neff"),
        lambda f: nki.baremetal(nki.jit(f)),
        nki.trace,
        nki.profile(working_directory="/tmp/profile"),  # noqa: S108  (nothing is written)
        nki.benchmark,
    ],
    ids=["jit", "jit()", "mode", "options", "baremetal", "baremetal()", "both", "trace", "profile", "benchmark"],
)
def test_decorators_are_looked_through(decorate: Any) -> None:
    def kernel(x: Any) -> Any:
        """Copy."""
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    decorated = decorate(kernel)
    assert decorated.function is kernel
    assert decorated.__doc__ == "Copy."
    assert np.array_equal(launch(decorated, X), X)
    assert np.array_equal(nki.simulate_kernel(decorated, X), X)
    assert np.array_equal(launch(functools.partial(_nested, inner=decorated), X), X)


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(NKIError, match="mode 'gpu' does not exist"):
        nki.jit(mode="gpu")


def test_simulate_kernel_takes_numpy_only() -> None:
    class Tensor:
        def __array__(self) -> Any:
            return X

    with pytest.raises(NKIError, match="takes NumPy arrays, got Tensor"):
        nki.simulate_kernel(use_softmax, Tensor())


def test_a_kernel_of_two_dialects_is_refused() -> None:
    def kernel(x: Any) -> Any:
        return x

    both = {"nl": nl, "other": importlib.import_module("pytest_nki_pool.emulator.current.language")}
    with pytest.raises(NKIError, match="imports both"):
        launch(FunctionType(kernel.__code__, both), X)


def test_tile_size_knows_the_generation() -> None:
    sizes = []

    def kernel(x: Any) -> Any:
        sizes.append((nl.tile_size.pmax, nl.tile_size.total_available_sbuf_size, nisa.get_nc_version().name))
        return use_copy(x)

    def use_copy(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    for generation in ("gen2", "gen3", "gen4"):
        launch(kernel, X, machine=emulator.Machine(generation))
    assert sizes == [(128, 192 * 1024, "gen2"), (128, 224 * 1024, "gen3"), (128, 256 * 1024, "gen4")]


def test_errors_survive_pickling() -> None:
    with pytest.raises(NKIError) as caught:
        launch(lambda x: nl.load(x[0:9]), X)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)
    assert again.rule == caught.value.rule == "err_tensor_access_out_of_bound"
    gap = UnsupportedByEmulator("nl.exp", "legacy", "nl.multiply")
    assert str(pickle.loads(pickle.dumps(gap))) == str(gap)  # noqa: S301


def test_platforms_name_their_generation() -> None:
    assert dict(emulator.GENERATION_OF) == {
        "trn1": "gen2",
        "trn1n": "gen2",
        "inf2": "gen2",
        "trn2": "gen3",
        "trn3": "gen4",
    }
