"""What it means that a launch on a device went wrong: the kernel's fault, the machine's, or nobody can tell."""

from __future__ import annotations

import enum
import re
import signal
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pytest_nki_pool.neuron.nrt import NrtStatus, find_status
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.neuron.counters import Change


class Kind(enum.Enum):
    """The classes of what can come of a launch."""

    NONE = "none"
    TEARDOWN_CRASH = "crash after the result"
    NUMERIC_NAN = "numerical error reported"
    MISMATCH = "wrong values"
    KERNEL_REJECTED = "kernel rejected"
    RUNTIME_ERROR = "runtime error"
    CRASH = "crash"
    COMPILER_CRASH = "compiler crash"
    COMPILER_ENVIRONMENT = "host starved the toolchain"
    STALE_LOCK = "stale compile lock"
    CACHED_FAILURE = "cached compile failure"
    CORE_BUSY = "core busy"
    NO_DEVICE = "no device"
    VERSION_SKEW = "version skew"
    CONFIGURATION = "configuration"
    HANG = "hang"
    HARDWARE = "hardware error"


class Retry(enum.Enum):
    """When to launch a case again; once, except `WAIT`."""

    NEVER = "never"
    FRESH = "in a fresh process and work folder"
    SERIAL = "in a fresh process, with no compilation beside it"
    UNLOCKED = "after the lock in the worker's own compile cache is gone"
    RECOMPILE = "with --retry_failed_compilation"
    WAIT = "after waiting for a lease, until its deadline"
    OTHER_CORE = "on another core, after a reset"
    OTHER_DEVICE = "on another device"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a class.

    Attributes:
        status: the verdict when no retry helps; None when the comparison of values, if there are any, decides.
        retry: when to launch again.
        quarantine: what must rest for a while.
        ends_run: whether every further launch would meet the same.
        advice: what the user can do.
    """

    status: Status | None
    retry: Retry = Retry.NEVER
    quarantine: Literal["nothing", "core", "device"] = "nothing"
    ends_run: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a launch in a child process ended.

    Attributes:
        returncode: of the child as `subprocess` gives it, negative for a signal; None when it is still running.
        text: what it wrote on stderr and what its exception said.
        exception: class name of the exception that the launch raised; empty when it raised none.
        raised_in: top-level package that raised it.
        timed_out: whether it was killed at its deadline.
        finished: whether the result of the launch arrived.
        starting: whether it ended before its first launch, while the runtime was initialised.
        mismatch: whether the values are wrong.
        compiles: whether the Neuron compiler takes part, one of whose exit codes has a meaning.
        changes: hardware counters that moved meanwhile.
    """

    returncode: int | None = 0
    text: str = ""
    exception: str = ""
    raised_in: str = ""
    timed_out: bool = False
    finished: bool = False
    starting: bool = False
    mismatch: bool = False
    compiles: bool = True
    changes: tuple[Change, ...] = ()

    @property
    def signal(self) -> int | None:
        """The signal that ended the child, also where a shell between them turned it into an exit code."""
        code = self.returncode or 0
        return -code if code < 0 else code - 128 if 128 < code < 160 else None


@dataclass(frozen=True, slots=True)
class Fault:
    """What a launch's outcome means.

    Attributes:
        kind: its class.
        rule: what follows.
        status: the verdict when no retry helps; None when there are values and their comparison decides.
        evidence: what it was recognised by.
        advice: what the user can do.
        nrt: the runtime's status where the text has one.
    """

    kind: Kind
    rule: Rule
    status: Status | None
    evidence: str
    advice: str
    nrt: NrtStatus | None = None

    def __str__(self) -> str:
        parts = (f"{self.kind.value} ({self.evidence})" if self.evidence else self.kind.value, self.advice)
        return "; ".join(part for part in parts if part)


