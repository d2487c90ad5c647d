"""What one pytest process knows about NKI: settings made concrete, and the workbench."""

from __future__ import annotations

import dataclasses
import re
import shlex
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nki_pool.plan import Plan, Trial
    from pytest_nki_pool.run import Workbench
    from pytest_nki_pool.settings import Settings
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import KernelSpec
    from pytest_nki_pool.verdict import Verdict  # noqa: F401 - names what the key below holds

KEY = pytest.StashKey["PoolSession"]()
VERDICT = pytest.StashKey["Verdict"]()

_SUITE = "pytest_nki_pool.conformance"
_HOOK = "the hook pytest_nki_pool_kernels"


class PoolSession:
    """Settings made concrete, step by step and only as far as a run needs it.

    Args:
        config: pytest's configuration.
        settings: what was asked for.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self._config = config

    @cached_property
    def concerned(self) -> bool:
        """Whether this run is about NKI: something was asked for, or the suite is among the arguments."""
        return self.settings.asked or any(_is_suite(argument) for argument in self._config.args)

    @cached_property
    def target(self) -> tuple[str, str]:
        """The target, and why kernels cannot execute there (empty when they can)."""
        from pytest_nki_pool.launch.targets import choose

        return choose(self.settings.target)

    @cached_property
    def backends(self) -> tuple[str, ...]:
        """The framework paths asked for, or else every one installed."""
        from pytest_nki_pool.launch.backends import BACKENDS

        return self.settings.backends or tuple(name for name, backend in BACKENDS.items() if not backend.missing())

    @cached_property
    def missing(self) -> dict[str, str]:
        """Framework paths and checks that do not run because something is not installed, with how to install it."""
        from pytest_nki_pool.launch.backends import BACKENDS

        wanted = self.settings.backends or tuple(BACKENDS)
        parts = {name: BACKENDS[name].missing() for name in wanted}
        if self.concerned:
            from pytest_nki_pool.checks import CHECKS

            parts |= {f"check {check.name}": check.missing() for check in CHECKS.values()}
        return {name: reason for name, reason in parts.items() if reason}

    @cached_property
    def kernels(self) -> tuple[KernelSpec, ...]:
        """The kernels under test: those named, or else those of the hook, or else the built-in ones."""
        from pytest_nki_pool.kernels import SPECS
        from pytest_nki_pool.spec.kernel import KernelSpec

        hooked = self._hooked
        known: dict[str, list[KernelSpec]] = {spec.target: [spec] for spec in SPECS}
        known |= {spec.target: [other for other in hooked if other.target == spec.target] for spec in hooked}
        named = [spec for name in self.settings.kernels for spec in known.get(name, [KernelSpec(name)])]
        return _distinct(named or hooked or SPECS)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The single cases asked for."""
        from pytest_nki_pool.spec.case import Case

        return tuple(Case.parse(text) for text in self.settings.cases)

    @cached_property
    def plan(self) -> Plan:
        """What the run covers."""
        from pytest_nki_pool.plan import Plan

        settings = self.settings
        return Plan(
            kernels=self.kernels,
            backends=self.backends,
            target=self.target[0],
            platforms=settings.platforms,
            tier=settings.tier,
            seed=settings.seed,
            checks=settings.checks,
            cases=self.cases,
        )

    @cached_property
    def bench(self) -> Workbench:
        """Where trials are run."""
        from pytest_nki_pool.run import Workbench

        name, missing = self.target
        if missing:
            raise pytest.UsageError(f"target {name}: {missing}")
        return Workbench(name, Path(self.settings.root))

    def validate(self) -> None:
        """Refuse what was asked for and cannot be had.

        Raises:
            pytest.UsageError: says what was seen, what is allowed and what to do.
        """
        name, missing = self.target
        source = self.settings.sources["target"]
        if missing:
            asked = name if self.settings.target == name else f"auto, which chose {name}"
            raise pytest.UsageError(f"{source}: target {asked}: {missing}")
        for backend in self.settings.backends:
            if backend in self.missing:
                raise pytest.UsageError(f"{self.settings.sources['backend']}: {backend}: {self.missing[backend]}")
        for step in (self._validate_checks, self._validate_cases, self._validate_kernels):
            step()

    def rerun(self, trial: Trial) -> str:
        """The command that runs one trial alone."""
        options = {
            "kernel": trial.kernel.target,
            "backend": ",".join(trial.backends),
            "target": trial.target,
            "platform": trial.platform,
            "check": trial.check.name,
            "case": str(trial.case),
        }
        flags = (shlex.quote(f"--nki-{name}={value}") for name, value in options.items())
        return " ".join((self.settings.rerun, *flags))

    @cached_property
    def _hooked(self) -> list[KernelSpec]:
        """The kernels that plugins and conftest files name."""
        from pytest_nki_pool.spec.kernel import KernelSpec

        specs: list[KernelSpec] = []
        for result in self._config.hook.pytest_nki_pool_kernels(config=self._config):
            if not isinstance(result, (list, tuple)) or not all(isinstance(spec, KernelSpec) for spec in result):
                raise pytest.UsageError(f"{_HOOK} returned {result!r}; it returns a list of KernelSpec")
            specs += result
        return specs

    def _validate_checks(self) -> None:
        if self.settings.checks:
            from pytest_nki_pool.checks import CHECKS, GROUPS

            source = self.settings.sources["check"]
            allowed = (*GROUPS, *(name for name in CHECKS if name not in GROUPS))
            for name in self.settings.checks:
                if name not in allowed:
                    raise pytest.UsageError(f"{source}: {name!r} is no check; choose from {', '.join(allowed)}")
                for check in CHECKS.values():
                    if name in (check.name, check.group) and check.missing():
                        raise pytest.UsageError(f"{source}: {name}: {check.missing()}")

    def _validate_cases(self) -> None:
        if self.settings.cases:
            from pytest_nki_pool.spec.case import CaseError

            _refuse_on(CaseError, lambda: self.cases, self.settings.sources["case"])

    def _validate_kernels(self) -> None:
        if not (self.settings.kernels or self._hooked):
            return
        from pytest_nki_pool.launch.errors import KernelClaimError, KernelSignatureError
        from pytest_nki_pool.launch.load import KernelLoadError

        source = self.settings.sources["kernel"] if self.settings.kernels else _HOOK
        for spec in self.kernels:
            _refuse_on(
                (KernelLoadError, KernelSignatureError, KernelClaimError), partial(self.bench.kernel, spec), source
            )


