import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'pytest-nki-pool[torch]'")

from pytest_nki_pool.emulator.frameworks.torch import (  # noqa: E402
    TORCH_DTYPES,
    custom_op,
    from_numpy,
    numpy_dtype,
    to_numpy,
    torch_dtype,
)

NKI_DTYPES = ("float32", "bfloat16", "float16", "float8_e5m2", "float8_e4m3fn", "int8", "int32")


@pytest.fixture(params=NKI_DTYPES)
def dtype(request):
    return np.dtype(getattr(np, request.param, None) or getattr(ml_dtypes, request.param))


def test_every_bit_pattern_survives_both_ways(dtype, every_bit_pattern):
    array = every_bit_pattern(dtype)
    tensor = from_numpy(array)
    assert tensor.dtype == getattr(torch, dtype.name)
    back = to_numpy(tensor)
    assert back.dtype == dtype
    assert back.tobytes() == array.tobytes()
    assert to_numpy(tensor.clone()).tobytes() == array.tobytes()


def test_both_sides_see_each_others_writes(dtype):
    tensor = torch.zeros(3, 4, dtype=getattr(torch, dtype.name))
    to_numpy(tensor)[1, 2] = 1
    assert tensor.to(torch.float32)[1, 2] == 1
    array = np.zeros((3, 4), dtype)
    from_numpy(array).view(torch.uint8)[0, 0] = 1
    assert array.view(np.uint8)[0, 0] == 1


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda t: t.transpose(0, 2), id="transposed"),
        pytest.param(lambda t: t[:, ::2, 1:], id="stepped"),
        pytest.param(lambda t: t[1:2].expand(3, 4, 6), id="expanded"),
        pytest.param(lambda t: t[0, 0, 0], id="scalar"),
    ],
)
def test_a_strided_view_shares_its_memory(dtype, view):
    base = torch.arange(48).reshape(2, 4, 6).to(torch.float32).to(getattr(torch, dtype.name))
    part = view(base)
    array = to_numpy(part)
    assert np.shares_memory(array, to_numpy(base))
    assert array.shape == tuple(part.shape)
    assert [stride // array.itemsize for stride in array.strides] == list(part.stride())
    assert array.astype(np.float32).tolist() == part.to(torch.float32).tolist()


@pytest.mark.parametrize("step", [slice(None, None, -1), slice(None, None, 2)], ids=["reversed", "stepped"])
def test_a_numpy_view_becomes_the_same_values(dtype, step):
    array = np.arange(24).reshape(4, 6).astype(dtype)[step]
    tensor = from_numpy(array)
    assert tensor.to(torch.float32).tolist() == array.astype(np.float32).tolist()
    assert np.shares_memory(to_numpy(tensor), array) == (array.strides[0] > 0)


def test_a_read_only_array_is_copied(dtype):
    array = np.ones(3, dtype)
    array.flags.writeable = False
    tensor = from_numpy(array)
    tensor.view(torch.uint8).zero_()
    assert (array == 1).all()


def test_a_field_of_a_record_is_copied():
    records = np.zeros(3, dtype=[("x", "f4"), ("flag", "i1")])
    records["x"] = [1, 2, 3]
    assert from_numpy(records["x"]).tolist() == [1, 2, 3]


def test_a_tensor_that_requires_gradients_is_handed_over():
    assert to_numpy(torch.ones(2, requires_grad=True)).tolist() == [1, 1]


def test_neurons_fp8_has_no_torch_dtype():
    ieee = np.dtype(ml_dtypes.float8_e4m3)
    assert ieee not in TORCH_DTYPES
    with pytest.raises(TypeError, match=r"PyTorch has no dtype float8_e4m3; it has .*float8_e4m3fn"):
        torch_dtype(ieee)
    with pytest.raises(TypeError, match="PyTorch has no dtype float8_e4m3;"):
        from_numpy(np.zeros(2, ieee))


def test_a_torch_dtype_without_twin_is_refused(pool_op):
    with pytest.raises(TypeError, match=r"torch.complex64 has no NumPy dtype .*torch.bfloat16"):
        numpy_dtype(torch.complex64)
    with pytest.raises(TypeError, match=r"torch.complex64 has no NumPy dtype"):
        custom_op(pool_op)(torch.zeros(1, 2, 2, dtype=torch.complex64), 2)


def test_a_tensor_elsewhere_is_refused():
    with pytest.raises(TypeError, match=r"CPU tensors, got one on meta; move it with .cpu\(\)"):
        to_numpy(torch.zeros(2, device="meta"))