#: What follows from each class. Source: Neuron runtime troubleshooting guide, its hardware errors and return codes.
RULES: Mapping[Kind, Rule] = MappingProxyType(
    {
        Kind.NONE: Rule(None),
        Kind.TEARDOWN_CRASH: Rule(None, advice="the result stands; known of runtimes that are closed while busy"),
        Kind.NUMERIC_NAN: Rule(None, advice="the comparison of NaN decides"),
        Kind.MISMATCH: Rule(Status.FAIL),
        Kind.KERNEL_REJECTED: Rule(Status.FAIL),
        Kind.RUNTIME_ERROR: Rule(Status.CRASH, advice="see the runtime's log and core dump"),
        Kind.CRASH: Rule(Status.CRASH, advice="see the runtime's log and core dump"),
        Kind.COMPILER_CRASH: Rule(Status.FAIL, Retry.FRESH, advice="a second crash on one kernel is deterministic"),
        Kind.COMPILER_ENVIRONMENT: Rule(Status.INFRA, Retry.SERIAL, advice="give the host memory and disk space"),
        Kind.STALE_LOCK: Rule(Status.INFRA, Retry.UNLOCKED, advice="a compilation was killed and left its lock"),
        Kind.CACHED_FAILURE: Rule(Status.INFRA, Retry.RECOMPILE, advice="the compile cache holds an earlier failure"),
        Kind.CORE_BUSY: Rule(Status.INFRA, Retry.WAIT, advice="a process outside the test runs holds the core"),
        Kind.NO_DEVICE: Rule(Status.DEVICE_LOST, ends_run=True, advice="run nki-pool devices; is the driver loaded?"),
        Kind.VERSION_SKEW: Rule(Status.INFRA, ends_run=True, advice="install driver, runtime and compiler of one SDK"),
        Kind.CONFIGURATION: Rule(Status.INFRA, ends_run=True, advice="mend the cores or logical-core configuration"),
        Kind.HANG: Rule(Status.TIMEOUT, Retry.OTHER_CORE, "core", advice="hangs on two cores are the kernel's fault"),
        Kind.HARDWARE: Rule(Status.DEVICE_LOST, Retry.OTHER_DEVICE, "device", advice="replace the instance"),
    }
)

#: What tells a class in the texts of driver, runtime and compiler, the most telling first.
_TEXTS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Kind.HARDWARE, r"NEURON_HW_ERR=\w+"),
        (Kind.VERSION_SKEW, r"Unable to determine Neuron Driver version"),
        (Kind.VERSION_SKEW, r"requires Neuron Driver version"),
        (Kind.VERSION_SKEW, r"compatibility id"),
        (Kind.VERSION_SKEW, r"NEFF version mismatch"),
        (Kind.VERSION_SKEW, r"Unsupported hardware operator code"),
        (Kind.CONFIGURATION, r"Neuron cores are not contiguous"),
        (Kind.CONFIGURATION, r"NCC_EARG001"),
        (Kind.CONFIGURATION, r"(?i)(?:lnc|logical (?:neuron)?core (?:size|config\w*))\b.{0,40}\bmismatch"),
        (Kind.CORE_BUSY, r"Neuron ?Core\(s\) not available"),
        (Kind.CORE_BUSY, r"ret=-16\b|-EBUSY\b"),
        (Kind.NO_DEVICE, r"No neuron device available"),
        (Kind.NO_DEVICE, r"Could not open the nd[0-9]+"),
        (Kind.NO_DEVICE, r"cannot determine the number of available NeuronCores"),
        (Kind.NO_DEVICE, r"failed to discover Neuron devices"),
        (Kind.STALE_LOCK, r"Another process must be compiling"),
        (Kind.CACHED_FAILURE, r"Got a cached failed neff at"),
        (Kind.COMPILER_ENVIRONMENT, r"error while loading shared libraries"),
        (Kind.COMPILER_ENVIRONMENT, r"No space left on device|\bENOSPC\b"),
        (Kind.COMPILER_ENVIRONMENT, r"(?i)out of memory: killed process|\boom[-_]kill|cannot allocate memory"),
        (Kind.COMPILER_ENVIRONMENT, r"neuronx-cc\b.*(?:exit(?:ed with)? (?:code|status) -9|signal 9|SIGKILL)"),
        (Kind.KERNEL_REJECTED, r"\bNCC_E\w+"),
        (Kind.COMPILER_CRASH, r"\[F134\]|neuronx-cc terminated abnormally"),
        (Kind.COMPILER_CRASH, r"neuronx-cc\b.*exit(?:ed with)? (?:code|status) 70\b"),
        (Kind.HANG, r"execution timeout \([0-9]+ ms\)|waiting for execution completion notification"),
        (Kind.HANG, r"GPSIMD EXCEPTION OCCURRED|Missing infer_status notification"),
    )
)