def open_session(config: pytest.Config) -> PoolSession:
    """The session of this process; an xdist worker is handed the controller's settings.

    Raises:
        pytest.UsageError: an option has a value it cannot have.
    """
    from pytest_nki_pool.settings import Settings, read_settings

    if hasattr(config, "workerinput"):
        return PoolSession(config, Settings.of(**config.workerinput["nki_pool"]))
    return PoolSession(config, read_settings(config, _rerun_prefix(config)))


def _rerun_prefix(config: pytest.Config) -> str:
    """The start of a command that repeats this run: its paths as the user gave them, and how plugins came in."""
    option = config.option
    plugins = [part for name in option.plugins or () if not name.startswith("no:") for part in ("-p", name)]
    ini = ["-c", option.inifilename] if option.inifilename else []
    pyargs = ["--pyargs"] if option.pyargs else []
    paths = config.args if config.args_source is config.ArgsSource.ARGS else []
    return shlex.join(["pytest", *plugins, *ini, *pyargs, *paths])


def _is_suite(argument: str) -> bool:
    """Whether a command-line argument of pytest points into the suite."""
    from importlib.util import find_spec

    if argument.partition("::")[0].startswith(_SUITE):
        return True
    suite = find_spec(_SUITE)
    path = Path(argument.partition("::")[0]).resolve()
    folder = Path(suite.origin).parent.resolve() if suite and suite.origin else None
    return folder is not None and (path == folder or folder in path.parents)


def _distinct(specs: Iterable[KernelSpec]) -> tuple[KernelSpec, ...]:
    """Give kernels of one name the name of their file as well, and a number where that is not enough."""
    specs = tuple(dict.fromkeys(specs))
    short = [_plain(spec.label) for spec in specs]
    labels = [
        label if short.count(label) == 1 else _plain(f"{_module(spec)}.{label}")
        for spec, label in zip(specs, short, strict=True)
    ]
    taken = {label for label in labels if labels.count(label) == 1}
    result = []
    for spec, label in zip(specs, labels, strict=True):
        numbered = (f"{label}.{number}" for number in count(1))
        name = label if labels.count(label) == 1 else next(name for name in numbered if name not in taken)
        taken.add(name)
        result.append(dataclasses.replace(spec, name=name))
    return tuple(result)


def _plain(label: str) -> str:
    """The label in characters that pytest leaves as they are in the id of a test."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)


def _module(spec: KernelSpec) -> str:
    """The last part of the module's name, or the file's name without its suffix."""
    return re.split(r"[./\\]", spec.target.rpartition(":")[0].removesuffix(".py"))[-1]


def _refuse_on(
    errors: type[Exception] | tuple[type[Exception], ...], action: Callable[[], object], source: str
) -> None:
    try:
        action()
    except errors as error:
        raise pytest.UsageError(f"{source}: {error}") from error
