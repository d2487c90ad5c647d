"""``nki-pool``: everything that is no test run."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.options import BACKENDS, CLAIMS, DEVICE, ON, SELECTION, TIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nki_pool.options import Option

#: Exit code when what was asked for cannot be had, as argparse uses it.
_USAGE = 2


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command, in the words of `argparse.ArgumentParser.add_argument`."""

    names: tuple[str, ...]
    keywords: Mapping[str, Any]


def argument(*names: str, **keywords: Any) -> Argument:
    """Describe an argument as `argparse.ArgumentParser.add_argument` takes it."""
    return Argument(names, MappingProxyType(keywords))


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``--help`` and ``--json`` come by themselves.

    Attributes:
        help: what it does, in one sentence.
        example: a command line to copy.
        run: ``package.module:function``, imported when the command is called: takes the parsed arguments (among them
            ``json``: the answer's data will be printed, not its text), returns an `Answer`, raises `CliError`.
        arguments: what it takes.
    """

    help: str
    example: str
    run: str
    arguments: tuple[Argument, ...] = ()

    def __call__(self, args: argparse.Namespace) -> Answer:
        """Run it."""
        module, _, function = self.run.partition(":")
        answer: Answer = getattr(import_module(module), function)(args)
        return answer


def _natural(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 0 of at most 18 digits")
    return int(text)


def _positive(text: str) -> int:
    if _natural(text) == 0:
        raise argparse.ArgumentTypeError("0 is not a whole number >= 1")
    return int(text)


_REPORT = "a .jsonl or .json report"


def _of_pytest(option: Option) -> Argument:
    """An option of pytest, under both names."""
    takes = {"action": "append", "metavar": option.metavar}
    switches = {"action": "append_const", "const": ON[0]}
    keywords = takes if option.metavar else switches
    return argument(f"--{option.name}", option.flag, dest=option.key, help=option.help, **keywords)


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "show": Command(
            "Show a report: what it says, the table, the failures; also of a run that did not end.",
            "nki-pool show report.jsonl",
            "pytest_nki_pool.commands.reports:show",
            (
                argument("report", metavar="REPORT", help=_REPORT),
                argument("--failures", type=_natural, default=10, metavar="N", help="print at most N (default: 10)"),
            ),
        ),
        "render": Command(
            "Write a report in another format: the suffix of each path says which.",
            "nki-pool render report.jsonl report.md report.badge.json",
            "pytest_nki_pool.commands.reports:render",
            (
                argument("report", metavar="REPORT", help=_REPORT),
                argument("path", nargs="+", metavar="PATH", help="a file to write"),
            ),
        ),
        "merge": Command(
            "Make one report of the shards of a run, or of runs of the same kernels on other paths and platforms.",
            "nki-pool merge shard-*.jsonl --output=report.jsonl",
            "pytest_nki_pool.commands.reports:merge",
            (
                argument("report", nargs="+", metavar="REPORT", help=f"{_REPORT}, all of them complete"),
                argument("--output", required=True, metavar="PATH", help="the file to write, in any format"),
            ),
        ),
        "diff": Command(
            "Say what changed from one report to another; exits 1 on a regression.",
            "nki-pool diff main.jsonl branch.jsonl",
            "pytest_nki_pool.commands.reports:diff",
            (
                argument("old", metavar="OLD", help=f"{_REPORT} of a whole run"),
                argument("new", metavar="NEW", help=f"{_REPORT} of a whole run"),
            ),
        ),
        "cases": Command(
            "List the cases of the corpus, or count them per group.",
            "nki-pool cases 'c128*:bf16:*' --tier=full --group=values",
            "pytest_nki_pool.commands.cases:cases",
            (
                argument("pattern", nargs="*", metavar="GLOB", help="case texts to list (default: all)"),
                argument(
                    "--tier", choices=TIERS, default="standard", help="how much of the corpus (default: standard)"
                ),
                argument("--group", action="append", default=[], metavar="NAME", help="this group only (repeatable)"),
                argument("--dtype", action="append", default=[], metavar="NAME", help="this dtype only (repeatable)"),
                argument("--seed", type=_natural, default=0, metavar="N", help="seed of the data (default: 0)"),
                argument("--count", action="store_true", help="print how many there are instead"),
            ),
        ),
        "zoo": Command(
            "Run wrong and honest kernels through the suite and print which group catches which; exits 1 where one is "
            "judged wrongly.",
            "nki-pool zoo 'divides_*' --tier=smoke",
            "pytest_nki_pool.commands.zoo:zoo",
            (
                argument("name", nargs="*", metavar="GLOB", help="kernels of the zoo (default: all)"),
                argument(
                    "--tier", choices=TIERS, default="standard", help="how much of the corpus (default: standard)"
                ),
                argument(
                    "--backend",
                    action="append",
                    choices=BACKENDS,
                    default=[],
                    help="framework path (repeatable; default: baremetal)",
                ),
                argument("--only", choices=("wrong", "honest"), help="which kernels (default: both)"),
                argument("--whole", action="store_true", help="let a group go on with a kernel that it has killed"),
            ),
        ),
        "sweep": Command(
            "Run more cases than pytest wants to collect, in worker processes; exits like pytest: 0, 1 or 75.",
            "nki-pool sweep --kernel=pool.py:avgpool --tier=full --seeds=100 --report=sweep.jsonl",
            "pytest_nki_pool.commands.sweep:sweep",
            (
                *map(_of_pytest, (*SELECTION, *CLAIMS, *DEVICE)),
                argument(
                    "--seeds", type=_positive, default=1, metavar="N", help="seeds of each random case (default: 1)"
                ),
                argument("--report", required=True, metavar="PATH.jsonl", help="the report to write, line by line"),
                argument("--resume", metavar="REPORT", help="take over the verdicts of this report of the same sweep"),
                argument(
                    "--engine",
                    choices=("local", "ray"),
                    default="local",
                    help="local: processes of this machine; ray: actors of the cluster at RAY_ADDRESS, or of this "
                    "machine without one (needs the extra pytest-nki-pool[ray])",
                ),
                argument(
                    "--workers",
                    type=_positive,
                    metavar="N",
                    help="how many (default: one per core; on a device one per free NeuronCore, and no more)",
                ),
                argument(
                    "--batch",
                    type=_positive,
                    metavar="N",
                    help="most cases of a batch (default: 500, on a device 1)",
                ),
            ),
        ),
        "devices": Command(
            "List the Neuron devices of this machine; exits 1 without any.",
            "nki-pool devices --expect-instance=trn2.48xlarge",
            "pytest_nki_pool.commands.devices:devices",
            (
                argument("--expect-instance", metavar="TYPE", help="exit 1 unless all of this instance is there"),
                argument("--sysfs-root", metavar="DIR", help="in place of /sys"),
                argument("--dev-root", metavar="DIR", help="in place of /dev"),
                argument("--neuron-ls", metavar="PATH", help="in place of /opt/aws/neuron/bin/neuron-ls"),
            ),
        ),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line after ``nki-pool``; that of the process when None.

    Returns:
        The exit code: what the command says, or 2 when what was asked for cannot be had.
    """
    args = _parser().parse_args(arguments)
    try:
        answer = COMMANDS[args.command](args)
        print(json.dumps(answer.data, indent=2) if args.json else answer.text, flush=True)  # noqa: T201 - its purpose
    except CliError as error:
        print(f"nki-pool: error: {error}", file=sys.stderr)  # noqa: T201 - its purpose
        return _USAGE
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python would complain once more on its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return answer.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("nki-pool", description="Reports, cases and devices of the NKI pooling suite.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        epilog = f"example: {command.example}"
        sub = commands.add_parser(name, help=command.help, description=command.help, epilog=epilog)
        for item in command.arguments:
            sub.add_argument(*item.names, **item.keywords)
        sub.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser
