"""The only loop: case, data, launch, golden, verdict."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import KernelRaised, raised_by
from pytest_nki_pool.emulator import UnsupportedByEmulator
from pytest_nki_pool.launch.errors import (
    KernelDialectError,
    KernelSpecError,
    MachineError,
    Mistrusted,
    UnsupportedByPath,
    blame,
    is_refusal,
)
from pytest_nki_pool.launch.kernel import Kernel, bind, convention_of
from pytest_nki_pool.launch.launcher import FrameworkPath, Launcher
from pytest_nki_pool.launch.load import load, read_dialect
from pytest_nki_pool.launch.targets import target as find_target
from pytest_nki_pool.launch.trust import doubt
from pytest_nki_pool.launch.watch import Watch
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.goldens import Goldens
from pytest_nki_pool.verdict import Finding, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_nki_pool.search import Search
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec

#: What is raised before or besides the kernel -> what that makes of the case.
_NOT_OF_THE_KERNEL: Mapping[type[Exception], Status] = MappingProxyType(
    {
        UnsupportedByPath: Status.UNSUPPORTED,
        Mistrusted: Status.MISTRUSTED,
        KernelSpecError: Status.INTERNAL,
    }
)


class Workbench:
    """Everything that outlives a trial: loaded kernels, launchers and goldens.

    Args:
        target: where kernels execute.
        root: folder that relative kernel paths start from.
        watch: looks on while kernels are launched; one that only counts and times when None.

    Attributes:
        blamed: what was raised in the last trial that tells of the machine and not of the kernel; None for nothing.
    """

    def __init__(self, target: str, root: Path, watch: Watch | None = None) -> None:
        self.target = target
        self.watch = watch or Watch()
        self.goldens = Goldens()
        self.blamed: str | None = None
        self._root = root
        self._target = find_target(target)
        self._load = lru_cache(maxsize=None)(self._load_kernel)
        self._path = lru_cache(maxsize=None)(self._make_path)
        self._launcher = lru_cache(maxsize=None)(self._make_launcher)
        self._doubt = lru_cache(maxsize=None)(self._find_doubt)

    def kernel(self, spec: KernelSpec) -> Kernel:
        """The kernel, its file executed once for this target.

        Raises:
            KernelLoadError: there is no such kernel, or its file raises.
            KernelDialectError: the installed SDK does not launch kernels of this kind.
            KernelSignatureError: its parameters cannot be mapped.
        """
        return self._load(spec)

    def launcher(self, spec: KernelSpec, backend: str, platform: str) -> Launcher:
        """The launcher of a kernel through a framework path on a platform."""
        return self._launcher(spec, backend, platform)

    def verdict(self, trial: Trial) -> Verdict:
        """Run one trial; whatever happens in it becomes a verdict."""
        self.watch.reset()
        self.blamed = None
        started = time.perf_counter()
        finding = self._finding(trial)
        seconds = time.perf_counter() - started
        return Verdict(trial.identity, finding, seconds, trial.check.aspect, self.watch.launches)

    def arrays(self, trial: Trial | Search) -> dict[str, np.ndarray]:
        """The arrays of the trial or search that ran last, if the watch keeps them.

        Returns:
            What each launch was given and returned; of a trial also "input", the case's input, and "exact", "low" and
            "high": the correctly rounded result and, as float64, the ends of what is accepted.
        """
        arrays: dict[str, np.ndarray] = {}
        for number, exchange in enumerate(self.watch.exchanges):
            arrays |= {f"launch{number}_input{i}": array for i, array in enumerate(exchange.inputs)}
            arrays |= {f"launch{number}_output{i}": array for i, array in enumerate(exchange.outputs)}
        return arrays | self.expected_arrays(trial) if isinstance(trial, Trial) else arrays

    def expected_arrays(self, trial: Trial) -> dict[str, np.ndarray]:
        """Those of `arrays` that no launch is needed for: a trial's input, and what is accepted as its output."""
        expected = self.goldens.expected(trial.case, trial.kernel.capabilities.accuracy)
        arrays = {"input": self.goldens.input(trial.case), "exact": expected.exact}
        if expected.bounds:
            arrays["low"] = np.fmin.reduce([bound.low for bound in expected.bounds])
            arrays["high"] = np.fmax.reduce([bound.high for bound in expected.bounds])
        return arrays

    def _finding(self, trial: Trial) -> Finding:
        excluded = trial.kernel.capabilities.excludes(trial.case, DTYPES[trial.case.dtype].numpy.itemsize)
        kernel = self.kernel(trial.kernel)
        try:
            launchers = [self.launcher(trial.kernel, backend, trial.platform) for backend in trial.backends]
            for backend in trial.backends:
                self._trust(backend, trial.platform)
            subject = launchers if trial.check.compares else launchers[0]
            finding = trial.check.function(trial.case, subject, self.goldens)
        except KernelRaised as raised:
            if isinstance(raised.error, MachineError):
                self.blamed = str(raised.error.error)
            return replace(_raised(raised.error, excluded, kernel), raised=type(raised.error).__name__)
        except Mistrusted as mistrusted:
            return Finding(Status.MISTRUSTED, str(mistrusted))
        except Exception:  # a fault of the suite must not look like one of the kernel
            return Finding(Status.INTERNAL, f"the suite itself failed:\n{traceback.format_exc()}")
        if excluded and finding.status is Status.PASS and not finding.raised:
            return Finding(Status.PASS, f"claims less than it does: {excluded}", finding.max_ulp, finding.share)
        return finding

    def _load_kernel(self, spec: KernelSpec) -> Kernel:
        # Before it is executed: without the API that it is written for, it could only say that an import fails.
        self._admit(spec, spec.dialect or read_dialect(spec.target, self._root), convention_of(spec))
        kernel = bind(spec, load(spec.target, resolve=self._target.resolve, root=self._root))
        self._admit(spec, kernel.dialect, kernel.convention)
        return kernel

    def _admit(self, spec: KernelSpec, dialect: Dialect | None, convention: Convention | None) -> None:
        reason = self._target.refusal(dialect, convention)
        if reason:
            raise KernelDialectError(f"{spec.target}: {reason}")

    def _make_launcher(self, spec: KernelSpec, backend: str, platform: str) -> Launcher:
        kernel, path = self.kernel(spec), self._path(backend)
        to_numpy = path.to_numpy if self.target == "device" else np.asarray  # what `run` takes and returns
        run = self.watch.around(self._target.executor(kernel, platform, path), to_numpy)
        return Launcher(kernel, backend, self.target, platform, path, run)

    def _make_path(self, backend: str) -> FrameworkPath:
        try:
            return self._target.path(backend)
        except Exception as error:
            if self.target != "device":
                raise
            fault = blame(error)
            what = f"{backend} does not reach the device: {type(error).__name__}: {error}"
            raise KernelRaised(fault if isinstance(fault, MachineError) else Mistrusted(what)) from error

    def _trust(self, backend: str, platform: str) -> None:
        reason = self._doubt(backend, platform)
        self.watch.reset()  # what it takes to trust a target is no part of the case
        if reason:
            raise Mistrusted(reason)

    def _find_doubt(self, backend: str, platform: str) -> str:
        """Why what the target returns through a framework path says nothing of a kernel; empty when it can be trusted.

        Found out once: after a wrong answer nothing more is launched.
        """
        witness = self._target.witness()
        if witness is None:
            return ""
        launcher = self.launcher(witness, backend, platform)
        try:
            return doubt(launcher)
        except Exception as error:
            raised = raised_by(launcher, error)
            if isinstance(raised.error, MachineError):
                raise raised from error
            what = f"{type(error).__name__}: {error}"
            return f"the {self.target} cannot be trusted: a launch of our own through {backend} raised {what}"


def _raised(error: Exception, excluded: str, kernel: Kernel) -> Finding:
    """What a launch that raised says about the kernel."""
    if isinstance(error, MachineError):
        return Finding(error.fault.status or Status.CRASH, str(error))
    if type(error) in _NOT_OF_THE_KERNEL:
        return Finding(_NOT_OF_THE_KERNEL[type(error)], str(error))
    what = f"{type(error).__name__}: {error}{_where(error, kernel)}"
    if isinstance(error, UnsupportedByEmulator):
        return Finding(Status.INTERNAL, f"the emulator cannot judge this kernel: {what}")
    if not is_refusal(error):
        return Finding(Status.FAIL, f"the kernel is broken: {what}")
    if excluded:
        return Finding(Status.UNSUPPORTED, f"{excluded}, and the kernel refuses it: {what}")
    return Finding(Status.FAIL, f"the kernel refuses a case it claims: {what}")


def _where(error: Exception, kernel: Kernel) -> str:
    """The kernel's line that raised, unless the message already names it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(kernel.loaded.path)]
    if not frames or f"{kernel.loaded.path.name}:{frames[-1].lineno}" in str(error):
        return ""
    return f" (at {kernel.loaded.path.name}:{frames[-1].lineno})"
