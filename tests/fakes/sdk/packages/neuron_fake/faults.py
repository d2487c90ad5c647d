"""Failures of runtime, compiler and device.

``FAKE_NEURON_FAULT`` is ``KIND`` or ``KIND@N`` to fail from the N-th launch of the process on: a key of `KINDS`, or
``nrt:STATUS`` for a status of the runtime. ``FAKE_NEURON_LOG`` names a file to which every launch adds a line of JSON.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

_process = {"launches": 0}

#: Source: Neuron runtime return codes.
NRT = {
    "FAILURE": 1,
    "INVALID": 2,
    "INVALID_HANDLE": 3,
    "RESOURCE": 4,
    "TIMEOUT": 5,
    "HW_ERROR": 6,
    "QUEUE_FULL": 7,
    "LOAD_NOT_ENOUGH_NC": 9,
    "UNSUPPORTED_NEFF_VERSION": 10,
    "FAIL_HOST_MEM_ALLOC": 11,
    "UNINITIALIZED": 13,
    "CLOSED": 14,
    "QUEUE_EMPTY": 15,
    "EXEC_UNIT_UNRECOVERABLE": 101,
    "EXEC_BAD_INPUT": 1002,
    "EXEC_COMPLETED_WITH_NUM_ERR": 1003,
    "EXEC_COMPLETED_WITH_ERR": 1004,
    "EXEC_NC_BUSY": 1005,
    "EXEC_OOB": 1006,
    "COLL_PENDING": 1100,
    "EXEC_HW_ERR_COLLECTIVES": 1200,
    "EXEC_HW_ERR_HBM_UE": 1201,
    "EXEC_HW_ERR_NC_UE": 1202,
    "EXEC_HW_ERR_DMA_ABORT": 1203,
    "EXEC_SW_NQ_OVERFLOW": 1204,
    "EXEC_HW_ERR_REPAIRABLE_HBM_UE": 1205,
    "NETWORK_PROXY_FAILURE": 1206,
}

#: What is raised. Source: Neuron runtime troubleshooting guide, compiler and framework troubleshooting pages.
_TEXTS = {
    "busy": "Logical Neuron Core(s) not available - Requested:lnc0-lnc0 Available:0 Logical Core size:2 "
    "(cores busy, ret=-16)",
    "busy_virtual": "Virtual Neuron Core(s) not available - Requested:2 Available:0 Virtual Core size 1",
    "busy_old": "NRT:nrt_allocate_neuron_cores NeuronCore(s) not available - Requested:nc1-nc1 Available:0",
    "no_device": "No neuron device available",
    "skew": "NEFF version mismatch supported: 1.1 received: 2.0",
    "gap": "Neuron cores are not contiguous",
    "refused": "[NCC_EARG001] lnc=2 is not supported on trn1",
    "compiler": "[F134] neuronx-cc terminated abnormally; neuronx-cc exited with code 70",
    "starved": "neuronx-cc exited with code -9",
    "cached": "Got a cached failed neff at /var/tmp/neuron-compile-cache/MODULE_1/model.neff",
    "timeout": "NRT Error NRT_TIMEOUT(5): execution timeout (30000 ms) while waiting for execution completion "
    "notification",
}


class NrtError(RuntimeError):
    """The runtime's exception."""


def strike() -> None:
    """Fail as asked, before a launch computes anything."""
    _process["launches"] += 1
    _log()
    kind = _due()
    if kind.startswith("nrt:"):
        status = kind.removeprefix("nrt:")
        raise NrtError(f"NRT Error NRT_{status}({NRT[status]}): Failed to execute model")
    if kind in _TEXTS:
        raise RuntimeError(_TEXTS[kind])
    if kind in _ACTIONS:
        _ACTIONS[kind]()


def spoil(array: np.ndarray) -> np.ndarray:
    """The result of a launch, made wrong as asked."""
    return _RESULTS.get(_due(), lambda right: right)(array)


def _hang() -> None:
    # A call through PyDLL keeps the interpreter's lock: no Python signal handler and no other thread runs.
    ctypes.PyDLL(None).sleep(3600)


def _crash() -> None:
    ctypes.string_at(0)


def _wait_for_lock() -> None:
    for minutes in range(1, 600):
        waiting = f"Another process must be compiling MODULE_1, been waiting for: {minutes} minutes\n"
        sys.stderr.write(waiting)
        time.sleep(0.1)


_ACTIONS = {"hang": _hang, "segfault": _crash, "lock": _wait_for_lock, "exit70": lambda: os._exit(70)}
_RESULTS = {
    "zeros": np.zeros_like,
    "nan": lambda array: np.full_like(array, np.nan),
    "dtype": lambda array: array.astype(np.float16 if array.dtype == np.float32 else np.float32),
    "constant": lambda array: np.full_like(array, 1),
}
KINDS = (*_TEXTS, *_ACTIONS, *_RESULTS)


def _due() -> str:
    """The failure that is due at the launch that began last; empty for none."""
    kind, _, first = os.environ.get("FAKE_NEURON_FAULT", "").partition("@")
    if kind and not kind.startswith("nrt:") and kind not in KINDS:
        raise ValueError(f"FAKE_NEURON_FAULT: {kind!r} is none of {', '.join(KINDS)}, nrt:STATUS")
    return kind if _process["launches"] >= int(first or 1) else ""


def _log() -> None:
    file = os.environ.get("FAKE_NEURON_LOG")
    if file:
        cores = os.environ.get("NEURON_RT_VISIBLE_CORES", "")
        line = json.dumps({"pid": os.getpid(), "cores": cores, "launch": _process["launches"], "time": time.time()})
        with Path(file).open("a") as log:
            log.write(f"{line}\n")
