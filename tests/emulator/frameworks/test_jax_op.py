import logging
import threading

import ml_dtypes
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'pytest-nki-pool[jax]'")

import jax.numpy as jnp  # noqa: E402

from pytest_nki_pool.emulator.frameworks import jax as bridge  # noqa: E402
from pytest_nki_pool.emulator.frameworks.jax import callback_op, from_numpy, to_numpy  # noqa: E402
from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec, ResultMismatch  # noqa: E402

NKI_DTYPES = ("float32", "bfloat16", "float16", "float8_e4m3", "float8_e4m3fn", "float8_e5m2", "int8", "int32")
IDENTITY = ArrayOp("identity", lambda x: x, lambda x: x, statics=())


@pytest.fixture
def operation(pool_op):
    return callback_op(pool_op)


@pytest.fixture(params=NKI_DTYPES)
def dtype(request):
    return np.dtype(getattr(np, request.param, None) or getattr(ml_dtypes, request.param))


def test_every_bit_pattern_survives_both_ways(dtype, every_bit_pattern):
    array = every_bit_pattern(dtype)
    there = from_numpy(array)
    assert there.dtype == dtype
    assert to_numpy(there).tobytes() == array.tobytes()


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_every_bit_pattern_survives_the_callback(dtype, wrap, every_bit_pattern):
    array = every_bit_pattern(dtype)
    result = wrap(callback_op(IDENTITY))(from_numpy(array))
    assert result.dtype == dtype
    assert to_numpy(result).tobytes() == array.tobytes()


def test_arrays_keep_their_values_when_the_source_changes():
    # JAX may take over memory that starts at a multiple of 64 bytes instead of copying it.
    raw = np.empty(64 * 64 * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + 64 * 64 * 4].view(np.float32)
    array[:] = 1
    there = from_numpy(array)
    array[:] = 2
    assert (there == 1).all()


def test_the_numpy_view_is_read_only_and_not_a_copy():
    array = from_numpy(np.ones((64, 64), np.float32))
    assert not to_numpy(array).flags.writeable
    assert np.shares_memory(to_numpy(array), to_numpy(array))


def test_a_dtype_that_jax_would_change_is_refused():
    with pytest.raises(TypeError, match="JAX would store float64 as float32"):
        from_numpy(np.zeros(2))


def test_a_traced_array_has_no_values():
    with pytest.raises(TypeError, match=r"a traced array of float32\[3\] has no values"):
        jax.jit(to_numpy)(jnp.zeros(3))


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: jax.jit(f, static_argnums=1)], ids=["eager", "jit"])
def test_the_result_is_what_run_gives(dtype, wrap, operation, pool, image):
    array = (image * 8).astype(dtype)
    result = wrap(operation)(from_numpy(array), 2)
    assert result.dtype == dtype
    assert to_numpy(result).tobytes() == pool.run(array, 2).tobytes()


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_subnormal_numbers_are_computed_with(wrap):
    half = callback_op(ArrayOp("half", lambda x: x * np.float32(0.5), lambda x: x, statics=()))
    tiny = np.full((4, 8), 1e-40, np.float32)
    assert (tiny * np.float32(0.5)).all()
    assert to_numpy(wrap(half)(from_numpy(tiny))).tobytes() == (tiny * np.float32(0.5)).tobytes()


def test_the_adjoint_computes_with_subnormal_numbers(pool, operation):
    tiny = np.full((2, 3, 3), 1e-40, np.float32)
    _, pull = jax.vjp(lambda x: operation(x, 2), from_numpy(np.zeros((2, 6, 6), np.float32)))
    (gradient,) = pull(from_numpy(tiny))
    expected = pool.adjoint(tiny, ArraySpec((2, 6, 6), tiny.dtype), 2)
    assert expected.all()
    assert to_numpy(gradient).tobytes() == expected.tobytes()


def test_the_thread_keeps_its_own_floating_point(pool):
    from pytest_nki_pool.emulator.frameworks.fenv import FloatingPoint

    ours, seen = FloatingPoint(), []
    tiny = np.full(64, 1e-40, np.float32)

    def look(x):
        seen.append((np.asarray(tiny) * np.float32(0.5)).any())
        with ours.restored():
            seen.append((np.asarray(tiny) * np.float32(0.5)).any())
        seen.append((np.asarray(tiny) * np.float32(0.5)).any())
        return np.asarray(x)

    x = from_numpy(tiny)
    jax.block_until_ready(jax.pure_callback(look, jax.ShapeDtypeStruct(x.shape, x.dtype), x))
    assert seen == [False, True, False], "XLA is expected to flush subnormals outside of the restored environment"


def test_numpy_arguments_are_taken_too(operation, pool, image):
    assert to_numpy(operation(image, 2)).tobytes() == pool.run(image, 2).tobytes()


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_the_gradient_is_the_adjoint(wrap, operation, pool, image):
    weights = np.linspace(-1, 1, 18, dtype=np.float32).reshape(2, 3, 3)
    gradient = wrap(jax.grad(lambda x: (operation(x, 2) * weights).sum()))(from_numpy(image))
    assert to_numpy(gradient).tobytes() == pool.adjoint(weights, ArraySpec(image.shape, image.dtype), 2).tobytes()


def test_differences_agree_with_the_gradient(operation, image):
    from jax.test_util import check_grads

    check_grads(lambda x: operation(x, 2), (from_numpy(image),), order=1, modes=["rev"], eps=1e-1)


def test_forward_mode_is_an_error(operation, image):
    x = from_numpy(image)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda a: operation(a, 2), (x,), (x,))


