from functools import partial

import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError
from pytest_nki_pool.emulator.frameworks.stand_ins import STAND_INS, nki_call, stand_in
from pytest_nki_pool.emulator.legacy import language as nl


def scale_into(x, out, factor):
    nl.store(out, value=nl.load(x) * factor)


def sum_and_difference(a, b, total, difference):
    nl.store(total, value=nl.load(a) + nl.load(b))
    nl.store(difference, value=nl.load(a) - nl.load(b))


def half_into(x, out):
    i = nl.arange(1)[:, None]
    j = nl.arange(4)[None, :]
    nl.store(out[i, j], value=nl.load(x[i, j]))


def clear_both(x, out):
    nl.store(out, value=nl.load(x) * 0)
    nl.store(x, value=nl.load(x) * 0)


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="jax is not installed")


@pytest.fixture
def x(jax):
    return jax.numpy.arange(12, dtype=jax.numpy.float32).reshape(3, 4)


def test_nki_call_appends_the_outputs(jax, x):
    double = partial(nki_call, partial(scale_into, factor=2), out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))
    assert np.array_equal(double(x), x * 2)
    assert np.array_equal(jax.jit(double)(x), x * 2)


@pytest.mark.parametrize("kind", [tuple, list])
def test_nki_call_returns_as_many_as_it_was_given(kind, jax, x):
    one = jax.ShapeDtypeStruct(x.shape, x.dtype)
    total, difference = nki_call(sum_and_difference, x, x + 1, out_shape=kind([one, one]))
    assert np.array_equal(total, 2 * x + 1)
    assert np.array_equal(difference, -np.ones((3, 4)))
    (single,) = nki_call(partial(scale_into, factor=2), x, out_shape=kind([one]))
    assert np.array_equal(single, x * 2)


def test_nki_call_demands_a_whole_output(jax, x):
    with pytest.raises(NKIError, match=r"`out`.*written in part"):
        nki_call(half_into, x, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))


def test_nki_call_leaves_inputs_alone(jax, x):
    with pytest.raises(NKIError, match=r"`x`.*immutable|immutable.*`x`"):
        nki_call(clear_both, x, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))


def double_rows_into(x, out):
    i, j = nl.arange(2)[:, None], nl.arange(4)[None, :]
    row = nl.program_id(0) * 2 + i
    column = nl.program_id(1) * 4 + j
    nl.store(out[row, column], nl.load(x[row, column]) * 2)


@pytest.mark.parametrize("grid", [(3, 2), (3, 1), [3, 2]], ids=str)
def test_nki_call_launches_a_grid(jax, grid):
    x = jax.numpy.arange(6 * 4 * grid[1], dtype=jax.numpy.float32).reshape(6, -1)
    result = nki_call(double_rows_into, x, grid=grid, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))
    np.testing.assert_array_equal(result, 2 * np.asarray(x))


def test_nki_call_says_which_arguments_do_not_fit(jax, x):
    with pytest.raises(TypeError, match=r"2 inputs and then 1 outputs .* room for 2 \(x, out\)"):
        nki_call(half_into, x, x, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))


def test_nki_jit_writes_its_output_tensor():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    nki_jit = stand_in("torch_neuronx").nki_jit
    device = stand_in("torch_xla").device()
    x, out = torch.ones(3, 4, device=device), torch.zeros(3, 4, device=device)
    nki_jit(scale_into)(x, out, 3)
    assert (out == 3).all()


def test_the_device_is_the_cpu_and_nothing_is_ever_pending():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = stand_in("torch_xla.core.xla_model")
    assert model.xla_device() == stand_in("torch_xla").device() == torch.device("cpu")
    assert model.mark_step() is None
    assert stand_in("torch_xla").sync(wait=True) is None


@pytest.mark.parametrize("name", STAND_INS)
def test_what_a_stand_in_lacks_it_says(name):
    module = stand_in(name)
    with pytest.raises(AttributeError, match=f"stand-in for {name} has no all_reduce; it has "):
        module.all_reduce  # noqa: B018
    assert not hasattr(module, "all_reduce")


def test_other_names_have_no_stand_in():
    assert stand_in("torch") is None
    assert stand_in("torch_xla.runtime") is None
