"""``nki-pool sweep``: more cases than one run of pytest wants to collect."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.report.formats import LINES, ReportError
from pytest_nki_pool.report.lines import LinesWriter
from pytest_nki_pool.report.model import Record, Run
from pytest_nki_pool.report.read import read
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.report.tally import RETRY
from pytest_nki_pool.session.earlier import taken_over
from pytest_nki_pool.session.facts import gather
from pytest_nki_pool.session.output import in_words, scrubbed
from pytest_nki_pool.session.validation import validate
from pytest_nki_pool.sweep.engine import EngineError, drive
from pytest_nki_pool.sweep.progress import progress, summary
from pytest_nki_pool.sweep.setup import OPTIONS, cases_of, ignored, session_of
from pytest_nki_pool.verdict import CONSEQUENCES, NOT_EXECUTED, Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nki_pool.session.pool import PoolSession
    from pytest_nki_pool.sweep.engine import Engine, Line

#: Name -> ``module:class``, imported when it is chosen: called with the settings and the number of workers.
ENGINES: Mapping[str, str] = MappingProxyType(
    {"local": "pytest_nki_pool.sweep.local:Local", "ray": "pytest_nki_pool.sweep.ray_actors:Ray"}
)

_DIED = "the process running this case died, and died again when it ran alone in a fresh one"


def sweep(args: Namespace) -> Answer:
    """Run every case, each verdict written as it comes in.

    Args:
        args: ``report``, ``resume``, ``engine``, ``workers``, ``batch``, ``seeds`` and the options of pytest that
            choose kernels and cases, see `pytest_nki_pool.cli`.

    Raises:
        CliError: what was asked for cannot be had, or the sweep ended early.
    """
    path = Path(args.report)
    session = _session(args, path)
    scrubber = Scrubber.of(session.settings.root)
    cases = cases_of(session.plan, args.seeds)
    if not cases:
        raise CliError("there is no such case; leave out --check, --case or --backend, or name others")
    run = _facts(session, scrubber, len(cases), args.seeds)
    earlier = _earlier(args.resume, run)
    done = {str(record.verdict.identity) for record in earlier}
    left = [case for case in cases if case not in done]

    def died(case: str) -> Line:
        verdict = Verdict(_identity(case), Finding(Status.CRASH, _DIED))
        return scrubbed(Record(verdict, session.rerun_of(verdict.identity)), scrubber).to_json()

    started = time.monotonic()
    try:
        writer, counts = _begin(path, run, earlier)
        engine = _engine(args.engine, session, args.workers) if left else None
        if engine:
            _run(engine, writer, drive(engine, left, _size(args, left), died), len(cases), counts)
        writer.close(complete=True)
    except OSError as error:
        raise CliError(f"{in_words(error)}; go on with --resume={path}") from error
    return _answer(path, counts, time.monotonic() - started)


def _session(args: Namespace, path: Path) -> PoolSession:
    """The session, of which everything that was asked for can be had."""
    if path.suffix != LINES:
        raise CliError(f"--report: {path} is no {LINES}; a sweep writes that, and `nki-pool render` the other formats")
    if ignored():
        raise CliError(f"{ignored()[0]} is set, and a sweep does not take it; unset it")
    given = {option.flag: getattr(args, option.key) for option in OPTIONS}
    try:
        session = session_of(given, path)
        validate(session)
    except pytest.UsageError as error:
        raise CliError(str(error)) from error
    if session.target[0] == "device":  # its workers would have to lease cores, have deadlines and read the counters
        raise CliError("a sweep does not launch on a device; divide the run into shards of pytest, or name --target")
    return session


def _facts(session: PoolSession, scrubber: Scrubber, cases: int, seeds: int) -> Run:
    run = gather(session, scrubber, cases)
    if seeds == 1:
        return run
    return dataclasses.replace(run, settings={**run.settings, "seeds": {"values": [str(seeds)], "source": "--seeds"}})


def _earlier(path: str | None, run: Run) -> Sequence[Record]:
    try:
        return taken_over(read(path), run) if path else ()
    except ReportError as error:
        raise CliError(f"--resume: {error}") from error


def _begin(path: Path, run: Run, earlier: Sequence[Record]) -> tuple[LinesWriter, Counter[str]]:
    """The report with what is known already, and how much that is; a report that was there stays until then."""
    writer = LinesWriter.replacing(path, [run.to_json(), *(record.to_json() for record in earlier)])
    return writer, Counter(record.verdict.finding.status.value for record in earlier)


def _engine(name: str, session: PoolSession, workers: int | None) -> Engine:
    module, _, kind = ENGINES[name].partition(":")
    if name == "ray" and not find_spec("ray"):
        raise CliError("--engine=ray needs ray; install it with: pip install 'pytest-nki-pool[ray]'")
    try:
        engine: Engine = getattr(import_module(module), kind)(session.settings.to_json(), workers)
    except EngineError as error:
        raise CliError(f"--engine={name}: {error}") from error
    return engine


def _size(args: Namespace, left: Sequence[str]) -> int:
    """Cases of a batch: fewer than asked for where not every worker would get one."""
    workers = args.workers or 1
    return max(1, min(int(args.batch), -(-len(left) // workers)))


def _run(engine: Engine, writer: LinesWriter, lines: Iterable[Line], total: int, counts: Counter[str]) -> None:
    """Write every line, and count its status."""
    ended = ""
    try:
        with progress(total) as show:
            for line in lines:
                writer.write(line)
                counts[line["status"]] += 1
                show(counts)
    except EngineError as error:
        ended = str(error)
    except KeyboardInterrupt:
        ended = "it was interrupted"
    finally:
        engine.close()
    if ended:
        writer.close(complete=False)
        raise CliError(f"the sweep ended early: {ended}; go on with --resume={writer.path}")


def _identity(text: str) -> Identity:
    identity = Identity.parse(text)
    assert identity is not None  # noqa: S101 - it is the text of one
    return identity


def _answer(path: Path, counts: Counter[str], seconds: float) -> Answer:
    statuses = {Status(name) for name in counts}
    gates = {CONSEQUENCES[status].gate for status in statuses}
    total = sum(counts.values())
    code = 1 if "bad" in gates or not statuses - NOT_EXECUTED else RETRY if "retry" in gates else 0
    text = f"{path}: {total} cases in {seconds:.1f} s: {summary(counts)}"
    return Answer(text, {"report": str(path), "cases": total, "statuses": counts, "seconds": seconds}, code)
