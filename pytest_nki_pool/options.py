"""Every setting once: command-line flag, environment variable and ini key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKENDS = ("baremetal", "torch", "jax")
TARGETS = ("device", "simulator", "emulator")
TIERS = ("smoke", "standard", "full")
DTYPES = ("fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e4m3fn", "fp8_e5m2", "int8")

#: What a switch may be set to where it needs a value: in the environment and in the ini file.
ON = ("yes", "true", "1")
OFF = ("no", "false", "0")


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

    An option without metavar is a switch: its flag takes no value.
    """

    name: str
    metavar: str
    help: str
    default: str = ""
    separator: str = ""
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The values allowed; empty when they are not a fixed set."""
        return self.choices if self.metavar else (*ON, *OFF)

    @property
    def flag(self) -> str:
        """Command-line flag."""
        return f"--nki-{self.name}"

    @property
    def variable(self) -> str:
        """Environment variable."""
        return f"NKI_POOL_{self.key.upper()}"

    @property
    def ini(self) -> str:
        """Key in pytest's ini file."""
        return f"nki_{self.key}"

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
            if self.allowed and value not in self.allowed:
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
        return f"; choose from {', '.join(self.allowed)}" if self.allowed else f"; give {self.metavar} or leave it out"


SELECTION = (
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

CLAIMS = (
    Option(
        "accuracy",
        "CLASS",
        "Claim of the kernels named: accuracy class fp32, fp32_sum_cast or native (default: what is known of the "
        "kernel, else fp32)",
        choices=("fp32", "fp32_sum_cast", "native"),
    ),
    Option(
        "dtype",
        "NAME",
        f"Claim of the kernels named: the dtypes they take, of {', '.join(DTYPES)} "
        "(repeatable or a comma list; default: what is known of the kernel, else fp32, bf16, fp16)",
        separator=",",
        choices=DTYPES,
    ),
    Option(
        "max-channels",
        "N|none",
        "Claim of the kernels named: most channels of one launch, none for any number (default: what is known of the "
        "kernel, else 128)",
    ),
    Option(
        "max-image-bytes",
        "N|none",
        "Claim of the kernels named: most bytes of one channel's image, none for any size (default: what is known of "
        "the kernel, else undeclared: images up to an eighth of a partition must work)",
    ),
    Option(
        "ragged",
        "WAY",
        "Claim of the kernels named: floor trims what fills no window, reject raises (default: what is known of the "
        "kernel, else floor)",
        choices=("floor", "reject"),
    ),
)

EXPECTATIONS = (
    Option(
        "expect",
        "FILE.toml",
        "Known failures and known flaky cases, each with a reason (repeatable)",
        separator="\n",
    ),
    Option(
        "search",
        "SECONDS",
        "Look beyond the fixed cases for a failing one, for this long in total, and shrink it "
        "(needs the extra pytest-nki-pool[search])",
    ),
)

REPORT = (
    Option(
        "report",
        "PATH",
        "Write a report; the suffix says which: .jsonl, .json, .md, .html or .badge.json (repeatable). "
        "The verdicts stand in the .jsonl beside it as they fall",
        separator="\n",
    ),
    Option("artifacts", "DIR", "Keep the arrays of every failure here, with a script that loads them"),
    Option(
        "baseline",
        "REPORT",
        "Fail only on cases that are bad now and were not in this report (.jsonl or .json of a whole run)",
    ),
    Option(
        "resume",
        "REPORT",
        "Run only the cases that have no verdict in this report of the same run, and take the others over",
    ),
)

SHARDS = (
    Option(
        "shard",
        "I/N",
        "Run the I-th of N parts of the suite's cases; auto/N asks the job array which one this is (default: what "
        "AWS Batch or Slurm says in a job array, unless single cases are named)",
    ),
    Option("durations", "REPORT", "Divide the cases among shards by what they took in this report (.jsonl or .json)"),
)


DEVICE = (
    Option(
        "device",
        "CORES",
        "NeuronCores to use, as NEURON_RT_VISIBLE_CORES takes them: 3, 3-6 or 3,4,5 (default: all that are given to "
        "this run)",
    ),
    Option(
        "timeout",
        "SECONDS",
        "Deadline of one case, which then runs in a child process that is killed (default: 300 on a device, none "
        "elsewhere)",
    ),
    Option("device-wait", "SECONDS", "How long to wait for a NeuronCore that others hold (default: 60)"),
    Option("require-device", "", "End with an error where there is no Neuron device, whatever else could be chosen"),
    Option("expect-instance", "TYPE", "End with an error unless this is a whole instance such as trn2.48xlarge"),
    Option("sysfs-root", "DIR", "Look for devices here instead of in /sys"),
    Option("dev-root", "DIR", "Look for device nodes here instead of in /dev"),
    Option("neuron-ls", "PATH", "The tool neuron-ls (default: /opt/aws/neuron/bin/neuron-ls)"),
)


#: Titles of the groups that ``pytest --help`` shows, and the options of each.
OPTION_GROUPS: Mapping[str, tuple[Option, ...]] = MappingProxyType(
    {
        "selection": SELECTION,
        "claims": CLAIMS,
        "expectations and search": EXPECTATIONS,
        "reports": REPORT,
        "devices": DEVICE,
        "shards": SHARDS,
    }
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option as a flag and as an ini key."""
    for title, options in OPTION_GROUPS.items():
        group = parser.getgroup(f"nki-pool {title}", f"NKI pooling kernels: {title}")
        for option in options:
            takes = {"action": "append", "metavar": option.metavar}
            switches = {"action": "append_const", "const": ON[0]}
            group.addoption(option.flag, default=None, help=option.help, **(takes if option.metavar else switches))
            parser.addini(option.ini, help=option.help, default="")