def test_an_operation_without_adjoint_is_not_differentiable(pool, image):
    operation = callback_op(ArrayOp("plain", pool.run, pool.infer))
    with pytest.raises(ValueError, match="do not support JVP"):
        jax.grad(lambda x: operation(x, 2).sum())(from_numpy(image))


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_vmap_runs_once_per_element(wrap, axis, operation, pool, image):
    batch = jnp.stack([image, image + 1, image * 2])
    result = wrap(jax.vmap(lambda x: operation(x, 2), in_axes=axis))(jnp.moveaxis(batch, 0, axis))
    jax.block_until_ready(result)
    assert [call.shape for call in pool.calls] == [(2, 7, 6)] * 3
    assert np.array_equal(result, np.stack([pool.run(np.asarray(x), 2) for x in batch]))


def test_vmap_of_grad(operation, pool, image):
    batch = jnp.stack([image, image + 1])
    gradients = jax.vmap(jax.grad(lambda x: (operation(x, 2) ** 2).sum()))(batch)
    for x, gradient in zip(batch, gradients, strict=True):
        host = np.asarray(x)
        expected = pool.adjoint(2 * pool.run(host, 2), ArraySpec(host.shape, host.dtype), 2)
        assert np.array_equal(gradient, expected)


def test_shapes_and_programs_are_had_without_a_run(operation, pool, image):
    x = from_numpy(image)
    assert jax.eval_shape(lambda a: operation(a, 2), x).shape == (2, 3, 3)
    lowered = jax.jit(lambda a: operation(a, 2)).lower(x)
    plain = callback_op(ArrayOp("plain", pool.run, pool.infer))
    constant = jax.jit(lambda: plain(x, 2)).lower()
    jax.jit(jax.grad(lambda a: operation(a, 2).sum())).lower(x)
    assert "callback" in lowered.as_text()
    assert "callback" in constant.as_text()
    assert not pool.calls
    assert np.array_equal(lowered.compile()(x), operation(x, 2))


def test_a_call_like_an_earlier_one_compiles_nothing(operation, image, caplog):
    x = from_numpy(image)
    operation(x, 2)
    with jax.log_compiles(), caplog.at_level(logging.DEBUG, logger="jax"):
        operation(x, 2)
        assert not [r for r in caplog.records if "ompil" in r.getMessage()]
        operation(x, 3)
        assert [r for r in caplog.records if "ompil" in r.getMessage()]


def test_several_arrays_and_results(two_op):
    operation = callback_op(two_op)
    a, b = jnp.arange(5, dtype=jnp.float32), jnp.ones((3, 5), jnp.float32)
    total, scaled = operation(a, b[0], 4.0)
    assert np.array_equal(total, a + 1)
    assert np.array_equal(scaled, a * 4)
    assert scaled.dtype == jnp.int32
    total, scaled = jax.vmap(lambda one: operation(a, one, 4.0))(b)
    assert np.array_equal(total, a + b)


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: jax.grad(lambda x: f(x).sum())], ids=["eager", "grad"])
def test_an_exception_arrives_as_it_was_raised(wrap, operation, pool, image):
    with pytest.raises(KeyError) as caught:
        wrap(lambda x: operation(x, 9))(from_numpy(image))
    assert caught.value is pool.refusal


def test_an_exception_arrives_although_the_result_would_be_empty(operation, pool, image):
    assert pool.infer(ArraySpec(image.shape, image.dtype), 9).shape == (2, 0, 0)
    with pytest.raises(KeyError):
        operation(from_numpy(image), 9)


def test_an_exception_under_jit_arrives_as_text(pool, image):
    op = ArrayOp("pool", pool.run, lambda x, k: ArraySpec((1, 1, 1), x.dtype))
    with pytest.raises(jax.errors.JaxRuntimeError, match="KeyError: 'window 9'"):
        jax.block_until_ready(jax.jit(callback_op(op), static_argnums=1)(from_numpy(image), 9))


@pytest.mark.parametrize("wrong", [np.float64, np.float16], ids=lambda kind: kind.__name__)
def test_a_wrong_result_dtype_is_an_error(wrong, pool, image):
    operation = callback_op(ArrayOp("wrong", lambda x, k: pool.run(x, k).astype(wrong), pool.infer))
    with pytest.raises(ResultMismatch, match=f"dtype {wrong.__name__} where infer declares"):
        operation(from_numpy(image), 2)


def test_a_traced_static_value_is_an_error(operation, image):
    with pytest.raises(TypeError, match=r"must be a Python int known before the call.*static_argnums"):
        jax.jit(operation)(from_numpy(image), 2)


def test_threads_get_their_own_results_and_exceptions(image):
    def run(x, k):
        if k > 100:
            raise KeyError(k)
        return x * np.float32(k)

    operation = callback_op(ArrayOp("scale", run, lambda x, k: x))
    x = from_numpy(image)
    wrong = []

    def work(k):
        for _ in range(10):
            wrong.extend([k] if not np.array_equal(operation(x, k), image * np.float32(k)) else [])
            try:
                operation(x, 100 + k)
            except KeyError as error:
                wrong.extend([error] if error.args != (100 + k,) else [])
            else:
                wrong.append(f"{100 + k} was not refused")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_only_so_many_compiled_programs_are_kept(monkeypatch):
    monkeypatch.setattr(bridge, "_KEPT", 3)
    callback = bridge._Callback(lambda arrays, statics: (arrays[0] + statics[0],))
    for size in (*range(1, 9), 1, 8):
        array = jnp.zeros(size)
        (result,) = callback([ArraySpec(array.shape, array.dtype)], [array], (size,))
        assert (result == size).all()
        assert 1 <= callback.programs.compiled._cache_size() <= 3
