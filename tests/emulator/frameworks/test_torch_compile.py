import shutil

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'pytest-nki-pool[torch]'")

from pytest_nki_pool.emulator.frameworks.torch import custom_op, from_numpy  # noqa: E402

NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler, found no g++")
BACKENDS = ["eager", "aot_eager", pytest.param("inductor", marks=NEEDS_COMPILER)]


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def function(pool_op):
    operator = custom_op(pool_op)
    return lambda x, k: torch.relu(operator(x * 2, k)) + 1


@pytest.mark.filterwarnings("default")  # what the compiler warns of differs between versions of PyTorch
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_compiled_function_gives_the_same(backend, dtype, function, pool, image):
    x = from_numpy(image).to(dtype).requires_grad_()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    result = compiled(x, 2)
    assert len(pool.calls) == 1
    result.sum().backward()
    compiled_gradient, x.grad = x.grad, None
    expected = function(x, 2)
    expected.sum().backward()
    assert torch.equal(result, expected)
    assert torch.equal(compiled_gradient, x.grad)


@pytest.mark.filterwarnings("default")
def test_shapes_may_be_symbolic(function, pool):
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
    for size in (4, 6, 9):
        x = torch.randn(2, size, size, requires_grad=True)
        result = compiled(x, 2)
        result.sum().backward()
        assert torch.equal(result, function(x, 2))
        assert x.grad.shape == x.shape


def test_an_exception_arrives_as_it_was_raised(function, pool, image):
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    with pytest.raises(KeyError) as caught:
        compiled(from_numpy(image), 9)
    assert caught.value is pool.refusal


@pytest.mark.filterwarnings("default")
def test_export_keeps_the_operator(function, image):
    class Model(torch.nn.Module):
        def forward(self, x):
            return function(x, 2)

    exported = torch.export.export(Model(), (from_numpy(image),))
    assert sum("nki_pool" in str(node.target) for node in exported.graph.nodes) == 1
    assert torch.equal(exported.module()(from_numpy(image)), function(from_numpy(image), 2))
