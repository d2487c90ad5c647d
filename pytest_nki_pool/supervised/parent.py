"""Trials in child processes: what hangs or crashes ends a child, never the run, and everything gets a verdict."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.launch.supervisor import Child, ChildEnded
from pytest_nki_pool.neuron.counters import changes
from pytest_nki_pool.neuron.errors import CoresBusyError, NeuronError
from pytest_nki_pool.neuron.faults import Kind, Outcome, Retry, classify
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.supervised import wire
from pytest_nki_pool.supervised.messages import adding, ending, opinion, telling
from pytest_nki_pool.verdict import Finding, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.launch.supervisor import End
    from pytest_nki_pool.neuron.faults import Fault
    from pytest_nki_pool.neuron.seat import Seat
    from pytest_nki_pool.run import Workbench
    from pytest_nki_pool.search import Search
    from pytest_nki_pool.spec.kernel import KernelSpec

#: Seconds in which a child must have imported the framework, besides the time that a launch has.
_START = 120.0
#: Seconds between two tries to use a core that somebody outside the test runs holds.
_BUSY = 0.5


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a child is to keep of a trial.

    Attributes:
        counters: whether the cost model counts.
        arrays: whether the arrays of a launch are kept.
    """

    counters: bool = False
    arrays: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One time that a trial was run.

    Attributes:
        verdict: what became of it.
        fault: what went wrong besides the kernel's values; None when nothing did.
    """

    verdict: Verdict
    fault: Fault | None = None


class Supervised:
    """Runs trials as `Workbench` does, each within a deadline in a child process that goes through `Workbench`.

    Args:
        bench: for this process's own use; nothing is launched on it.
        root: folder that relative kernel paths start from.
        deadline: seconds that a trial may take.
        seat: the core that the children use; None where no device takes part.
        keeping: what to keep of a trial.
    """

    def __init__(
        self, bench: Workbench, root: Path, deadline: float, seat: Seat | None = None, keeping: Keeping = Keeping()
    ) -> None:
        self.notes: list[str] = []
        self._bench = bench
        self._root = root
        self._deadline = deadline
        self._seat = seat
        self._keeping = keeping
        self._children: dict[tuple[str, ...], Child] = {}
        self._answered: set[tuple[str, ...]] = set()
        self._last: Trial | None = None
        self._kept: dict[str, np.ndarray] | None = None
        self._confirmed: dict[tuple[KernelSpec, tuple[str, ...]], str] = {}
        self._over: Fault | None = None
        self._flags: tuple[str, ...] = ()
        self._folder = tempfile.TemporaryDirectory(prefix="nki-pool-", ignore_cleanup_errors=True)

    def verdict(self, trial: Trial) -> Verdict:
        """Run one trial, again where that may help; whatever happens becomes a verdict, but for Ctrl-C."""
        try:
            return self._verdict(trial)
        except KeyboardInterrupt:
            self._end_children()  # one that hangs would be waited for at the end
            raise

    def _verdict(self, trial: Trial) -> Verdict:
        self._last = self._kept = None
        if self._over:
            return _unmeasured(trial, Status.NOT_RUN, f"not launched: every launch would meet the same: {self._over}")
        met: list[Fault] = []
        busy_until = time.monotonic() + (self._seat.place.wait if self._seat else 0.0)
        attempt = self._attempt(trial)
        while attempt.fault and self._prepare(attempt.fault, met, busy_until):
            met.append(attempt.fault)
            alone = attempt.fault.rule.retry is Retry.SERIAL and self._seat is not None
            attempt = self._attempt(trial, alone=alone)
        if attempt.fault and attempt.fault.rule.ends_run:
            self._over = attempt.fault
        verdict = telling(attempt.verdict, met)
        finding = verdict.finding
        if self._seat and not attempt.fault and finding.status is Status.FAIL and not finding.raised:
            return adding(verdict, self._diagnose(trial, attempt.verdict, self._seat))
        return verdict

    def arrays(self, trial: Trial | Search) -> dict[str, np.ndarray]:
        """The arrays of the trial that ran last, see `Workbench.arrays`; only those known here if its child ended."""
        if not isinstance(trial, Trial):
            return {}
        if self._last is trial and self._kept is not None:
            return self._kept
        child = self._children.get(trial.backends)
        if child is None or self._last is not trial:
            return self._bench.expected_arrays(trial)
        path = Path(self._folder.name, "arrays.npz")
        try:
            kept = child.ask({"trial": wire.pack(trial), "arrays": str(path)}, self._deadline, _helper(trial))["arrays"]
        except ChildEnded:
            del self._children[trial.backends]
            return self._bench.expected_arrays(trial)
        with np.load(path) as loaded:
            return {name: loaded[name].view(np.dtype(dtype)).reshape(shape) for name, (dtype, shape) in kept.items()}

    def leave_to_parent(self) -> None:
        """End the children, so that this process can use the core."""
        for backends in list(self._children):
            self._close(backends)

    def close(self) -> None:
        """End the children, and give the core back."""
        self.leave_to_parent()
        if self._seat:
            self._seat.leave()
        self._folder.cleanup()

    def _diagnose(self, trial: Trial, verdict: Verdict, seat: Seat) -> str:
        """Launch a case with wrong values once more, on another core; whatever comes of it, the verdict stands.

        A kernel that is wrong on two cores is not tried again: each try costs the start of a process.

        Returns:
            What came of it.
        """
        subject = trial.kernel, trial.backends
        if subject in self._confirmed:
            return f"not tried on another core: two agreed on {self._confirmed[subject]}"
        kept = self.arrays(trial) if self._keeping.arrays else None
        first = seat.take().cores[0].index
        if not seat.exchange():
            return f"wrong values on core {first}, not tried on another: no other core that may be used is free"
        self.leave_to_parent()
        again = self._attempt(trial)
        other = seat.lease.cores[0].index if seat.lease else None
        self._last, self._kept = trial, kept
        if again.fault:
            self._rest(again.fault)
            self._over = again.fault if again.fault.rule.ends_run else None
        elif again.verdict.finding.message == verdict.finding.message:
            self._confirmed[subject] = f"{trial.check.name} of {trial.case}"
        return opinion(first, other, verdict.finding, again.verdict.finding)

    def _attempt(self, trial: Trial, *, alone: bool = False) -> _Attempt:
        started = time.perf_counter()
        before: Mapping[str, str] = {}
        try:
            with self._seat.alone(self._deadline) if alone and self._seat else nullcontext():
                child = self._child(trial.backends)
                before = self._counters()
                answer = self._ask(child, trial)
        except ChildEnded as ended:
            return self._mourn(trial, ended.end, before, time.perf_counter() - started)
        except wire.Unsendable as error:
            return _Attempt(_unmeasured(trial, Status.INTERNAL, str(error)))
        except NeuronError as error:
            return _Attempt(_unmeasured(trial, Status.INFRA, str(error), time.perf_counter() - started))
        return self._judge(trial, child, answer, before)

    def _mourn(self, trial: Trial, end: End, before: Mapping[str, str], seconds: float) -> _Attempt:
        """What the end of a child means for the trial that it was to run."""
        with_device = self._seat is not None
        outcome = Outcome(
            returncode=end.returncode,
            text=end.text if with_device else "",  # without a device no runtime and no compiler has a say
            timed_out=end.timed_out,
            starting=trial.backends not in self._answered,
            compiles=with_device,
            changes=changes(before, self._counters()),
        )
        fault = classify(outcome)
        began = self._children.pop(trial.backends, None) is not None
        status = fault.status or Status.CRASH
        if not began and fault.kind is Kind.CRASH:
            status = Status.INTERNAL
        told = str(fault) if with_device else f"{fault.kind.value} ({fault.evidence})"
        return _Attempt(_unmeasured(trial, status, ending(told, end, self._deadline), seconds), fault)

    def _judge(self, trial: Trial, child: Child, answer: Mapping[str, Any], before: Mapping[str, str]) -> _Attempt:
        """What an answer is worth: what was raised may tell of the machine, and so may the counters."""
        verdict = Verdict.from_json(answer["verdict"])
        if verdict.finding.status is Status.MISTRUSTED or self._seat is None:
            self._last = trial
            self._answered.add(trial.backends)
            return _Attempt(verdict)
        blamed = answer["blamed"]
        outcome = Outcome(
            text=f"{blamed}\n{child.printed()}" if blamed else "",
            finished=not blamed,
            starting=trial.backends not in self._answered,
            mismatch=verdict.finding.status is Status.FAIL,
            changes=changes(before, self._counters()),
        )
        fault = classify(outcome)
        self._answered.add(trial.backends)
        self._last = trial
        if not blamed and fault.kind in {Kind.NONE, Kind.MISMATCH}:
            return _Attempt(verdict)
        status = fault.status or verdict.finding.status
        message = "\n".join(filter(None, [str(fault), blamed or verdict.finding.message]))
        found = dataclasses.replace(verdict.finding, status=status, message=message)
        return _Attempt(dataclasses.replace(verdict, finding=found), fault)

    def _ask(self, child: Child, trial: Trial) -> dict[str, Any]:
        """Have a trial run; a child that was gone before it began is replaced, and noted, once."""
        request = {"trial": wire.pack(trial)}
        self._breadcrumb.write_text("", encoding="utf-8")
        try:
            return child.ask(request, self._deadline, _helper(trial))
        except ChildEnded as ended:
            begun = self._breadcrumb.read_text(encoding="utf-8") == str(trial.identity)
            if begun or ended.end.timed_out or trial.backends not in self._answered:
                raise
            self._note(ended.end)
            del self._children[trial.backends]
            return self._child(trial.backends).ask(request, self._deadline, _helper(trial))

    def _child(self, backends: tuple[str, ...]) -> Child:
        """The child of these framework paths; on a device there is only one at a time, as a core has one owner."""
        if backends not in self._children:
            if self._seat:
                for others in list(self._children):
                    self._close(others)
            self._children[backends] = self._start(backends)
        return self._children[backends]

    def _start(self, backends: tuple[str, ...]) -> Child:
        environ, lease = self._environ(), self._seat.lease if self._seat else None
        command = [sys.executable, "-m", "pytest_nki_pool.supervised.child"]
        child = Child(command, environ=environ, descriptors=lease.descriptors if lease else ())
        setup = {
            "parent": os.getpid(),
            "path": sys.path,
            "target": self._bench.target,
            "root": str(self._root),
            "backends": list(backends),
            "breadcrumb": str(self._breadcrumb),
            "lease": lease.handover() if lease else "",
            **dataclasses.asdict(self._keeping),
        }
        self._answered.discard(backends)
        child.ask(setup, _START + self._deadline)
        return child

    def _environ(self) -> dict[str, str] | None:
        if self._seat is None:
            return None
        variables = dict(self._seat.environment().variables)
        if self._flags:
            variables["NEURON_CC_FLAGS"] = " ".join([variables.get("NEURON_CC_FLAGS", ""), *self._flags]).strip()
        return variables

    def _prepare(self, fault: Fault, met: list[Fault], busy_until: float) -> bool:
        """Do what a fault asks for before and instead of another launch; whether to launch again."""
        if self._seat is None:
            again = fault.rule.retry in {Retry.FRESH, Retry.SERIAL}
            return again and not met
        self._rest(fault)
        if fault.rule.retry is not Retry.WAIT and fault.rule.retry in {one.rule.retry for one in met}:
            return False
        remedy = self._remedies().get(fault.rule.retry)
        return remedy is not None and remedy(self._seat, busy_until)

    def _rest(self, fault: Fault) -> None:
        """Leave the core and let it rest, if the fault asks for that."""
        if self._seat and fault.rule.quarantine != "nothing":
            self._end_children()
            with contextlib.suppress(NeuronError):
                self._seat.rest(fault.rule.quarantine, str(fault))

    def _remedies(self) -> Mapping[Retry, Callable[[Seat, float], bool]]:
        """What makes another launch worthwhile, and whether it does."""
        return {
            Retry.FRESH: self._start_fresh,
            Retry.SERIAL: self._start_again,
            Retry.UNLOCKED: self._unlock,
            Retry.RECOMPILE: self._recompile,
            Retry.WAIT: self._wait_for_core,
            Retry.OTHER_CORE: self._move,
            Retry.OTHER_DEVICE: self._move,
        }

    def _start_again(self, _seat: Seat, _until: float) -> bool:
        self._end_children()
        return True

    def _start_fresh(self, seat: Seat, _until: float) -> bool:
        self._end_children()
        seat.fresh_folders()
        return True

    def _unlock(self, seat: Seat, _until: float) -> bool:
        self._end_children()
        seat.clear_compile_locks()
        return True

    def _recompile(self, _seat: Seat, _until: float) -> bool:
        self._end_children()
        self._flags = ("--retry_failed_compilation",)
        return True

    def _wait_for_core(self, seat: Seat, until: float) -> bool:
        self._end_children()
        seat.leave(avoid=True)
        if time.monotonic() >= until:
            return False
        time.sleep(_BUSY)
        return self._move(seat, until)

    def _move(self, seat: Seat, _until: float) -> bool:
        try:
            seat.take()
        except CoresBusyError:
            return False
        return True

    def _counters(self) -> Mapping[str, str]:
        return self._seat.counters() if self._seat else {}

    def _end_children(self) -> None:
        for child in self._children.values():
            child.kill()
        self._children.clear()

    def _close(self, backends: tuple[str, ...]) -> None:
        self._note(self._children.pop(backends).close())

    def _note(self, end: End) -> None:
        """Remember, for the end of the run, that a child did not end well after its last verdict."""
        fault = classify(Outcome(end.returncode, finished=True, timed_out=end.timed_out))
        if fault.kind is not Kind.NONE:
            self.notes.append(f"a child process ended badly after its last verdict, which stands: {fault}")

    @property
    def _breadcrumb(self) -> Path:
        return Path(self._folder.name, "running")


def _helper(trial: Trial) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda asked: wire.reply(trial, asked)


def _unmeasured(trial: Trial, status: Status, message: str, seconds: float = 0.0) -> Verdict:
    return Verdict(trial.identity, Finding(status, message), seconds)
