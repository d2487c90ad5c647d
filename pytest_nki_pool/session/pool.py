"""What one pytest process knows about NKI: settings made concrete, and the workbench."""

from __future__ import annotations

import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_nki_pool.expect import Expectations
    from pytest_nki_pool.plan import Plan, Trial
    from pytest_nki_pool.report.model import Record
    from pytest_nki_pool.run import Workbench
    from pytest_nki_pool.search import Search
    from pytest_nki_pool.session.choice import Choice
    from pytest_nki_pool.session.earlier import Earlier
    from pytest_nki_pool.session.launching import Launching
    from pytest_nki_pool.session.machine import Machine
    from pytest_nki_pool.settings.read import Settings
    from pytest_nki_pool.settings.shards import Shard
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.kernel import KernelSpec
    from pytest_nki_pool.verdict import Identity, Verdict

KEY = pytest.StashKey["PoolSession"]()
RECORD = pytest.StashKey["Record"]()

_SUITE = "pytest_nki_pool.conformance"
#: Options that a case needs again to run alone as it did.
_OF_THE_MACHINE = ("timeout", "sysfs-root", "dev-root", "neuron-ls")


class PoolSession:
    """Settings made concrete, step by step and only as far as a run needs it.

    Args:
        config: pytest's configuration.
        settings: what was asked for.
        known: the devices of this machine, as `Launching.found` told them in another process; None to look for them.
    """

    def __init__(self, config: pytest.Config, settings: Settings, known: Mapping[str, Any] | None = None) -> None:
        self.settings = settings
        self._config = config
        self._known = known
        #: How many cases the shards of this run have together; known once tests are collected.
        self.cases_of_all_shards = 0

    @cached_property
    def concerned(self) -> bool:
        """Whether this run is about NKI: something was asked for, or the suite is among the arguments."""
        return self.settings.asked or any(_is_suite(argument) for argument in self._config.args)

    @property
    def shard(self) -> Shard | None:
        """Which part of the suite's cases this run has; None for all of them."""
        shard = self.settings.shard
        return shard if shard and shard.count > 1 and self.concerned else None

    def divide(self, cases: Collection[str]) -> Collection[str]:
        """The cases that this shard has, of those of all shards."""
        if self.shard is None:
            return cases
        self.cases_of_all_shards = len(cases)
        if hasattr(self._config, "workerinput"):
            self._config.workerinput["nki_pool_cases"].send(len(cases))
        return self.shard.share(cases, self.earlier.seconds)

    @cached_property
    def target(self) -> tuple[str, str]:
        """The target, and why kernels cannot execute there (empty when they can)."""
        from pytest_nki_pool.launch.targets import choose

        name, missing = choose(self.settings.target, self.machine.nodes)
        return name, (self.machine.absence() or missing) if name == "device" else missing

    @cached_property
    def machine(self) -> Machine:
        """The Neuron devices of this machine."""
        from pytest_nki_pool.session.machine import Machine

        return Machine(self.settings.devices, self.settings.sources, self._known)

    @cached_property
    def launching(self) -> Launching:
        """What this process launches with."""
        from pytest_nki_pool.session.launching import Launching
        from pytest_nki_pool.session.xdist import name_of

        return Launching(self, name_of(self._config))

    def close(self) -> list[str]:
        """End what was started to launch with, if anything was; what there is to tell of it."""
        if "launching" not in self.__dict__:
            return []
        self.launching.close()
        return self.launching.notes

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """The chips: the device's own, or those to model."""
        return (self.machine.place.platform,) if self.target == ("device", "") else self.settings.platforms

    @cached_property
    def backends(self) -> tuple[str, ...]:
        """The framework paths asked for, or else every one installed."""
        from pytest_nki_pool.launch.backends import BACKENDS

        return self.settings.backends or tuple(name for name in BACKENDS if not self._absent(name))

    def _absent(self, backend: str) -> str:
        """What a framework path lacks: the framework, or the part of an SDK that leads it to the target."""
        from pytest_nki_pool.launch.backends import BACKENDS
        from pytest_nki_pool.launch.targets import target

        name, missing = self.target
        return BACKENDS[backend].missing() or ("" if missing else target(name).without(backend))

    @cached_property
    def missing(self) -> dict[str, str]:
        """Framework paths and checks that do not run because something is not installed, with how to install it."""
        from pytest_nki_pool.launch.backends import BACKENDS

        wanted = self.settings.backends or tuple(BACKENDS)
        parts = {name: self._absent(name) for name in wanted}
        if self.concerned:
            from pytest_nki_pool.checks import CHECKS

            lacking = [check for check in CHECKS.values() if check.missing()]
            parts |= {f"check {check.name}": check.missing() for check in lacking if self.plan.would_run(check)}
            parts |= self.chosen.faults
            parts |= {f"kernel {spec.label}": self._refusal(spec) for spec in self.chosen.specs if self.chosen.built_in}
        return {name: reason for name, reason in parts.items() if reason}

    @cached_property
    def kernels(self) -> tuple[KernelSpec, ...]:
        """The kernels under test; of our own, which nobody asked for, those that the target launches."""
        if not self.chosen.built_in:
            return self.chosen.specs
        return tuple(spec for spec in self.chosen.specs if not self._refusal(spec))

    def _refusal(self, spec: KernelSpec) -> str:
        """Why the target does not launch a kernel, as far as its spec tells."""
        from pytest_nki_pool.launch.kernel import convention_of
        from pytest_nki_pool.launch.targets import target

        name, missing = self.target
        return "" if missing else target(name).refusal(spec.dialect, convention_of(spec))

    @cached_property
    def chosen(self) -> Choice:
        """The kernels under test and where they come from."""
        from pytest_nki_pool.session.choice import choose_kernels

        return choose_kernels(self.settings, self.hooked)

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
            platforms=self.platforms,
            tier=settings.tier,
            seed=settings.seed,
            checks=settings.checks,
            cases=self.cases,
        )

    @cached_property
    def bench(self) -> Workbench:
        """Where trials are run."""
        from pytest_nki_pool.launch.watch import Watch
        from pytest_nki_pool.run import Workbench

        name, missing = self.target
        if missing:
            raise pytest.UsageError(f"target {name}: {missing}")
        report = self.settings.report
        watch = Watch(counters=bool(report.paths), arrays=report.artifacts is not None)
        return Workbench(name, Path(self.settings.root), watch)

    @cached_property
    def expectations(self) -> Expectations:
        """What is known of cases that fail or are flaky."""
        from pytest_nki_pool import expect

        return expect.read([Path(self.settings.root, file).expanduser() for file in self.settings.expect])

    def trials(self, group: str) -> Sequence[Trial | Search]:
        """The trials of a group of the suite."""
        from pytest_nki_pool.plan import SEARCH

        if group != SEARCH:
            trials = self.plan.trials(group)
            # On a device each framework path has a process of its own: those of one path come after one another.
            return sorted(trials, key=lambda trial: trial.backends) if self.target[0] == "device" else trials
        if not self.settings.search or self.cases:
            return []
        from pytest_nki_pool.search import searches

        return searches(self.plan, self.settings.search)

    def judge(self, trial: Trial) -> Verdict:
        """Run a trial, and make of its verdict what the expectations say."""
        return self.expectations.apply(self.launching.runner.verdict(trial))

    def verdict(self, trial: Trial | Search) -> tuple[Verdict, Trial | Search]:
        """The verdict of a trial or a search, and what to run again: the trial, or that which the search found."""
        from pytest_nki_pool.plan import Trial

        if isinstance(trial, Trial):
            return self.judge(trial), trial
        from pytest_nki_pool.search import run

        verdict, found = run(trial, self.judge)
        if found:
            self.launching.runner.verdict(found)  # what the watch holds is to be about the case that is reported
        return self.expectations.apply(verdict), found or trial

    def faulty_expectations(self, seen: Collection[str]) -> list[str]:
        """What is wrong with the expectations themselves: expired, or about nothing.

        Args:
            seen: identities of the cases of this run.
        """
        if not self.settings.expect or self.cases:
            return []
        from pytest_nki_pool.plan import every_identity

        kernels = (*self.kernels, *self.hooked)
        return self.expectations.faults(seen, every_identity(kernels, {0, self.settings.seed}))

    def rerun(self, trial: Trial | Search) -> str:
        """The command that runs one trial or search alone."""
        options = {
            "kernel": trial.kernel.target,
            **self.settings.claims.flags,
            "backend": ",".join(trial.backends),
            "target": trial.target,
            "platform": trial.platform,
            **trial.selection,
        }
        return self._command(options)

    def keep(self, record: Record, trial: Trial | Search) -> str:
        """Keep the arrays of a failure, if that was asked for.

        Returns:
            Where they are, or why they are not; empty when nobody asked.
        """
        folder = self.settings.report.artifacts
        if folder is None:
            return ""
        from pytest_nki_pool.report.artifacts import keep
        from pytest_nki_pool.report.scrub import Scrubber
        from pytest_nki_pool.session.output import in_words, scrubbed

        try:
            told = scrubbed(record, Scrubber.of(self.settings.root))
            return str(keep(folder, told, self.launching.runner.arrays(trial)))
        except OSError as error:
            return in_words(error)

    def rerun_of(self, identity: Identity) -> str:
        """The command that runs the case of this identity alone, where there is no trial at hand."""
        kernels = {spec.label: spec.target for spec in self.kernels}
        options = {
            "kernel": kernels.get(identity.kernel, identity.kernel),
            **self.settings.claims.flags,
            "backend": identity.backend.replace("+", ","),
            "target": identity.target,
            "platform": identity.platform,
            "check": identity.check,
            **self._selection(identity),
        }
        return self._command(options)

    def _selection(self, identity: Identity) -> dict[str, str]:
        """What selects the case of an identity among those of its check."""
        from pytest_nki_pool.plan import SEARCH

        if identity.check != SEARCH:
            return {"case": identity.case}
        return {"search": f"{self.settings.search:g}", "seed": str(self.settings.seed)}

    def _command(self, options: Mapping[str, str]) -> str:
        flags = [f"--nki-{name}={value}" for name, value in options.items()]
        again = [name for name in _OF_THE_MACHINE if self.settings.sources[name].startswith("--")]
        flags += [shlex.quote(f"--nki-{name}={self.settings.given[name][0]}") for name in again]
        if self.settings.sources["expect"].startswith("--"):
            flags += [f"--nki-expect={file}" for file in self.settings.expect]
        return " ".join((self.settings.rerun, *map(shlex.quote, flags)))

    @cached_property
    def earlier(self) -> Earlier:
        """What earlier reports say about the cases of this run; an xdist worker is handed it by the controller."""
        from pytest_nki_pool.session.earlier import Earlier

        if hasattr(self._config, "workerinput"):
            return Earlier.from_json(self._config.workerinput["nki_pool_earlier"])
        return Earlier.of(self)

    @cached_property
    def hooked(self) -> list[KernelSpec]:
        """The kernels that plugins and conftest files name."""
        from pytest_nki_pool.spec.kernel import KernelSpec

        specs: list[KernelSpec] = []
        for result in self._config.hook.pytest_nki_pool_kernels(config=self._config):
            if not isinstance(result, (list, tuple)) or not all(isinstance(spec, KernelSpec) for spec in result):
                raise pytest.UsageError(
                    f"the hook pytest_nki_pool_kernels returned {result!r}; it returns a list of KernelSpec"
                )
            specs += result
        return specs


def session_of(config: pytest.Config) -> PoolSession:
    """The session of this process, opened by whoever needs it first.

    Raises:
        pytest.UsageError: an option has a value it cannot have.
    """
    if KEY not in config.stash:
        config.stash[KEY] = open_session(config)
    return config.stash[KEY]


def open_session(config: pytest.Config) -> PoolSession:
    """The session of this process; an xdist worker is handed the controller's settings, and the devices it found.

    Raises:
        pytest.UsageError: an option has a value it cannot have.
    """
    from pytest_nki_pool.settings.read import Settings, read_settings

    if hasattr(config, "workerinput"):
        given = config.workerinput
        return PoolSession(config, Settings.of(**given["nki_pool"]), given["nki_pool_machine"])
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


def only_lists(config: pytest.Config) -> bool:
    """Whether pytest was asked to list tests or fixtures instead of running anything."""
    option = config.option
    return bool(option.collectonly or option.showfixtures or option.show_fixtures_per_test)
