"""What it means that a launch went wrong: every text, status and way to end."""

from __future__ import annotations

import signal

import pytest

from pytest_nki_pool.neuron.counters import Change
from pytest_nki_pool.neuron.faults import RULES, Kind, Outcome, Retry, classify
from pytest_nki_pool.neuron.nrt import STATUS_CODES, NrtStatus, find_status
from pytest_nki_pool.verdict import Status

#: Texts as driver, runtime, compiler and framework write them, by what they tell.
TEXTS = {
    Kind.KERNEL_REJECTED: (
        "[NCC_EVRF009] tensor does not fit into SBUF",
        "ERROR: [NCC_EXTP004] too many instructions\n[F134] neuronx-cc terminated abnormally",
        "NRT Error NRT_EXEC_OOB(1006): Failed to execute model",
        "NRT Error NRT_INVALID(2): bad argument",
        "NRT_EXEC_BAD_INPUT (1002)",
        "Failed to execute model file.neff with status 1006",
        "Inference completed with err: 1006. mode->h_nn=1, lnc=0",
        "Failure: NRT_EXEC_OOB in nrt_execute()",
    ),
    Kind.COMPILER_CRASH: (
        "[F134] neuronx-cc terminated abnormally - Please open a support ticket",
        "subprocess neuronx-cc compile exited with code 70",
    ),
    Kind.COMPILER_ENVIRONMENT: (
        "OSError: [Errno 28] No space left on device",
        "write failed: ENOSPC",
        "walrus_driver: error while loading shared libraries: libnrt.so.1: cannot open shared object file",
        "Out of memory: Killed process 4711 (walrus_driver)",
        "kernel: walrus invoked oom-killer: gfp_mask=0x0, oom_kill_process",
        "std::bad_alloc: Cannot allocate memory",
        "neuronx-cc compile exit code -9",
        "NRT_FAIL_HOST_MEM_ALLOC(11)",
    ),
    Kind.STALE_LOCK: ("Another process must be compiling MODULE_17, been waiting for: 3.0 minutes",),
    Kind.CACHED_FAILURE: (
        "Got a cached failed neff at /var/tmp/neuron-compile-cache/MODULE_17. Will skip compilation",
    ),
    Kind.CORE_BUSY: (
        "NRT:nrt_allocate_neuron_cores NeuronCore(s) not available - Requested:nc1-nc1 Available:0",
        "Virtual Neuron Core(s) not available - Requested:2 Available:0 Virtual Core size 1",
        "Logical Neuron Core(s) not available - Requested:lnc0-lnc0 Available:0 Logical Core size:2 (cores busy)",
        "ioctl failed, ret=-16",
        "nd0: open failed: -EBUSY",
        "NRT_EXEC_NC_BUSY(1005)",
    ),
    Kind.NO_DEVICE: (
        "No neuron device available",
        "Could not open the nd1, is the driver loaded",
        "cannot determine the number of available NeuronCores",
        'level=fatal msg="Failed to load MLA system information" error="failed to discover Neuron devices"',
    ),
    Kind.VERSION_SKEW: (
        "Unable to determine Neuron Driver version. Please check aws-neuronx-dkms package is installed.",
        "This runtime requires Neuron Driver version 2.9 or greater",
        "Driver compatibility id 3 is not supported",
        "NEFF version mismatch supported: 1.1 received: 2.0",
        "Unsupported hardware operator code 214 found in neff",
        "NRT_UNSUPPORTED_NEFF_VERSION(10)",
    ),
    Kind.CONFIGURATION: (
        "Neuron cores are not contiguous",
        "[NCC_EARG001] LNC 2 is not supported on trn1",
        "logical core size mismatch: NEFF 1, runtime 2",
        "LNC config of the NEFF: mismatch",
        "NRT_LOAD_NOT_ENOUGH_NC(9)",
        "nrt_load: NERR_RESOURCE_NC",
    ),
    Kind.HANG: (
        "TDRV:exec_consume execution timeout (30000 ms) on Neuron Device 0",
        "waiting for execution completion notification",
        "NRT_TIMEOUT(5)",
        "GPSIMD EXCEPTION OCCURRED: ILLEGAL INSTRUCTION\nException PC: 0x1f00",
        "Missing infer_status notification: (end:1)",
    ),
    Kind.HARDWARE: (
        "NEURON_HW_ERR=SRAM_UNCORRECTABLE_ERROR instance-id=i-0 nd-id=0 nc-id=0 action=TERMINATE_INSTANCE",
        "NRT_HW_ERROR(6)",
        "NRT_EXEC_UNIT_UNRECOVERABLE(101)",
        "Failed to execute model file.neff with status 1202",
        *(f"NRT_{STATUS_CODES[number]}({number})" for number in range(1200, 1207)),
    ),
    Kind.NUMERIC_NAN: ("NRT_EXEC_COMPLETED_WITH_NUM_ERR(1003)",),
    Kind.RUNTIME_ERROR: (
        *(f"NRT_{STATUS_CODES[number]}({number})" for number in (1, 3, 4, 7, 13, 14, 15, 1004, 1100)),
        "RuntimeError: NRT_FAILURE(6): NEFF of another architecture",
    ),
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts])
def test_every_text_tells_its_class(kind, text):
    fault = classify(
        Outcome(returncode=1, text=f"2026-Nov-22 10:00:00 4444:4444 ERROR  {text}\n", exception="RuntimeError")
    )

    assert fault.kind is kind
    assert fault.evidence
    assert fault.evidence in text or fault.nrt


