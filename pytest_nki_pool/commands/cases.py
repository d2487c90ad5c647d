"""``nki-pool cases``: what the corpus holds."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.spec import corpus
from pytest_nki_pool.spec.dtypes import DTYPES

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from pytest_nki_pool.spec.case import Case


def cases(args: Namespace) -> Answer:
    """List the cases of a tier, or count them per group.

    Args:
        args: ``pattern``, ``group``, ``dtype``, ``tier``, ``seed`` and ``count``, see `pytest_nki_pool.cli`.

    Raises:
        CliError: an unknown group or dtype, or nothing matches.
    """
    _refuse_unknown("--group", args.group, GROUPS)
    _refuse_unknown("--dtype", args.dtype, DTYPES)
    found: dict[Case, list[str]] = {}
    for group in args.group or GROUPS:
        for case in corpus.cases(group, args.tier, args.seed):
            if (not args.dtype or case.dtype in args.dtype) and _matches(case, args.pattern):
                found.setdefault(case, []).append(group)
    if not found:
        raise CliError(f"no case of tier {args.tier} matches; `nki-pool cases --tier={args.tier}` lists all of them")
    return _counted(found) if args.count else _listed(found)


def _listed(found: dict[Case, list[str]]) -> Answer:
    data = [{"case": str(case), "groups": found[case]} for case in sorted(found)]
    return Answer("\n".join(str(case) for case in sorted(found)), data)


def _counted(found: dict[Case, list[str]]) -> Answer:
    """Cases per group, and how many different ones: a case can serve several groups."""
    memberships = [group for groups in found.values() for group in groups]
    counts = {group: memberships.count(group) for group in GROUPS if group in memberships}
    rows = {**counts, "different cases": len(found)}
    width = max(map(len, rows))
    text = "\n".join(f"{name.ljust(width)} {count:>7}" for name, count in rows.items())
    return Answer(text, {"groups": counts, "different": len(found)})


def _matches(case: Case, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(str(case), pattern) for pattern in patterns)


def _refuse_unknown(flag: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise CliError(f"{flag}: {name!r} is not known; choose from {', '.join(known)}")
