"""Every setting once: command-line flag, environment variable and ini key, read into one frozen `Settings`."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKENDS = ("baremetal", "torch", "jax")
TARGETS = ("device", "simulator", "emulator")
TIERS = ("smoke", "standard", "full")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting and the three places it can come from.

    Attributes:
        name: ``backend`` stands for ``--nki-backend``, ``NKI_POOL_BACKEND`` and the ini key ``nki_backend``.
        metavar: what the help shows for the value.
        help: help text.
        default: value as text when nobody says anything.
        separator: what separates several values in one text; empty for a single value, of which the last given counts.
        choices: the values allowed; empty when they are not a fixed set.
    """

    name: str
    metavar: str
    help: str
    default: str = ""
    separator: str = ""
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """Command-line flag."""
        return f"--nki-{self.name}"

    @property
    def variable(self) -> str:
        """Environment variable."""
        return f"NKI_POOL_{self.name.upper()}"

    @property
    def ini(self) -> str:
        """Key in pytest's ini file."""
        return f"nki_{self.name}"

    def read(self, config: pytest.Config) -> tuple[tuple[str, ...], str]:
        """The values and where they come from: flag before environment before ini before default.

        Raises:
            pytest.UsageError: a value is empty or not among the choices.
        """
        texts, source = self._texts(config)
        parts = [part.strip() for text in texts for part in (text.split(self.separator) if self.separator else [text])]
        values = tuple(dict.fromkeys(part for part in parts if part))
        if texts and not values:
            raise pytest.UsageError(f"{source} is empty{self._allowed()}")
        for value in values:
            if self.choices and value not in self.choices:
                raise pytest.UsageError(f"{source}: {value!r} is not known{self._allowed()}")
        return values, source

    def _texts(self, config: pytest.Config) -> tuple[list[str], str]:
        given = config.getoption(self.flag)
        if given:
            return list(given) if self.separator else given[-1:], self.flag
        if self.variable in os.environ:
            return [os.environ[self.variable]], self.variable
        ini = config.getini(self.ini)
        if ini:
            return [str(ini)], f"ini key {self.ini}"
        return ([self.default] if self.default else []), "default"

    def _allowed(self) -> str:
        return f"; choose from {', '.join(self.choices)}" if self.choices else f"; give {self.metavar} or leave it out"


OPTIONS = (
    Option(
        "backend",
        "NAME",
        "Framework path the arrays take: baremetal, torch, jax or all "
        "(repeatable or a comma list; default: every one installed)",
        separator=",",
        choices=(*BACKENDS, "all"),
    ),
    Option(
        "target",
        "NAME",
        "Where the kernel executes: auto, device, simulator or emulator (default: auto)",
        default="auto",
        choices=("auto", *TARGETS),
    ),
    Option(
        "platform",
        "NAME",
        "Chip to model or expect: trn1, trn1n, inf2, trn2, trn3 or all (repeatable or a comma list; default: trn2)",
        default="trn2",
        separator=",",
        choices=(*GENERATIONS, "all"),
    ),
    Option(
        "kernel",
        "MODULE:FUNCTION",
        "Kernel under test, package.module:function or path/to/file.py:function "
        "(repeatable; default: the built-in kernels)",
        separator="\n",
    ),
    Option(
        "tier",
        "NAME",
        "How much of the corpus runs: smoke, standard or full (default: standard)",
        default="standard",
        choices=TIERS,
    ),
    Option("check", "NAME", "Run this check or group of checks only (repeatable or a comma list)", separator=","),
    Option(
        "case",
        "TEXT",
        "Run this case only, for example c128h56w56k2:bf16:normal:s17 (repeatable or a comma list)",
        separator=",",
    ),
    Option("seed", "N", "Seed of the random data families, a whole number >= 0 (default: 0)", default="0"),
)


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
    rerun: str = "pytest"

    @property
    def asked(self) -> bool:
        """Whether a flag or an environment variable was given; an ini key or a default asks for nothing."""
        return any(source.startswith(("--", "NKI_POOL_")) for source in self.sources.values())

    def to_json(self) -> dict[str, Any]:
        """A form that a worker process can be sent."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Settings:
        """Read `to_json` back; JSON knows no tuples."""
        lists = {name: tuple(value) for name, value in record.items() if isinstance(value, (list, tuple))}
        lists["also"] = tuple(tuple(group) for group in record["also"])
        return cls(**{**record, **lists})


def add_options(parser: pytest.Parser) -> None:
    """Declare every option as a flag and as an ini key."""
    group = parser.getgroup("nki-pool", "NKI pooling kernels")
    for option in OPTIONS:
        group.addoption(option.flag, action="append", metavar=option.metavar, default=None, help=option.help)
        parser.addini(option.ini, help=option.help, default="")


def read_settings(config: pytest.Config) -> Settings:
    """Read every option.

    Raises:
        pytest.UsageError: a value is empty, unknown or no number.
    """
    values: dict[str, tuple[str, ...]] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        values[option.name], sources[option.name] = option.read(config)
    platforms = _expand(values["platform"], tuple(GENERATIONS))
    groups: dict[str, list[str]] = {}
    for platform in platforms:
        groups.setdefault(GENERATIONS[platform], []).append(platform)
    return Settings(
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
        root=str(config.invocation_params.dir),
    )


def _expand(values: tuple[str, ...], everything: tuple[str, ...]) -> tuple[str, ...]:
    """Replace "all" and bring what was asked for into the table's order."""
    return tuple(name for name in everything if "all" in values or name in values)


def _whole(text: str, source: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise pytest.UsageError(f"{source}: {text!r} is no seed; give a whole number >= 0 of at most 18 digits")
    return int(text)