#: Verdict, retry and what rests, by class. Where the comparison decides, a launch without values is a crash.
VERDICTS = {
    Kind.NONE: (None, Retry.NEVER, "nothing"),
    Kind.TEARDOWN_CRASH: (None, Retry.NEVER, "nothing"),
    Kind.NUMERIC_NAN: (None, Retry.NEVER, "nothing"),
    Kind.MISMATCH: (Status.FAIL, Retry.NEVER, "nothing"),
    Kind.KERNEL_REJECTED: (Status.FAIL, Retry.NEVER, "nothing"),
    Kind.RUNTIME_ERROR: (Status.CRASH, Retry.NEVER, "nothing"),
    Kind.CRASH: (Status.CRASH, Retry.NEVER, "nothing"),
    Kind.COMPILER_CRASH: (Status.FAIL, Retry.FRESH, "nothing"),
    Kind.COMPILER_ENVIRONMENT: (Status.INFRA, Retry.SERIAL, "nothing"),
    Kind.STALE_LOCK: (Status.INFRA, Retry.UNLOCKED, "nothing"),
    Kind.CACHED_FAILURE: (Status.INFRA, Retry.RECOMPILE, "nothing"),
    Kind.CORE_BUSY: (Status.INFRA, Retry.WAIT, "nothing"),
    Kind.NO_DEVICE: (Status.DEVICE_LOST, Retry.NEVER, "nothing"),
    Kind.VERSION_SKEW: (Status.INFRA, Retry.NEVER, "nothing"),
    Kind.CONFIGURATION: (Status.INFRA, Retry.NEVER, "nothing"),
    Kind.HANG: (Status.TIMEOUT, Retry.OTHER_CORE, "core"),
    Kind.HARDWARE: (Status.DEVICE_LOST, Retry.OTHER_DEVICE, "device"),
}


def test_every_class_has_its_verdict_retry_and_rest():
    assert {kind: (rule.status, rule.retry, rule.quarantine) for kind, rule in RULES.items()} == VERDICTS
    assert VERDICTS.keys() == set(Kind)
    assert {kind for kind, rule in RULES.items() if rule.ends_run} == {
        Kind.NO_DEVICE,
        Kind.VERSION_SKEW,
        Kind.CONFIGURATION,
    }


ECC = Change("neuron0/stats/hardware/mem_ecc_uncorrected", "0", "1", suspect=True)
CORRECTED = Change("neuron0/stats/hardware/mem_ecc_corrected", "0", "1", suspect=False)

