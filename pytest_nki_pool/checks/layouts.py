"""Arrays that do not lie in memory as a kernel would have them: the right bits or a refusal, and no harm done.

The values of such an array, laid out plainly, say which bits are right.
"""

from __future__ import annotations

import warnings
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pytest_nki_pool.checks.base import (
    PASS,
    Check,
    KernelRaised,
    difference,
    failed,
    launch,
    launch_native,
    raised_by,
    same_bits,
)
from pytest_nki_pool.launch.errors import UnsupportedByPath, is_refusal
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import FrameworkPath, Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens

    #: Gives an array of the framework, and the array that owns its memory.
    Layout = Callable[[np.ndarray, FrameworkPath], tuple[Any, Any]]


def _fortran(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    array = np.asfortranarray(x)
    return array, array


def _negative_strides(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    return x[::-1, ::-1, ::-1], x


def _read_only(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    view = x[:]
    view.flags.writeable = False
    return view, x


def _misaligned(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    """Starts one byte after an address that suits the dtype."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    array = np.ndarray(x.shape, x.dtype, memory.data, offset=1)
    array[...] = x
    return array, memory


def _zero_stride(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    """One row for all: a row that is written is written everywhere."""
    return as_strided(x[:, :1], x.shape, (x.strides[0], 0, x.strides[2])), x


def _within(x: np.ndarray) -> np.ndarray:
    """Surround an image by other values and leave every second column to them."""
    channels, height, width = x.shape
    larger = np.full((channels, height + 2, 2 * width), 77, x.dtype)
    larger[:, 1:-1, ::2] = x
    return larger


def _sliced_tensor(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    larger = path.to_native(_within(x))
    return larger[:, 1:-1, ::2], larger


def _sliced_array(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    larger = path.to_native(_within(x))
    return _ready(larger[:, 1:-1, ::2]), larger


def _transposed(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    other = path.to_native(np.ascontiguousarray(x.swapaxes(1, 2)))
    return other.transpose(1, 2), other


def _expanded(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    row = path.to_native(x[:, :1].copy())
    return row.expand(x.shape), row


def _storage_offset(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    larger = path.to_native(np.concatenate([np.full(3, 77, x.dtype), x.reshape(-1)]))
    return larger[3:].view(x.shape), larger


def _requires_grad(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    tensor = path.to_native(x)
    if not tensor.is_floating_point():
        raise UnsupportedByPath("PyTorch differentiates floating-point tensors alone")
    return tensor.requires_grad_(), tensor


def _uncommitted(x: np.ndarray, _path: FrameworkPath) -> tuple[Any, Any]:
    array = _ready(import_module("jax.numpy").array(x))
    return array, array


def _committed(x: np.ndarray, path: FrameworkPath) -> tuple[Any, Any]:
    array = path.to_native(x)
    committed = _ready(import_module("jax").device_put(array, next(iter(array.devices()))))
    return committed, committed


def _ready(array: Any) -> Any:
    """Wait for an array: a program dispatched before its input is there may hold the thread that is to bring it."""
    return import_module("jax").block_until_ready(array)


def laid_out(case: Case, launcher: Launcher, goldens: Goldens, *, layout: Layout) -> Finding:
    """Launch on an array laid out unusually, and on its values laid out plainly."""
    path = launcher.path
    try:
        native, owner = layout(goldens.input(case), path)
    except UnsupportedByPath as error:
        return Finding(Status.UNSUPPORTED, str(error))
    before = path.to_numpy(owner).copy()
    expected = launch(launcher, np.array(path.to_numpy(native), order="C"), case.pool)
    refusal = ""
    try:
        got = path.to_numpy(launch_native(launcher, native, case.pool))
    except KernelRaised as raised:
        if not is_refusal(raised.error):
            raise
        got, refusal = expected, f"refused: {type(raised.error).__name__}: {raised.error}"
    if not same_bits(path.to_numpy(owner), before):
        return failed("the launch changed the memory of its input")
    fault = difference(got, expected)
    if fault:
        return failed(f"unlike the same values laid out plainly, the output {fault}")
    return Finding(Status.PASS, refusal)


def meta_device(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """A tensor on the meta device has no values: the launch refuses, or returns a tensor without values."""
    try:
        tensor = launcher.path.to_native(goldens.input(case)).to("meta")
    except UnsupportedByPath as error:
        return Finding(Status.UNSUPPORTED, str(error))
    launch(launcher, goldens.input(case), case.pool)
    try:
        got = launch_native(launcher, tensor, case.pool)
    except KernelRaised as raised:
        if not is_refusal(raised.error):
            raise
        return PASS
    if got.device.type != "meta":
        return failed(f"computed values on {got.device} from a tensor on the meta device, which has none")
    if tuple(got.shape) != case.out_shape or got.dtype != tensor.dtype:
        return failed(f"returned {got.dtype} of shape {tuple(got.shape)}, expected {tensor.dtype} of {case.out_shape}")
    return PASS


def donated(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """An argument whose memory is given away to the compiled function gives the same bits."""
    jax = import_module("jax")
    array = launcher.path.to_native(goldens.input(case))
    expected = launch(launcher, goldens.input(case), case.pool)
    function = jax.jit(launcher.function(array, case.pool), static_argnums=1, donate_argnums=0)
    with warnings.catch_warnings():
        # No output has the input's shape unless k is 1, so that JAX finds no use for the memory and says so.
        warnings.filterwarnings("ignore", "Some donated buffers were not usable")
        try:
            got = launcher.path.to_numpy(_ready(function(array, case.pool)))
        except Exception as error:
            raise raised_by(launcher, error) from error
    fault = difference(got, expected)
    return failed(f"unlike for an argument that is kept, the output {fault}") if fault else PASS


def _check(name: str, backend: str, about: str, layout: Layout) -> Check:
    return Check(name, "layouts", about, partial(laid_out, layout=layout), backends=(backend,))


CHECKS = (
    _check("fortran_order", "baremetal", "an array whose first axis is contiguous", _fortran),
    _check("negative_strides", "baremetal", "an array that runs backwards in memory", _negative_strides),
    _check("read_only", "baremetal", "an array that must not be written", _read_only),
    _check("misaligned", "baremetal", "an array that starts between two elements' addresses", _misaligned),
    _check("zero_stride", "baremetal", "an array whose rows share their memory", _zero_stride),
    _check("transposed_tensor", "torch", "a tensor with exchanged strides", _transposed),
    _check("sliced_tensor", "torch", "a tensor that is part of a larger one", _sliced_tensor),
    _check("expanded_tensor", "torch", "a tensor whose rows share their memory", _expanded),
    _check("storage_offset", "torch", "a contiguous tensor within a larger storage", _storage_offset),
    _check("requires_grad", "torch", "a tensor that takes part in autograd", _requires_grad),
    Check("meta_device", "layouts", "a tensor without values gives none", meta_device, backends=("torch",)),
    _check("uncommitted_array", "jax", "an array that JAX may move", _uncommitted),
    _check("committed_array", "jax", "an array bound to its device", _committed),
    _check("sliced_array", "jax", "an array cut out of a larger one", _sliced_array),
    Check("donated_array", "layouts", "an argument given away to jit", donated, backends=("jax",)),
)