#: What each status of the runtime tells; those not here are `Kind.RUNTIME_ERROR`.
_STATUSES: Mapping[str, Kind] = MappingProxyType(
    {
        "INVALID": Kind.KERNEL_REJECTED,
        "EXEC_BAD_INPUT": Kind.KERNEL_REJECTED,
        "EXEC_OOB": Kind.KERNEL_REJECTED,
        "EXEC_NC_BUSY": Kind.CORE_BUSY,
        "LOAD_NOT_ENOUGH_NC": Kind.CONFIGURATION,
        "UNSUPPORTED_NEFF_VERSION": Kind.VERSION_SKEW,
        "FAIL_HOST_MEM_ALLOC": Kind.COMPILER_ENVIRONMENT,
        "TIMEOUT": Kind.HANG,
        "EXEC_COMPLETED_WITH_NUM_ERR": Kind.NUMERIC_NAN,
        "HW_ERROR": Kind.HARDWARE,
        "EXEC_UNIT_UNRECOVERABLE": Kind.HARDWARE,
        "EXEC_HW_ERR_COLLECTIVES": Kind.HARDWARE,
        "EXEC_HW_ERR_HBM_UE": Kind.HARDWARE,
        "EXEC_HW_ERR_NC_UE": Kind.HARDWARE,
        "EXEC_HW_ERR_DMA_ABORT": Kind.HARDWARE,
        "EXEC_SW_NQ_OVERFLOW": Kind.HARDWARE,
        "EXEC_HW_ERR_REPAIRABLE_HBM_UE": Kind.HARDWARE,
        "NETWORK_PROXY_FAILURE": Kind.HARDWARE,
    }
)

#: What helps against a hardware error where replacing the instance is not needed.
_HARDWARE_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "EXEC_HW_ERR_REPAIRABLE_HBM_UE": "reload the driver (rmmod neuron; modprobe neuron) or reboot",
        "EXEC_HW_ERR_COLLECTIVES": "look at the other workers first",
        "NETWORK_PROXY_FAILURE": "look at the network first",
    }
)

#: Python exceptions by which NKI refuses a kernel.
_REJECTIONS = ("SyntaxError", "TypeError", "NotImplementedError")
_NKI = ("nki", "neuronxcc")

#: Signals that somebody else sends: the host's out-of-memory killer, a scheduler, a person.
_SENT = (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGKILL", 9))

#: Exit code of the Neuron compiler after an error of its own.
_COMPILER_EXIT = 70


def classify(outcome: Outcome) -> Fault:
    """Tell what a launch's outcome means, from the most to the least telling evidence.

    A hardware counter that moved outweighs all else. What a launch wrote counts only when its result did not arrive:
    runtimes also log what they recovered from.
    """
    kind, evidence = _by_counters(outcome) or _by_result(outcome) or _by_text(outcome) or _by_end(outcome)
    nrt = None if outcome.finished else find_status(outcome.text)
    rule = RULES[kind]
    status = rule.status if outcome.finished else rule.status or Status.CRASH
    return Fault(kind, rule, status, evidence, _HARDWARE_ADVICE.get(nrt.name if nrt else "", rule.advice), nrt)


def _by_counters(outcome: Outcome) -> tuple[Kind, str] | None:
    suspect = [str(change) for change in outcome.changes if change.suspect]
    return (Kind.HARDWARE, ", ".join(suspect)) if suspect else None


def _by_result(outcome: Outcome) -> tuple[Kind, str] | None:
    if not outcome.finished:
        return None
    if outcome.mismatch:
        return Kind.MISMATCH, ""
    if outcome.returncode or outcome.timed_out:
        return Kind.TEARDOWN_CRASH, "did not end after the result" if outcome.timed_out else _end(outcome)
    return Kind.NONE, ""


def _by_text(outcome: Outcome) -> tuple[Kind, str] | None:
    for kind, pattern in _TEXTS:
        match = pattern.search(outcome.text)
        if match:
            return kind, match[0]
    status = find_status(outcome.text)
    if status is None:
        return None
    if status.name == "RESOURCE" and outcome.starting:
        return Kind.CORE_BUSY, f"{status} while the runtime started"
    return _STATUSES.get(status.name, Kind.RUNTIME_ERROR), str(status)


def _by_end(outcome: Outcome) -> tuple[Kind, str]:
    if outcome.timed_out:
        return Kind.HANG, "no result until the deadline"
    if outcome.exception in _REJECTIONS and outcome.raised_in in _NKI:
        return Kind.KERNEL_REJECTED, f"{outcome.exception} from {outcome.raised_in}"
    if outcome.signal in _SENT:
        return Kind.COMPILER_ENVIRONMENT, f"{_end(outcome)}, sent from outside"
    if outcome.compiles and outcome.returncode == _COMPILER_EXIT:
        return Kind.COMPILER_CRASH, _end(outcome)
    return Kind.CRASH, outcome.exception or _end(outcome)


def _end(outcome: Outcome) -> str:
    if outcome.signal is None:
        return f"exit code {outcome.returncode}" if outcome.returncode else "ended without a result"
    try:
        return signal.Signals(outcome.signal).name
    except ValueError:
        return f"signal {outcome.signal}"
