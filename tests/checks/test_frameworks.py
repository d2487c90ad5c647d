"""A kernel, or what carries it, that goes wrong under a framework's transformations is caught."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.checks.frameworks import CHECKS
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.goldens import Goldens

Array = np.ndarray[Any, Any]

BY_NAME = {check.name: check for check in CHECKS}
CASE = Case.parse("c5h9w14k3:fp32:normal:s0")


@pytest.fixture(autouse=True)
def _framework(request: pytest.FixtureRequest) -> None:
    (backend,) = BY_NAME[request.node.callspec.params["name"]].backends
    pytest.importorskip(backend, reason=f"{backend} is not installed: pip install 'pytest-nki-pool[{backend}]'")


def carried(launcher: Launcher, wrap: Callable[[Any, Any], Any]) -> Launcher:
    """The launcher with another way to make the framework's function, from its own way and the operation."""

    class Path(type(launcher.path)):  # type: ignore[misc]
        def wrap(self, op: Any) -> Any:
            return wrap(super().wrap, op)

    return dataclasses.replace(launcher, path=Path(), _wrapped={})


def found(name: str, launcher: Launcher, goldens: Goldens, case: Case = CASE) -> Any:
    return BY_NAME[name].function(case, launcher, goldens)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", BY_NAME)
def test_right_kernels_pass(
    name: str, dtype: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    case = Case.parse(f"c2h5w7k2:{dtype}:normal:s0")
    finding = found(name, launcher(right, *BY_NAME[name].backends), goldens, case)
    assert finding.status is Status.PASS, finding.message


@pytest.mark.parametrize("name", ["torch_compile", "torch_autograd", "torch_vmap", "jax_jit", "jax_vmap"])
def test_other_bits_under_a_transformation_fail(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    launches = []

    def pool(x: Array, k: int) -> Array:
        launches.append(k)
        return right(x, k) + np.float32(len(launches) == 2)

    finding = found(name, launcher(pool, *BY_NAME[name].backends), goldens)
    assert finding.status is Status.FAIL
    assert "the result has other bits in 60 of" in finding.message


@pytest.mark.parametrize("name", ["torch_autograd", "jax_grad"])
def test_an_inexact_gradient_fails(name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens) -> None:
    def wrap(plain: Any, op: Any) -> Any:
        def adjoint(grad: Array, x: Any, k: int) -> Array:
            return np.nextafter(op.adjoint(grad, x, k), np.float32(np.inf))

        return plain(dataclasses.replace(op, adjoint=adjoint))

    finding = found(name, carried(launcher(right, *BY_NAME[name].backends), wrap), goldens)
    assert finding.status is Status.FAIL
    assert "the gradient has other bits in 630 of 630" in finding.message


@pytest.mark.parametrize("name", ["torch_opcheck"])
def test_an_operator_that_writes_to_its_input_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def pool(x: Array, k: int) -> Array:
        y = right(x, k)
        x += np.float32(1)
        return y

    finding = found(name, launcher(pool, "torch"), goldens)
    assert finding.status is Status.FAIL
    assert "raises where the plain launch does not: OpCheckError" in finding.message


@pytest.mark.parametrize("name", ["torch_compile", "torch_vmap", "jax_jit", "jax_vmap", "jax_grad", "jax_eval_shape"])
def test_a_function_that_cannot_be_traced_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def wrap(plain: Any, op: Any) -> Any:
        from pytest_nki_pool.emulator.frameworks.dispatch import as_numpy

        return lambda x, k: type_of(x)(op.run(as_numpy(x), k))

    backend = BY_NAME[name].backends[0]
    honest = launcher(right, backend)

    def type_of(_: Any) -> Any:
        return honest.path.to_native

    finding = found(name, carried(honest, wrap), goldens)
    assert finding.status is Status.FAIL
    assert "raises where the plain launch does not" in finding.message


@pytest.mark.parametrize("name", ["jax_eval_shape"])
def test_a_launch_for_the_shape_alone_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def wrap(plain: Any, op: Any) -> Any:
        function = plain(op)

        def eager(x: Any, k: int) -> Any:
            op.run(np.zeros(x.shape, x.dtype), k)
            return function(x, k)

        return eager

    finding = found(name, carried(launcher(right, "jax"), wrap), goldens)
    assert finding.message == "eval_shape launches the kernel"


@pytest.mark.parametrize("name", ["jax_eval_shape"])
def test_another_shape_than_that_of_a_launch_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def wrap(plain: Any, op: Any) -> Any:
        import jax

        function = plain(op)
        return lambda x, k: function(x, k)[:, :-1] if isinstance(x, jax.core.Tracer) else function(x, k)

    finding = found(name, carried(launcher(right, "jax"), wrap), goldens)
    assert finding.status is Status.FAIL
    assert "eval_shape says float32 of shape (5, 2, 4)" in finding.message


@pytest.mark.parametrize("name", BY_NAME)
def test_dtypes_the_frameworks_do_not_compute_in_are_unsupported(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    case = Case.parse("c2h5w7k2:fp8_e5m2:ints:s0")
    assert found(name, launcher(right, *BY_NAME[name].backends), goldens, case).status is Status.UNSUPPORTED
