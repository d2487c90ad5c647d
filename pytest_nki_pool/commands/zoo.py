"""``nki-pool zoo``: which test group catches which wrong kernel, and whether every honest one is left alone."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.checks import GROUPS
from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.zoo import MUTANTS, VARIANTS, kill_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_nki_pool.zoo import Row


def zoo(args: argparse.Namespace) -> Answer:
    """Run the zoo; the exit code is 1 where a kernel was judged wrongly.

    Raises:
        CliError: no kernel of the zoo has such a name, or a framework is not installed.
    """
    known = {None: (*MUTANTS, *VARIANTS), "wrong": MUTANTS, "honest": VARIANTS}[args.only]
    chosen = [one for one in known if not args.name or any(fnmatchcase(one.name, glob) for glob in args.name)]
    if not chosen:
        kind = f"{args.only} kernel" if args.only else "kernel"
        raise CliError(f"no {kind} of the zoo is called {' or '.join(args.name)}; without a name all {len(known)} run")
    backends = tuple(dict.fromkeys(args.backend)) or ("baremetal",)
    for backend in backends:
        if BACKENDS[backend].missing():
            raise CliError(f"{backend}: {BACKENDS[backend].missing()}")
    rows = kill_table(chosen, args.tier, backends, whole=args.whole)
    wrong = [row for row in rows if _fault(row)]
    return Answer(_text(rows, wrong), [_record(row) for row in rows], exit_code=1 if wrong else 0)


def _fault(row: Row) -> str:
    """How a kernel was judged wrongly; empty when it was judged rightly."""
    meant = row.specimen.killed_by
    undecided = [group for group, cell in row.cells.items() if cell.undecided]
    if undecided:
        return f"not judged by {', '.join(undecided)}"
    if not meant:
        refused = [group for group, cell in row.cells.items() if cell.rule]
        wrongly = [group for group in row.cells if group in row.killers or group in refused]
        return f"honest, and failed by {', '.join(wrongly)}" if wrongly else ""
    return "" if meant in row.killers or row.specimen.survives else f"wrong, and not caught by {meant}"


def _text(rows: Sequence[Row], wrong: Sequence[Row]) -> str:
    groups = [group for group in GROUPS if any(group in row.cells for row in rows)]
    width = max(len(row.specimen.name) for row in rows)
    header = f"{'kernel':{width}}  {'  '.join(groups)}"
    lines = [f"{row.specimen.name:{width}}  {'  '.join(_mark(row, group) for group in groups)}" for row in rows]
    caught = sum(bool(row.killers) for row in rows if row.specimen.killed_by)
    mutants = sum(bool(row.specimen.killed_by) for row in rows)
    passed = sum(not row.specimen.killed_by and not _fault(row) for row in rows)
    return "\n".join(
        (
            header,
            *lines,
            "",
            "x: kills, X: kills and is meant to, r: a launch raised, ?: could not judge, .: passes, blank: no case",
            f"{caught} of {mutants} wrong kernels caught, {passed} of {len(rows) - mutants} honest ones passed",
            *(f"judged wrongly: {row.specimen.name}: {_fault(row)}" for row in wrong),
        )
    )


def _mark(row: Row, group: str) -> str:
    cell = row.cells.get(group)
    mark = " " if cell is None else "."
    if cell and cell.undecided:
        mark = "?"
    elif group in row.killers:
        mark = "X" if group == row.specimen.killed_by else "x"
    elif cell and cell.rule:
        mark = "r"
    return mark.ljust(len(group))


def _record(row: Row) -> dict[str, Any]:
    specimen = row.specimen
    return {
        "kernel": specimen.name,
        "about": specimen.about,
        "meant_for": specimen.killed_by,
        "killed_by": list(row.killers),
        "passed": sorted(row.passed),
        "first": {group: str(cell.kill.identity) for group, cell in row.cells.items() if cell.kill},
        "judged_wrongly": _fault(row),
        "survives": specimen.survives,
    }
