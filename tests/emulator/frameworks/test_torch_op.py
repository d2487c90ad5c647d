import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'pytest-nki-pool[torch]'")

from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec, ResultMismatch  # noqa: E402
from pytest_nki_pool.emulator.frameworks.torch import custom_op, from_numpy, to_numpy  # noqa: E402

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float8_e5m2, torch.float8_e4m3fn]


@pytest.fixture
def operator(pool_op):
    return custom_op(pool_op)


@pytest.mark.parametrize("dtype", [*DTYPES, torch.int8, torch.int32], ids=str)
def test_the_result_is_what_run_gives(dtype, operator, pool, image):
    tensor = from_numpy(image * 8).to(dtype)
    result = operator(tensor, 2)
    assert result.dtype == dtype
    assert to_numpy(result).tobytes() == pool.run(to_numpy(tensor), 2).tobytes()


def test_run_sees_the_callers_memory(operator, pool, image):
    tensor = from_numpy(image).to(torch.bfloat16).transpose(0, 2)
    operator(tensor, 2)
    (seen,) = pool.calls
    assert np.shares_memory(seen, to_numpy(tensor))
    assert not seen.flags.c_contiguous


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_gradient_is_the_adjoint(dtype, operator, pool, image):
    x = from_numpy(image).to(dtype).requires_grad_()
    weights = torch.linspace(-1, 1, 18).reshape(2, 3, 3).to(dtype)
    (operator(x, 2) * weights).sum().backward()
    expected = pool.adjoint(to_numpy(weights), ArraySpec(x.shape, to_numpy(x).dtype), 2)
    assert to_numpy(x.grad).tobytes() == expected.tobytes()


def test_gradcheck_agrees(operator):
    x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    # The pool accumulates in fp32, which a difference quotient over the default 1e-6 would not survive.
    assert torch.autograd.gradcheck(lambda a: operator(a, 2), (x,), eps=1e-1, atol=1e-4)


def test_gradients_can_be_batched(operator, image):
    x = from_numpy(image).requires_grad_()
    y = operator(x, 2)
    weights = torch.randn(3, *y.shape)
    (batched,) = torch.autograd.grad(y, x, weights, is_grads_batched=True, retain_graph=True)
    singles = [torch.autograd.grad(y, x, one, retain_graph=True)[0] for one in weights]
    assert torch.equal(batched, torch.stack(singles))


def test_a_second_derivative_is_an_error(operator, image):
    x = from_numpy(image).requires_grad_()
    y = operator(x * x, 2)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    weights = torch.ones_like(y, requires_grad=True)
    (other,) = torch.autograd.grad(y, x, weights, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        other.sum().backward()
    assert first.shape == x.shape


def test_an_operation_without_adjoint_is_not_differentiable(pool, image):
    operator = custom_op(ArrayOp("plain", pool.run, pool.infer))
    x = from_numpy(image).requires_grad_()
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        operator(x, 2).sum().backward()


@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1])
def test_vmap_runs_once_per_element(dim, operator, pool, image):
    batch = torch.stack([from_numpy(image), from_numpy(image) + 1, from_numpy(image) * 2])
    moved = batch.movedim(0, dim)
    result = torch.vmap(lambda a: operator(a, 2), in_dims=dim)(moved)
    assert [call.shape for call in pool.calls] == [(2, 7, 6)] * 3
    assert torch.equal(result, torch.stack([operator(x, 2) for x in batch]))


def test_vmap_nests(operator, image):
    batch = torch.stack([from_numpy(image) + i for i in range(6)]).reshape(2, 3, 2, 7, 6)
    result = torch.vmap(torch.vmap(lambda a: operator(a, 2)))(batch)
    assert torch.equal(result.flatten(0, 1), torch.stack([operator(x, 2) for x in batch.flatten(0, 1)]))


def test_an_empty_batch_has_an_empty_result(operator, pool):
    assert torch.vmap(lambda a: operator(a, 2), in_dims=1)(torch.zeros(2, 0, 7, 6)).shape == (0, 2, 3, 3)
    assert not pool.calls


def test_several_arrays_and_results(two_op):
    operator = custom_op(two_op)
    a, b = torch.randn(5), torch.randn(3, 5)
    total, scaled = operator(a, b[0], 4.0)
    assert torch.equal(total, a + b[0])
    assert torch.equal(scaled, (a * 4).to(torch.int32))
    total, scaled = torch.vmap(operator, in_dims=(None, 0, None))(a, b, 4.0)
    assert torch.equal(total, a + b)
    assert torch.equal(scaled, (a * 4).to(torch.int32).expand(3, 5))


def test_an_exception_arrives_as_it_was_raised(operator, pool, image):
    with pytest.raises(KeyError) as caught:
        operator(from_numpy(image), 9)
    assert caught.value is pool.refusal


def test_an_exception_of_the_adjoint_arrives_as_it_was_raised(pool, image):
    refusal = KeyError("adjoint")

    def adjoint(grad, x, k):
        raise refusal

    operator = custom_op(ArrayOp("pool", pool.run, pool.infer, adjoint=adjoint))
    x = from_numpy(image).requires_grad_()
    with pytest.raises(KeyError) as caught:
        operator(x, 2).sum().backward()
    assert caught.value is refusal


def test_a_wrong_result_dtype_is_an_error(pool, image):
    operator = custom_op(ArrayOp("wrong", lambda x, k: pool.run(x, k).astype(np.float64), pool.infer))
    with pytest.raises(ResultMismatch, match="float64"):
        operator(from_numpy(image), 2)


def test_operators_of_one_name_are_independent(pool, image):
    first, second = (
        custom_op(ArrayOp("same", lambda x, k, i=i: pool.run(x, k) * i, pool.infer))
        for i in (np.float32(1), np.float32(2))
    )
    x = from_numpy(image)
    assert torch.equal(first(x, 2) * 2, second(x, 2))


def test_meta_tensors_need_no_run(operator, pool):
    result = operator(torch.zeros(2, 7, 6, dtype=torch.bfloat16, device="meta"), 3)
    assert (result.shape, result.dtype, result.device.type) == ((2, 2, 2), torch.bfloat16, "meta")
    assert not pool.calls


def test_threads_do_not_disturb_each_other(operator, image):
    inputs = [from_numpy(image) + i for i in range(4)]
    expected = [operator(x, 2) for x in inputs]
    wrong = []

    def work(x, y):
        wrong.extend(i for i in range(50) if not torch.equal(operator(x, 2), y))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# opcheck itself computes with the results and PyTorch has no fp8 arithmetic on a CPU, so fp8 is left out.
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_opcheck_finds_nothing(dtype, operator, image):
    report = torch.library.opcheck(operator, (from_numpy(image).to(dtype).requires_grad_(), 2))
    assert set(report.values()) == {"SUCCESS"}


def test_opcheck_finds_nothing_in_several_results(two_op):
    report = torch.library.opcheck(custom_op(two_op), (torch.randn(5), torch.randn(5), 2.0))
    assert set(report.values()) == {"SUCCESS"}
