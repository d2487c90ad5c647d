"""A kernel that trusts the layout of its input, or harms it, is caught; refusing is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.checks.layouts import CHECKS
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.goldens import Goldens

Array = np.ndarray[Any, Any]

BY_NAME = {check.name: check for check in CHECKS}
CASE = Case.parse("c5h9w14k3:fp32:normal:s0")
#: Layouts that are not contiguous.
REORDERED = [
    "fortran_order",
    "negative_strides",
    "zero_stride",
    "transposed_tensor",
    "sliced_tensor",
    "expanded_tensor",
]


@pytest.fixture(autouse=True)
def _framework(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    (backend,) = BY_NAME[callspec.params["name"] if callspec else "read_only"].backends
    if backend != "baremetal":
        pytest.importorskip(backend, reason=f"{backend} is not installed: pip install 'pytest-nki-pool[{backend}]'")


def found(name: str, pool: Any, launcher: Callable[..., Launcher], goldens: Goldens, case: Case = CASE) -> Any:
    (backend,) = BY_NAME[name].backends
    return BY_NAME[name].function(case, launcher(pool, backend), goldens)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", BY_NAME)
def test_right_kernels_pass(
    name: str, dtype: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = found(name, right, launcher, goldens, Case.parse(f"c5h9w14k3:{dtype}:normal:s0"))
    assert (finding.status, finding.message) == (Status.PASS, "")


@pytest.mark.parametrize("name", REORDERED)
def test_a_kernel_that_takes_strides_for_another_order_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = found(name, lambda x, k: right(x if x.flags.c_contiguous else x[::-1], k), launcher, goldens)
    assert finding.status is Status.FAIL
    assert "laid out plainly" in finding.message


@pytest.mark.parametrize("name", ["storage_offset", "misaligned", "read_only", "requires_grad", "sliced_array"])
def test_a_kernel_that_is_wrong_for_the_second_launch_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = found(name, wrong_after(1, right), launcher, goldens)
    assert finding.status is Status.FAIL
    assert "laid out plainly" in finding.message


@pytest.mark.parametrize("name", ["uncommitted_array", "committed_array", "donated_array"])
def test_a_kernel_that_is_wrong_for_another_array_of_jax_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = found(name, wrong_after(1, right), launcher, goldens)
    assert finding.status is Status.FAIL
    assert "has other bits in 60 of 60 elements" in finding.message


def wrong_after(launches: int, right: Any) -> Any:
    seen = []

    def pool(x: Array, k: int) -> Array:
        seen.append(k)
        return right(x, k) + np.float32(len(seen) > launches)

    return pool


def harmful(right: Any) -> Any:
    """Scales its input in place, where it can."""

    def pool(x: Array, k: int) -> Array:
        y = right(x, k)
        if x.flags.writeable:
            x *= np.float32(0.5)
        return y

    return pool


@pytest.mark.parametrize(
    "name",
    [check.name for check in CHECKS if check.backends != ("jax",) and check.name not in ("meta_device", "read_only")],
)
def test_a_kernel_that_writes_to_its_input_fails(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    finding = found(name, harmful(right), launcher, goldens)
    assert finding.status is Status.FAIL
    assert "changed the memory of its input" in finding.message


def test_a_kernel_that_forces_its_way_into_read_only_memory_fails(
    right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    def pool(x: Array, k: int) -> Array:
        y = right(x, k)
        if not x.flags.writeable:
            x.base[0, 0, 0] += 1
        return y

    finding = found("read_only", pool, launcher, goldens)
    assert finding.message == "the launch changed the memory of its input"


@pytest.mark.parametrize("name", REORDERED)
def test_a_refusal_is_right(name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens) -> None:
    def pool(x: Array, k: int) -> Array:
        if not x.flags.c_contiguous:
            raise ValueError("a contiguous input, please")
        return right(x, k)

    finding = found(name, pool, launcher, goldens)
    assert finding.status is Status.PASS
    assert finding.message == "refused: ValueError: a contiguous input, please"


def test_a_breakdown_is_no_refusal(right: Any, launcher: Callable[..., Launcher], goldens: Goldens) -> None:
    from pytest_nki_pool.checks.base import KernelRaised

    def pool(x: Array, k: int) -> Array:
        return right(x, k) if x.flags.c_contiguous else x.no_such_thing

    with pytest.raises(KernelRaised, match="no_such_thing"):
        found("fortran_order", pool, launcher, goldens)


@pytest.mark.parametrize("name", ["meta_device"])
def test_numbers_for_a_tensor_without_values_are_wrong(
    name: str, right: Any, launcher: Callable[..., Launcher], goldens: Goldens
) -> None:
    import dataclasses

    torch = pytest.importorskip("torch")
    honest = launcher(right, "torch")

    class Path(type(honest.path)):
        def wrap(self, op: Any) -> Any:
            plain = super().wrap(op)
            return lambda x, k: plain(torch.zeros(x.shape), k) if x.is_meta else plain(x, k)

    finding = BY_NAME[name].function(CASE, dataclasses.replace(honest, path=Path(), _wrapped={}), goldens)
    assert finding.status is Status.FAIL
    assert "computed values on cpu" in finding.message
