"""What a test function sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.session.pool import KEY, RECORD

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import Accuracy, KernelSpec
    from pytest_nki_pool.spec.platforms import Device


@pytest.fixture(scope="session")
def nki_target(pytestconfig: pytest.Config) -> str:
    """Where kernels execute: "device", "simulator" or "emulator"."""
    return pytestconfig.stash[KEY].bench.target


@pytest.fixture
def nki_backend(request: pytest.FixtureRequest) -> str:
    """The framework path: "baremetal", "torch" or "jax"; a test that requests it runs once for each chosen one."""
    backend: str = request.param
    return backend


@pytest.fixture
def nki_device(request: pytest.FixtureRequest, nki_target: str) -> Device:
    """What the kernel executes on; a test that requests it runs once for each chosen generation.

    On a Neuron device it tells the leased cores, which are this process's own while the test runs.
    """
    from pytest_nki_pool.spec.platforms import GENERATIONS, Device

    cores = request.config.stash[KEY].launching.here()
    return Device(nki_target, request.param, GENERATIONS[request.param], cores)


@pytest.fixture
def nki_kernel(request: pytest.FixtureRequest) -> KernelSpec:
    """The kernel under test; a test that requests it runs once for each chosen one."""
    spec: KernelSpec = request.param
    return spec


@pytest.fixture
def nki_case(request: pytest.FixtureRequest) -> Case:
    """A case of the corpus; a test that requests it runs once for each case of the chosen tier."""
    case: Case = request.param
    return case


@pytest.fixture
def nki_launch(pytestconfig: pytest.Config, nki_kernel: KernelSpec, nki_backend: str, nki_device: Device) -> Launcher:
    """Launches the kernel: ``nki_launch(x, k)`` on NumPy arrays, ``nki_launch.native(x, k)`` on the framework's."""
    return pytestconfig.stash[KEY].bench.launcher(nki_kernel, nki_backend, nki_device.platform)


@pytest.fixture(scope="session")
def nki_golden() -> Callable[[Any, int], np.ndarray]:
    """``nki_golden(x, k)``: the exact mean of every window as float64, shape (C, H // k, W // k)."""
    from pytest_nki_pool.emulator.frameworks.dispatch import as_numpy
    from pytest_nki_pool.spec import oracle

    return lambda x, k: oracle.golden(as_numpy(x), k)


@pytest.fixture
def assert_nki_close(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``assert_nki_close(got, x, k, accuracy=None)``: every element lies in the interval of the accuracy class.

    The class is the one the kernel under test claims, or "fp32" in a test without ``nki_kernel``.
    """
    spec: KernelSpec | None = request.getfixturevalue("nki_kernel") if "nki_kernel" in request.fixturenames else None
    claimed = spec.capabilities.accuracy if spec else "fp32"

    def close(got: Any, x: Any, k: int, *, accuracy: Accuracy | None = None) -> None:
        __tracebackhide__ = True
        from pytest_nki_pool.checks.explain import explain
        from pytest_nki_pool.emulator.frameworks.dispatch import as_numpy
        from pytest_nki_pool.spec import acceptance

        image = as_numpy(x)
        expected = acceptance.expect(image, k, accuracy or claimed)
        verdict = acceptance.judge(as_numpy(got), expected)
        if not verdict.ok:
            raise AssertionError(explain(verdict, expected, image))

    return close


@pytest.fixture
def nki_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Runs the suite's trial that the test was given, and ends the test as its verdict says."""
    session = request.config.stash[KEY]

    def check() -> None:
        __tracebackhide__ = True
        from pytest_nki_pool.report.failure import describe
        from pytest_nki_pool.report.model import Record
        from pytest_nki_pool.verdict import CONSEQUENCES, Status

        verdict, trial = session.verdict(request.param)
        rerun = session.rerun(trial)
        record = request.node.stash[RECORD] = Record(verdict, rerun)
        request.node.user_properties.extend(record.properties)
        outcome = CONSEQUENCES[verdict.finding.status].outcome
        if outcome == "failed":
            description = describe(verdict, rerun, session.keep(record, trial))
            if session.earlier.was_bad(str(verdict.identity)):
                pytest.xfail(f"bad in the baseline already: {description}")
            pytest.fail(description, pytrace=False)
        if verdict.finding.status is Status.XFAIL:
            pytest.xfail(verdict.finding.message)
        if outcome == "skipped":
            pytest.skip(f"{verdict.finding.status.value}: {verdict.finding.message}")

    return check
