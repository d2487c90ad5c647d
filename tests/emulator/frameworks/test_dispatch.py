import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.frameworks.dispatch import as_numpy, framework_of, launch_native
from pytest_nki_pool.emulator.legacy import jit
from pytest_nki_pool.emulator.legacy import language as nl


def double_into(x, out):
    nl.store(out, value=nl.load(x) * 2)


def double(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(out, value=nl.load(x) * 2)
    return out


def double_and_triple(x, scale=3):
    second = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(second, value=nl.load(x) * scale)
    return double(x), second


@pytest.fixture(params=["numpy", "torch", "jax"])
def bridge(request):
    """Name of a framework, and how an array of float32 is made in it."""
    if request.param == "numpy":
        return "numpy", np.asarray
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    module = __import__(f"pytest_nki_pool.emulator.frameworks.{request.param}", fromlist=["from_numpy"])
    return request.param, module.from_numpy


VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["plain", "jit"])
def test_the_result_is_of_the_same_framework(bridge, wrap):
    framework, make = bridge
    result = launch_native(wrap(double), [make(VALUES)], {})
    assert framework_of(result) == framework
    assert np.array_equal(as_numpy(result), VALUES * 2)


def test_several_results_and_keywords(bridge):
    framework, make = bridge
    second, third = launch_native(double_and_triple, [], {"x": make(VALUES), "scale": 5})
    assert (framework_of(second), framework_of(third)) == (framework, framework)
    assert np.array_equal(as_numpy(third), VALUES * 5)


def test_a_kernel_object_called_outside_a_launch_dispatches(bridge):
    framework, make = bridge
    assert framework_of(jit(double)(make(VALUES))) == framework


def test_an_output_array_is_written_in_place():
    out = np.zeros_like(VALUES)
    assert launch_native(double_into, [VALUES, out], {}) is None
    assert np.array_equal(out, VALUES * 2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("layout", [lambda t: t, lambda t: t.t().contiguous().t()], ids=["contiguous", "strided"])
def test_an_output_tensor_is_written_in_place(dtype, layout):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    out = layout(torch.zeros(3, 4, dtype=getattr(torch, dtype)))
    assert launch_native(double_into, [torch.arange(12, dtype=out.dtype).reshape(3, 4), out], {}) is None
    assert out.tolist() == (VALUES * 2).tolist()


def test_an_output_that_is_a_jax_array_is_refused():
    jnp = pytest.importorskip("jax.numpy", reason="jax is not installed")
    out = jnp.zeros((3, 4), jnp.float32)
    with pytest.raises(TypeError, match=r"double_into returns nothing .* jax_neuronx.nki_call"):
        launch_native(double_into, [jnp.asarray(VALUES), out], {})
    assert not out.any()


def test_a_traced_array_is_refused():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with pytest.raises(TypeError, match="has no values"):
        jax.jit(jit(double))(VALUES)


def test_arrays_of_two_frameworks_are_refused():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(TypeError, match="arrays of numpy and torch in one launch"):
        launch_native(double_into, [torch.ones(3, 4)], {"out": np.ones((3, 4), np.float32)})


def test_a_broken_rule_arrives_as_it_is(bridge):
    _, make = bridge
    with pytest.raises(emulator.NKIError, match="`x`"):
        launch_native(lambda x: x, [make(VALUES)], {})


def test_what_is_no_array_is_refused():
    assert framework_of([1.0]) == ""
    with pytest.raises(TypeError, match="expected a NumPy, PyTorch or JAX array, got list"):
        as_numpy([1.0])


def test_extended_dtypes_are_arrays_of_numpy():
    array = np.zeros(2, ml_dtypes.bfloat16)
    assert framework_of(array) == "numpy"
    assert as_numpy(array) is array


def test_a_launch_on_numpy_imports_no_framework():
    program = (
        "import sys, numpy as np\n"
        "from pytest_nki_pool.emulator.legacy import jit, language as nl\n"
        "@jit\n"
        "def copy(x):\n"
        "    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)\n"
        "    nl.store(out, value=nl.load(x))\n"
        "    return out\n"
        "print(copy(np.ones((2, 2), np.float32)).sum(), {'torch', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4.0 set()"
