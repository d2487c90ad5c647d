"""What a run was asked to do: every option read once, into one frozen `Settings`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.options import BACKENDS, OPTION_GROUPS
from pytest_nki_pool.settings.claims import Claims
from pytest_nki_pool.settings.devices import DeviceSettings
from pytest_nki_pool.settings.report import ReportSettings
from pytest_nki_pool.settings.shards import Shard, discover, resolve
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked to do.

    Attributes:
        backends: framework paths asked for; empty means every one installed.
        target: "auto" or a target.
        platforms: one platform per generation asked for.
        also: for each of `platforms`, every platform asked for that is the same generation.
        kernels: target strings as given; empty means the built-in kernels or those of the hook.
        tier: how much of the corpus.
        checks: names of checks or groups; empty means all.
        cases: texts of single cases; empty means the tier's corpus.
        seed: seed of the random families.
        sources: where each setting comes from.
        root: folder that relative kernel paths start from.
        rerun: the start of the command that reruns a case.
        given: the values of every option as text.
        expect: files of expectations.
        search: seconds to look for failing cases; 0 for no search.
        report: what is written about the run.
        claims: what is claimed of the kernels named.
        devices: what is asked of the machine.
        shard: which part of the suite's cases, of those that `PoolSession.concerned` runs have; None for all of them.
    """

    backends: tuple[str, ...]
    target: str
    platforms: tuple[str, ...]
    also: tuple[tuple[str, ...], ...]
    kernels: tuple[str, ...]
    tier: str
    checks: tuple[str, ...]
    cases: tuple[str, ...]
    seed: int
    sources: Mapping[str, str]
    root: str
    rerun: str
    given: Mapping[str, tuple[str, ...]]
    expect: tuple[str, ...]
    search: float
    report: ReportSettings
    claims: Claims
    devices: DeviceSettings
    shard: Shard | None

    @property
    def asked(self) -> bool:
        """Whether a flag or an environment variable was given; an ini key or a default asks for nothing."""
        return any(source.startswith(("--", "NKI_POOL_")) for source in self.sources.values())

    @classmethod
    def of(
        cls, given: Mapping[str, Sequence[str]], sources: Mapping[str, str], root: str, rerun: str = "pytest"
    ) -> Settings:
        """Understand the text of every option.

        Raises:
            pytest.UsageError: a value is not what the option takes.
        """
        values = {name: tuple(texts) for name, texts in given.items()}
        platforms = _expand(values["platform"], tuple(GENERATIONS))
        groups: dict[str, list[str]] = {}
        for platform in platforms:
            groups.setdefault(GENERATIONS[platform], []).append(platform)
        return cls(
            backends=_expand(values["backend"], BACKENDS),
            target=values["target"][0],
            platforms=tuple(group[0] for group in groups.values()),
            also=tuple(tuple(group) for group in groups.values()),
            kernels=values["kernel"],
            tier=values["tier"][0],
            checks=values["check"],
            cases=values["case"],
            seed=_whole(values["seed"][0], sources["seed"]),
            sources=sources,
            root=root,
            rerun=rerun,
            given=values,
            expect=values["expect"],
            search=_seconds(values["search"][0], sources["search"]) if values["search"] else 0.0,
            claims=Claims.of(values, sources),
            devices=DeviceSettings.of(values, sources, root),
            report=ReportSettings.of(values, sources, root),
            shard=Shard.parse(values["shard"][0], sources["shard"]) if values["shard"] else None,
        )

    def to_json(self) -> dict[str, Any]:
        """What `of` takes, in a form that a worker process can be sent."""
        given = {name: list(texts) for name, texts in self.given.items()}
        return {"given": given, "sources": dict(self.sources), "root": self.root, "rerun": self.rerun}


def read_settings(config: pytest.Config, rerun: str) -> Settings:
    """Read every option.

    Args:
        config: pytest's configuration.
        rerun: the start of the command that reruns a case.

    Raises:
        pytest.UsageError: a value is empty, unknown or not what the option takes.
    """
    options = [option for group in OPTION_GROUPS.values() for option in group]
    read = {option.name: option.read(config) for option in options}
    given = {name: values for name, (values, _) in read.items()}
    sources = {name: source for name, (_, source) in read.items()}
    if given["shard"]:
        text, sources["shard"] = resolve(given["shard"][0], sources["shard"], os.environ)
        given["shard"] = (text,)
    elif not given["case"]:  # a case that is run again inside a job array is to run
        text, source = discover(os.environ)
        given["shard"], sources["shard"] = ((text,), source) if text else ((), "default")
    return Settings.of(given, sources, str(config.invocation_params.dir), rerun)


def _expand(values: tuple[str, ...], everything: tuple[str, ...]) -> tuple[str, ...]:
    """Replace "all" and bring what was asked for into the table's order."""
    return tuple(name for name in everything if "all" in values or name in values)


def _seconds(text: str, source: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) or float(text) == 0:
        raise pytest.UsageError(f"{source}: {text!r} is no time; give a number of seconds above 0, such as 30")
    return float(text)


def _whole(text: str, source: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise pytest.UsageError(f"{source}: {text!r} is no seed; give a whole number >= 0 of at most 18 digits")
    return int(text)
