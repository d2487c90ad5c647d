"""What users of PyTorch and JAX do with a function: compile it, differentiate it and batch it."""

from __future__ import annotations

import dataclasses
import warnings
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.checks.base import PASS, Check, difference, failed, launch, raised_by
from pytest_nki_pool.launch.errors import MachineError
from pytest_nki_pool.spec import oracle
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens

    #: ``(launcher, x, k)``, x an array of the framework, says what is wrong; empty when nothing is.
    Behaviour = Callable[[Launcher, Any, int], str]


def behaves(case: Case, launcher: Launcher, goldens: Goldens, *, name: str, behaviour: Behaviour) -> Finding:
    """Launch plainly, then let the framework do what it does with the same array."""
    if name in launcher.path.lacks:
        return Finding(Status.UNSUPPORTED, launcher.path.lacks[name])
    launch(launcher, goldens.input(case), case.pool)
    dtype = DTYPES[case.dtype]
    if not dtype.floating or dtype.numpy.itemsize == 1:
        return Finding(Status.UNSUPPORTED, f"the frameworks themselves neither add nor differentiate in {case.dtype}")
    x = launcher.path.to_native(goldens.input(case))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a compiler warns of is no property of the kernel
            fault = behaviour(launcher, x, case.pool)
    except Exception as error:
        raised = raised_by(launcher, error)
        if isinstance(raised.error, MachineError):
            raise raised from error
        return failed(f"raises where the plain launch does not: {type(error).__name__}: {error}")
    return failed(fault) if fault else PASS


def _torch_opcheck(launcher: Launcher, x: Any, k: int) -> str:
    import_module("torch").library.opcheck(launcher.function(x, k), (x.requires_grad_(), k))
    return ""


def _torch_compile(launcher: Launcher, x: Any, k: int) -> str:
    torch, dynamo = import_module("torch"), import_module("torch._dynamo")
    function = launcher.function(x, k)
    dynamo.reset()
    try:
        got = torch.compile(lambda tensor: function(tensor, k), fullgraph=True, backend=launcher.path.compiler)(x)
    finally:
        dynamo.reset()
    return _fault(launcher, got, _plain(launcher, x, k))


def _torch_autograd(launcher: Launcher, x: Any, k: int) -> str:
    x.requires_grad_()
    result = launcher.function(x, k)(x, k)
    weights = _weights(launcher, result)
    result.backward(launcher.path.to_native(weights))
    gradient = oracle.adjoint(weights, tuple(x.shape), k)
    wrong = _fault(launcher, x.grad, gradient, "the gradient")
    return wrong or _fault(launcher, result, _plain(launcher, x, k))


def _torch_vmap(launcher: Launcher, x: Any, k: int) -> str:
    torch, function = import_module("torch"), launcher.function(x, k)
    images = [x, x.flip(0, 1, 2), -x]
    got = torch.vmap(lambda image: function(image, k))(torch.stack(images))
    return _fault(launcher, got, np.stack([_plain(launcher, image, k) for image in images]))


def _jax_jit(launcher: Launcher, x: Any, k: int) -> str:
    got = import_module("jax").jit(launcher.function(x, k), static_argnums=1)(x, k)
    return _fault(launcher, got, _plain(launcher, x, k))


def _jax_vmap(launcher: Launcher, x: Any, k: int) -> str:
    jax, function = import_module("jax"), launcher.function(x, k)
    images = [x, x[::-1, ::-1, ::-1], -x]
    # Ready before dispatch: a program that waits for its input may hold the thread that is to bring it.
    batch = jax.block_until_ready(jax.numpy.stack(images))
    got = jax.vmap(lambda image: function(image, k))(batch)
    return _fault(launcher, got, np.stack([_plain(launcher, image, k) for image in images]))


def _jax_grad(launcher: Launcher, x: Any, k: int) -> str:
    jax, function = import_module("jax"), launcher.function(x, k)
    weights = _weights(launcher, function(x, k))
    native = launcher.path.to_native(weights)
    got = jax.grad(lambda image: (function(image, k) * native).sum())(x)
    return _fault(launcher, got, oracle.adjoint(weights, x.shape, k), "the gradient")


def _jax_eval_shape(launcher: Launcher, x: Any, k: int) -> str:
    jax = import_module("jax")
    launches = []

    def counted(*args: Any) -> Any:
        launches.append(args)
        return launcher.run(*args)

    watched = dataclasses.replace(launcher, run=counted, _wrapped={}).function(x, k)
    said = jax.eval_shape(lambda image: watched(image, k), x)
    if launches:
        return "eval_shape launches the kernel"
    result = _plain(launcher, x, k)
    if (said.shape, said.dtype) == (result.shape, result.dtype):
        return ""
    return f"eval_shape says {said.dtype} of shape {said.shape}, a launch gives {result.dtype} of shape {result.shape}"


def _plain(launcher: Launcher, x: Any, k: int) -> np.ndarray:
    """The output of a launch on the same values."""
    result: np.ndarray = launcher(np.array(launcher.path.to_numpy(x), order="C"), k)
    return result


def _weights(launcher: Launcher, result: Any) -> np.ndarray:
    """A gradient of the result that tells its elements apart: small integers."""
    like = launcher.path.to_numpy(result)
    return (np.arange(like.size) % 13 - 6).reshape(like.shape).astype(like.dtype)


def _fault(launcher: Launcher, native: Any, expected: np.ndarray, what: str = "the result") -> str:
    fault = difference(launcher.path.to_numpy(native), expected)
    return f"{what} {fault}" if fault else ""


def _check(backend: str, name: str, about: str, behaviour: Behaviour) -> Check:
    name = f"{backend}_{name}"
    function = partial(behaves, name=name, behaviour=behaviour)
    return Check(name, "frameworks", about, function, backends=(backend,))


CHECKS = (
    _check("torch", "opcheck", "PyTorch's own checks of an operator", _torch_opcheck),
    _check("torch", "compile", "torch.compile(fullgraph=True) keeps the bits", _torch_compile),
    _check("torch", "autograd", "the gradient is exact", _torch_autograd),
    _check("torch", "vmap", "a batch gives the bits of its images", _torch_vmap),
    _check("jax", "jit", "jit keeps the bits", _jax_jit),
    _check("jax", "vmap", "a batch gives the bits of its images", _jax_vmap),
    _check("jax", "grad", "the gradient is exact", _jax_grad),
    _check("jax", "eval_shape", "the shape is known without a launch", _jax_eval_shape),
)
