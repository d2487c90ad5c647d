"""``nki-pool sweep``: more cases than one run of pytest wants to collect."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest

from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.report.formats import LINES, ReportError
from pytest_nki_pool.report.lines import LinesWriter
from pytest_nki_pool.report.model import Record, Run
from pytest_nki_pool.report.read import read
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.report.tally import RETRY
from pytest_nki_pool.session.earlier import taken_over
from pytest_nki_pool.session.output import in_words, scrubbed
from pytest_nki_pool.sweep.engine import EngineError, drive
from pytest_nki_pool.sweep.progress import progress, summary
from pytest_nki_pool.sweep.setup import OPTIONS, ignored, orders, session_of, survey
from pytest_nki_pool.verdict import CONSEQUENCES, NOT_EXECUTED, Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_nki_pool.session.pool import PoolSession
    from pytest_nki_pool.sweep.engine import Engine, Line, Remote

#: Name -> ``module:class``, imported when it is chosen: called with the workers' orders and their number.
ENGINES: Mapping[str, str] = MappingProxyType(
    {"local": "pytest_nki_pool.sweep.local:Local", "ray": "pytest_nki_pool.sweep.ray_actors:Ray"}
)

#: Most cases of a batch, where nobody says: a worker takes a fraction of a second for them.
_BATCH = 500

_DIED = "the process running this case died, and died again when it ran alone in a fresh one"


def sweep(args: Namespace) -> Answer:
    """Run every case, each verdict written as it comes in.

    Args:
        args: ``report``, ``resume``, ``engine``, ``workers``, ``batch``, ``seeds`` and the options of pytest that
            choose kernels and cases, see `pytest_nki_pool.cli`.

    Raises:
        CliError: what was asked for cannot be had, or the sweep ended early.
    """
    with _in_words_of(args.engine):
        return _sweep(args, Path(args.report))


def _sweep(args: Namespace, path: Path) -> Answer:
    session = _session(args, path)
    scrubber = Scrubber.of(session.settings.root)

    def died(case: str) -> Line:
        verdict = Verdict(_identity(case), Finding(Status.CRASH, _DIED))
        return scrubbed(Record(verdict, session.rerun_of(verdict.identity)), scrubber).to_json()

    with ExitStack() as stack:
        engine = _start(args, session, stack) if _is_elsewhere(args, session) else None
        run, cases = cast("Remote", engine).survey(args.seeds) if engine else survey(session, args.seeds)
        earlier = _earlier(args.resume, run)
        done = {str(record.verdict.identity) for record in earlier}
        left = [case for case in cases if case not in done]
        started = time.monotonic()
        if left and not engine:
            engine = _start(args, session, stack)
        try:
            writer, counts = _begin(path, run, earlier)
            lines = drive(engine, left, _size(args, engine, run, len(left)), died) if engine else ()
            _write(writer, lines, len(cases), counts)
            writer.close(complete=True)
        except OSError as error:
            raise CliError(f"{in_words(error)}; go on with --resume={path}") from error
    return _answer(path, counts, time.monotonic() - started)


def _session(args: Namespace, path: Path) -> PoolSession:
    """The session, of which every option has a value that it can have."""
    if path.suffix != LINES:
        raise CliError(f"--report: {path} is no {LINES}; a sweep writes that, and `nki-pool render` the other formats")
    if ignored():
        raise CliError(f"{ignored()[0]} is set, and a sweep does not take it; unset it")
    return session_of({option.flag: getattr(args, option.key) for option in OPTIONS}, path)


@contextmanager
def _in_words_of(engine: str) -> Iterator[None]:
    """Make the command's errors of what pytest and an engine refuse."""
    try:
        yield
    except pytest.UsageError as error:
        raise CliError(str(error)) from error
    except EngineError as error:
        raise CliError(f"--engine={engine}: {error}") from error


def _is_elsewhere(args: Namespace, session: PoolSession) -> bool:
    """Whether the kernels are launched where this process need not be able to: on the devices of a cluster."""
    return args.engine == "ray" and session.target[0] == "device"


def _earlier(path: str | None, run: Run) -> Sequence[Record]:
    try:
        return taken_over(read(path), run) if path else ()
    except ReportError as error:
        raise CliError(f"--resume: {error}") from error


def _begin(path: Path, run: Run, earlier: Sequence[Record]) -> tuple[LinesWriter, Counter[str]]:
    """The report with what is known already, and how much that is; a report that was there stays until then."""
    writer = LinesWriter.replacing(path, [run.to_json(), *(record.to_json() for record in earlier)])
    return writer, Counter(record.verdict.finding.status.value for record in earlier)


def _start(args: Namespace, session: PoolSession, stack: ExitStack) -> Engine:
    """Start an engine; the stack closes it."""
    module, _, kind = ENGINES[args.engine].partition(":")
    if args.engine == "ray" and not find_spec("ray"):
        raise CliError("--engine=ray needs ray; install it with: pip install 'pytest-nki-pool[ray]'")
    if args.engine == "ray" and session.settings.devices.cores is not None:
        raise CliError(f"{session.settings.sources['device']}: Ray gives each actor its core; leave it out")
    here = args.engine == "local"
    workers = _workers(args, session) if here else args.workers
    engine: Engine = getattr(import_module(module), kind)(orders(session, here=here), workers)
    return stack.enter_context(closing(engine))


def _workers(args: Namespace, session: PoolSession) -> int | None:
    """How many processes this machine is to have: on a device one per free core, where nobody says."""
    if session.launching.on_device:
        session.machine.require_free(args.workers or 1, f"--workers={args.workers}", "no --workers")
    workers: int | None = args.workers or session.launching.free_cores
    return workers


def _size(args: Namespace, engine: Engine, run: Run, left: int) -> int:
    """Cases of a batch: fewer than asked for where not every worker would get one.

    On a device cases are slow and uneven: none waits behind others of a busy worker.
    """
    most = args.batch or (_BATCH if run.device is None else 1)
    return max(1, min(most, -(-left // engine.workers)))


def _write(writer: LinesWriter, lines: Iterable[Line], total: int, counts: Counter[str]) -> None:
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
    code = 1 if "bad" in gates else RETRY if "retry" in gates else 0 if statuses - NOT_EXECUTED else 1
    text = f"{path}: {total} cases in {seconds:.1f} s: {summary(counts)}"
    return Answer(text, {"report": str(path), "cases": total, "statuses": counts, "seconds": seconds}, code)
