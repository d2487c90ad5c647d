"""Launches: `nki.jit`, `nki.simulate`, what a kernel returns and what it leaves undefined."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool import emulator

nki = emulator.resolve("nki")
nl = emulator.resolve("nki.language")
nisa = emulator.resolve("nki.isa")
tensor = emulator.resolve("nki.typing").tensor
X = np.arange(12, dtype=np.float32).reshape(3, 4)


def double(x: tensor[3, 4], scale=2.0):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(x), scale))
    return out


@pytest.mark.parametrize(
    "decorate",
    [
        pytest.param(lambda f: f, id="plain"),
        pytest.param(nki.jit, id="bare"),
        pytest.param(nki.jit(), id="called"),
        pytest.param(nki.jit(mode="auto"), id="mode"),
        pytest.param(lambda f: nki.jit(nki.jit(f)), id="twice"),
        pytest.param(lambda f: nki.jit(f)[1], id="one core"),
    ],
)
def test_a_kernel_is_launched(decorate):
    np.testing.assert_array_equal(emulator.launch(decorate(double), X), X * 2, strict=True)
    np.testing.assert_array_equal(emulator.launch(decorate(double), X, scale=3.0), X * 3, strict=True)


@pytest.mark.parametrize("decorate", [lambda f: f, nki.jit, lambda f: nki.jit(f)[1]], ids=["plain", "jit", "one core"])
def test_simulate(decorate):
    np.testing.assert_array_equal(nki.simulate(decorate(double))(X, scale=4.0), X * 4, strict=True)


def test_a_kernel_object_launches_itself_on_numpy_arrays():
    np.testing.assert_array_equal(nki.jit(double)(X, scale=3.0), X * 3, strict=True)


def test_a_kernel_catches_a_violation_under_nkis_name():
    def kernel(x):
        try:
            nl.load(x)[:, 9]
        except nisa.NkiValidationError:
            return double(x)

    np.testing.assert_array_equal(emulator.launch(kernel, X), X * 2)


def test_a_kernel_calls_a_kernel():
    inner = nki.jit(double)
    np.testing.assert_array_equal(emulator.launch(nki.jit(lambda x: inner(x) if nl else None), X), X * 2)


def test_a_kernel_object_gives_its_function():
    assert nki.jit(double).function is double
    assert nki.jit(double)[1].function is double


@pytest.mark.parametrize("cores", [0, 3, True, (1, 1), "1"])
def test_other_numbers_of_cores_are_refused(cores):
    with pytest.raises(emulator.NKIError, match="a logical NeuronCore has 1 or 2 physical cores"):
        nki.jit(double)[cores]


def test_options_of_jit():
    with pytest.raises(emulator.NKIError, match="platform_target is no longer an argument"):
        nki.jit(double, platform_target="trn2")
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"nki.jit\(debug="):
        nki.jit(double, debug=True)


@pytest.mark.parametrize("name", ["baremetal", "benchmark", "profile", "simulate_kernel"])
def test_entry_points_of_the_legacy_dialect_do_not_exist(name):
    with pytest.raises(AttributeError, match=f"module 'nki' has no attribute '{name}'"):
        getattr(nki, name)


def test_nki_has_its_modules_as_attributes():
    assert (nki.language, nki.isa, nki.typing) == (nl, nisa, emulator.resolve("nki.typing"))
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"nki\.collectives"):
        _ = nki.collectives


@pytest.mark.parametrize("buffer", ["sbuf", "psum", "hbm"])
def test_an_output_outside_of_shared_hbm_is_refused(buffer):
    def kernel(x):
        return nl.zeros(x.shape, x.dtype, buffer=getattr(nl, buffer))

    with pytest.raises(emulator.NKIError, match=rf"returned tensor .* in {buffer} .*does not live in shared_hbm"):
        emulator.launch(kernel, X)


def test_several_outputs():
    def kernel(x):
        return double(x), double(x, -1.0)

    first, second = emulator.launch(kernel, X)
    np.testing.assert_array_equal(first, X * 2, strict=True)
    np.testing.assert_array_equal(second, -X, strict=True)


def test_a_parameter_can_be_written():
    def kernel(x):
        tile = nl.load(x)
        nl.store(x[1:2], nl.multiply(tile[0:1], 0.0))
        return double(x)

    x = X.copy()
    expected = X.copy()
    expected[1] = 0
    np.testing.assert_array_equal(emulator.launch(kernel, x), expected * 2, strict=True)
    np.testing.assert_array_equal(x, expected, strict=True)


def test_a_named_output_parameter_is_written():
    def kernel(x, out):
        nl.store(out, nl.load(x))

    out = np.zeros_like(X)
    assert emulator.launch(kernel, X, out, outputs=("out",)) is None
    np.testing.assert_array_equal(out, X)


def unwritten(x):
    return nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)


def half_written(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out[0:2], nl.load(x[0:2]))
    return out


def undefined_tile(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.ndarray(x.shape, x.dtype))
    return out


def undefined_column(x):
    tile = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(dst=tile[:, 0:3], src=x[:, 0:3])
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(tile, 2.0))
    return out


def undefined_in_a_sum(x):
    tile = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(dst=tile[:, 0:3], src=x[:, 0:3])
    out = nl.ndarray((3, 1), x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.sum(tile, axis=1))
    return out


@pytest.mark.parametrize(
    ("kernel", "fragment"),
    [
        (unwritten, "was never written; write all of it"),
        (half_written, "was written in part: 4 of 12 elements are missing, first at [2, 0]"),
        (undefined_tile, "store: all 12 elements of"),
        (undefined_column, "store: 3 of 12 elements, first at [0, 3], of"),
        (undefined_in_a_sum, "3 elements"),
        (lambda x: X if nl else None, "a kernel returns tensors, got ndarray"),
        (lambda x: None if nl else x, "returned nothing and wrote to none of its parameters"),
    ],
)
def test_an_output_that_is_not_there_is_refused(kernel, fragment):
    with pytest.raises(emulator.NKIError) as error:
        emulator.launch(kernel, X)
    assert fragment in str(error.value)


def test_undefined_elements_that_stay_inside_are_fine():
    def kernel(x):
        tile = nl.ndarray((3, 8), x.dtype)
        nisa.dma_copy(dst=tile[:, 2:6], src=x)
        return double(x) if nl.multiply(tile, 2.0)[:, 2:6].size == 12 else None

    np.testing.assert_array_equal(emulator.launch(kernel, X), X * 2)


def test_a_tile_does_not_outlive_its_launch():
    kept = []

    def keep(x):
        kept.append(nl.load(x))
        return double(x)

    def use(x):
        nl.add(kept[0], 1.0)
        return double(x)

    emulator.launch(keep, X)
    with pytest.raises(emulator.NKIError, match="was made by a launch that is over"):
        emulator.launch(use, X)


def test_an_error_names_the_line_of_the_kernel():
    def kernel(x):
        tile = nl.load(x)
        return tile[7]

    with pytest.raises(emulator.NKIError) as error:
        emulator.launch(kernel, X)
    assert error.value.where == f"{__file__}:{kernel.__code__.co_firstlineno + 2}"
    assert str(error.value).endswith(f"[err_tensor_access_out_of_bound] at {error.value.where}")


def with_dynamic_range(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    for row in nl.dynamic_range(3):
        nl.store(out[row : row + 1], nl.multiply(nl.load(x[row : row + 1]), 2.0))
    return out


@pytest.mark.parametrize("sdk", [None, "2.32"])
def test_dynamic_range_belongs_to_nki_0_6(sdk):
    machine = emulator.Machine(sdk=sdk)
    np.testing.assert_array_equal(emulator.launch(with_dynamic_range, X, machine=machine), X * 2)


def test_dynamic_range_is_gone_from_nki_0_7():
    machine = emulator.Machine(sdk="2.33")
    np.testing.assert_array_equal(emulator.launch(double, X, machine=machine), X * 2)
    with pytest.raises(emulator.NKIError, match=r"nl.dynamic_range was removed in NKI 0.7 \(SDK 2.33\)"):
        emulator.launch(with_dynamic_range, X, machine=machine)


def test_another_sdk_is_not_supported():
    with pytest.raises(emulator.UnsupportedByEmulator, match=r"SDK 2\.28 of the current dialect.*2\.32, 2\.33"):
        emulator.launch(double, X, machine=emulator.Machine(sdk="2.28"))


def test_the_default_machine_is_trn2():
    def kernel(x):
        assert nisa.get_nc_version() is nisa.nc_version.gen3
        return double(x)

    emulator.launch(kernel, X)
    nki.simulate(kernel)(X)
    assert emulator.GENERATION_OF["trn2"] == emulator.Machine().generation