ENDS = {
    "good": (Outcome(finished=True), Kind.NONE, ""),
    "wrong values": (Outcome(finished=True, mismatch=True), Kind.MISMATCH, ""),
    "wrong values beside a moved counter": (
        Outcome(finished=True, mismatch=True, changes=(ECC,)),
        Kind.HARDWARE,
        "neuron0/stats/hardware/mem_ecc_uncorrected: 0 -> 1",
    ),
    "good values beside a moved counter": (Outcome(finished=True, changes=(ECC,)), Kind.HARDWARE, str(ECC)),
    "wrong values beside a corrected error": (
        Outcome(finished=True, mismatch=True, changes=(CORRECTED,)),
        Kind.MISMATCH,
        "",
    ),
    "hang on bad memory": (Outcome(text="NRT_TIMEOUT(5)", changes=(ECC,)), Kind.HARDWARE, str(ECC)),
    "recovered while it ran": (Outcome(finished=True, text="NRT_TIMEOUT(5), retrying"), Kind.NONE, ""),
    "crash in teardown": (Outcome(-signal.SIGSEGV, finished=True), Kind.TEARDOWN_CRASH, "SIGSEGV"),
    "exit code in teardown": (Outcome(1, finished=True), Kind.TEARDOWN_CRASH, "exit code 1"),
    "hang in teardown": (
        Outcome(-signal.SIGKILL, finished=True, timed_out=True),
        Kind.TEARDOWN_CRASH,
        "did not end after the result",
    ),
    "wrong values and a crash in teardown": (Outcome(-signal.SIGABRT, finished=True, mismatch=True), Kind.MISMATCH, ""),
    "segmentation fault": (Outcome(-signal.SIGSEGV), Kind.CRASH, "SIGSEGV"),
    "segmentation fault behind a shell": (Outcome(128 + signal.SIGSEGV), Kind.CRASH, "SIGSEGV"),
    "abort": (Outcome(-signal.SIGABRT, "Unexpected runtime state"), Kind.CRASH, "SIGABRT"),
    "bus error": (Outcome(-signal.SIGBUS), Kind.CRASH, "SIGBUS"),
    "a signal without name": (Outcome(-62), Kind.CRASH, "signal 62"),
    "killed at the deadline": (Outcome(-signal.SIGKILL, timed_out=True), Kind.HANG, "no result until the deadline"),
    "killed while it waited for a lock": (
        Outcome(-signal.SIGKILL, "Another process must be compiling X", timed_out=True),
        Kind.STALE_LOCK,
        "Another process must be compiling",
    ),
    "killed by somebody else": (
        Outcome(-signal.SIGKILL),
        Kind.COMPILER_ENVIRONMENT,
        "SIGKILL, sent from outside",
    ),
    "terminated by a scheduler": (Outcome(-signal.SIGTERM), Kind.COMPILER_ENVIRONMENT, "SIGTERM, sent from outside"),
    "still running, no deadline": (Outcome(None), Kind.CRASH, "ended without a result"),
    "silent end": (Outcome(0), Kind.CRASH, "ended without a result"),
    "exit code of the compiler": (Outcome(70), Kind.COMPILER_CRASH, "exit code 70"),
    "exit code of the compiler on a full disk": (
        Outcome(70, "No space left on device"),
        Kind.COMPILER_ENVIRONMENT,
        "No space left on device",
    ),
    "other exit code": (Outcome(3), Kind.CRASH, "exit code 3"),
    "refused by NKI": (
        Outcome(exception="SyntaxError", raised_in="nki"),
        Kind.KERNEL_REJECTED,
        "SyntaxError from nki",
    ),
    "refused by the older NKI": (
        Outcome(exception="NotImplementedError", raised_in="neuronxcc"),
        Kind.KERNEL_REJECTED,
        "NotImplementedError from neuronxcc",
    ),
    "a TypeError of somebody else": (Outcome(exception="TypeError", raised_in="torch_xla"), Kind.CRASH, "TypeError"),
    "another exception of NKI": (Outcome(exception="KeyError", raised_in="nki"), Kind.CRASH, "KeyError"),
    "no resources at the start": (
        Outcome(1, "NRT_RESOURCE(4)", starting=True),
        Kind.CORE_BUSY,
        "NRT_RESOURCE(4) while the runtime started",
    ),
    "no resources later": (Outcome(1, "NRT_RESOURCE(4)"), Kind.RUNTIME_ERROR, "NRT_RESOURCE(4)"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_way_to_end_tells_its_class(name):
    outcome, kind, evidence = ENDS[name]

    fault = classify(outcome)

    assert (fault.kind, fault.evidence) == (kind, evidence)


def test_a_launch_without_values_is_never_good():
    for name, (outcome, _, _) in ENDS.items():
        fault = classify(outcome)
        assert fault.status is not None or outcome.finished, name
    assert classify(Outcome(1, "NRT_EXEC_COMPLETED_WITH_NUM_ERR(1003)")).status is Status.CRASH
    assert classify(Outcome(-signal.SIGSEGV, finished=True)).status is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("NRT_SUCCESS(0), then NRT_QUEUE_FULL(7)", NrtStatus("QUEUE_FULL", 7)),
        ("NRT_FAILURE(6)", NrtStatus("FAILURE", 6)),
        ("nrt_infodump Failure: NRT_EXEC_OOB in nrt_execute()", NrtStatus("EXEC_OOB", None)),
        ("with status 1201 after NRT_VERSION 2.30", NrtStatus("EXEC_HW_ERR_HBM_UE", 1201)),
        ("with status 0", None),
        ("with status 4242", None),
        ("NRT_SUCCESS(0)", None),
        ("all is well", None),
    ],
)
def test_the_status_in_a_text(text, status):
    assert find_status(text) == status


def test_a_status_is_written_with_its_name_and_number():
    assert str(NrtStatus("FAILURE", 6)) == "NRT_FAILURE(6)"
    assert str(NrtStatus("FAILURE", None)) == "NRT_FAILURE"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("NRT_EXEC_HW_ERR_REPAIRABLE_HBM_UE(1205)", "reload the driver (rmmod neuron; modprobe neuron) or reboot"),
        ("NRT_EXEC_HW_ERR_COLLECTIVES(1200)", "look at the other workers first"),
        ("NRT_EXEC_HW_ERR_DMA_ABORT(1203)", "replace the instance"),
    ],
)
def test_advice_against_hardware_errors(text, advice):
    fault = classify(Outcome(1, text))

    assert fault.advice == advice
    assert str(fault) == f"hardware error ({text}); {advice}"
