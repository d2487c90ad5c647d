"""Every class of fault, on every framework path: its verdict, what is tried again and where, and the exit code."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.faults import Kind
from pytest_nki_pool.neuron.lease import free_cores
from pytest_nki_pool.neuron.quarantine import quarantined

#: Averages, but does what the table says for the number of channels; every process that launches writes that down.
KERNEL = '''
import ctypes, json, os, signal, sys, time
import nki
import nki.isa as nisa
import nki.language as nl

FOLDER = {folder!r}
DEEDS = {deeds!r}


def note(case):
    with open(FOLDER + "/attempts", "a") as log:
        log.write(json.dumps([case, os.getpid(), int(os.environ["NEURON_RT_VISIBLE_CORES"])]) + "\\n")


def first_process(case):
    """Whether no other process has been here."""
    path = FOLDER + "/first-" + str(case)
    try:
        with open(path, "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        pass
    return open(path).read() == str(os.getpid())


def error(text):
    raise RuntimeError(text)


def count(counter):
    """Let a hardware counter of the first device grow."""
    path = {counters!r} + "/" + counter
    value = int(open(path).read())
    open(path, "w").write(str(value + 1))


@nki.jit
def avgpool(x, pool_size):
    channels, height, width = x.shape
    note(channels)
    wrong = 1.0
    exec(DEEDS.get(str(channels), ""), globals() | {{"case": channels}}, scope := {{}})
    wrong = scope.get("wrong", wrong)
    rows, columns = height // pool_size, width // pool_size
    image = nl.ndarray((channels, height, width), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=image, src=x)
    steps = [[height * width, channels], [pool_size * width, rows], [pool_size, columns]]
    sums = nl.sum(image.ap([*steps, [width, pool_size], [1, pool_size]]), axis=[3, 4])
    means = nl.ndarray(sums.shape, dtype=sums.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=means, data=sums, op0=nl.multiply, operand0=wrong / (pool_size * pool_size))
    out = nl.ndarray((channels, rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=means)
    return out
'''


class Row(NamedTuple):
    """A fault and what must come of it.

    Attributes:
        kind: its class; None where nothing went wrong.
        deed: what the kernel does.
        status: the verdict.
        processes: how many launched the case.
        where: on which core the last of them did, seen from the first: "same", "other core" or "other device".
    """

    kind: Kind | None
    deed: str
    status: str
    processes: int = 1
    where: str = "same"


#: Of each class the first that helps itself at the second launch, where there is one.
ONCE = "first_process(case) and "
HANG = "ctypes.PyDLL(None).sleep(3600)"
LOCK = "[(print('Another process must be compiling MODULE_1', flush=True), time.sleep(0.1)) for _ in range(10**5)]"
BUSY = "error('Logical Neuron Core(s) not available - Requested:lnc0-lnc0 Available:0 (cores busy, ret=-16)')"
ROWS = (
    Row(None, "", "PASS"),
    Row(Kind.MISMATCH, "wrong = 2.0", "FAIL", 2, "other core"),
    Row(Kind.KERNEL_REJECTED, "error('[NCC_EVRF009] tensor does not fit')", "FAIL"),
    Row(Kind.KERNEL_REJECTED, "error('NRT Error NRT_EXEC_OOB(1006): Failed to execute model')", "FAIL"),
    Row(Kind.RUNTIME_ERROR, "error('NRT Error NRT_FAILURE(1): Failed to execute model')", "CRASH"),
    Row(Kind.NUMERIC_NAN, "error('NRT_EXEC_COMPLETED_WITH_NUM_ERR(1003)')", "CRASH"),
    Row(Kind.CRASH, "ctypes.string_at(0)", "CRASH"),
    Row(Kind.COMPILER_CRASH, "error('[F134] neuronx-cc terminated abnormally')", "FAIL", 2),
    Row(Kind.COMPILER_CRASH, f"{ONCE}ctypes.CDLL(None)._exit(70)", "PASS", 2),
    Row(Kind.COMPILER_ENVIRONMENT, "error('[Errno 28] No space left on device')", "INFRA", 2),
    Row(Kind.COMPILER_ENVIRONMENT, f"{ONCE}os.kill(os.getpid(), signal.SIGKILL)", "PASS", 2),
    Row(
        Kind.CACHED_FAILURE,
        "'--retry_failed_compilation' in os.getenv('NEURON_CC_FLAGS', '') or error('Got a cached failed neff at /')",
        "PASS",
        2,
    ),
    Row(Kind.CACHED_FAILURE, "error('Got a cached failed neff at /var/tmp')", "INFRA", 2),
    Row(Kind.STALE_LOCK, f"{ONCE}{LOCK}", "PASS", 2),
    Row(Kind.CORE_BUSY, f"{ONCE}{BUSY}", "PASS", 2, "other core"),
    Row(Kind.HANG, f"{ONCE}error('NRT_TIMEOUT(5)')", "PASS", 2, "other core"),
    Row(Kind.HANG, HANG, "TIMEOUT", 2, "other core"),
    Row(Kind.HARDWARE, "error('NRT_EXEC_HW_ERR_HBM_UE(1201)')", "DEVICE_LOST", 2, "other device"),
    Row(Kind.HARDWARE, f"{ONCE}error('NRT_HW_ERROR(6)')", "PASS", 2, "other device"),
)
#: What every further launch would meet as well: the cases after it are not launched.
ENDING = {
    Kind.NO_DEVICE: ("No neuron device available", "DEVICE_LOST"),
    Kind.VERSION_SKEW: ("NEFF version mismatch supported: 1.1 received: 2.0", "INFRA"),
    Kind.CONFIGURATION: ("Neuron cores are not contiguous", "INFRA"),
}
DEADLINE = {"baremetal": 4, "torch": 5, "jax": 5}  # frameworks take longer for their first launch
#: Two workers, where they can be had: half of the time is spent waiting for deadlines.
WORKERS = ("-n", "2") if find_spec("xdist") else ()
#: Of the fake trn1.32xlarge.
CORES = tuple(Core(index, index // 2, (index % 2,)) for index in range(32))
BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(bool(module) and not find_spec(module), reason=f"no {module}"))
    for name, module in (("baremetal", ""), ("torch", "torch"), ("jax", "jax"))
]


def conform(machine, backend, deeds, *more):
    """Run the cases of a table; exit code, verdicts by case, and who launched each case: process and core."""
    folder = machine.locks.parent
    counters = machine.host.device(0)
    (folder / "pool.py").write_text(KERNEL.format(folder=str(folder), deeds=deeds, counters=str(counters)))
    cases = ",".join(f"c{channels}h4w4k2:fp32:normal:s0" for channels in deeds)
    code, output = machine.run(
        *(
            "--pyargs",
            "pytest_nki_pool.conformance",
            f"--nki-kernel={folder / 'pool.py'}:avgpool",
            f"--nki-case={cases}",
        ),
        *("--nki-check=values", f"--nki-backend={backend}", "--nki-report=report.jsonl"),
        *(f"--nki-timeout={DEADLINE[backend]}", "--nki-device-wait=2", "-q", *more),
    )
    lines = [json.loads(line) for line in (machine.report).read_text().splitlines()]
    verdicts = {line["case"].partition("h")[0][1:]: line for line in lines if line["line"] == "verdict"}
    attempts = {}
    if (folder / "attempts").exists():
        for line in (folder / "attempts").read_text().splitlines():
            case, pid, core = json.loads(line)
            attempts.setdefault(str(case), {})[pid] = core
    return code, output, verdicts, attempts


def apart(cores):
    """How the last core lies to the first, on a machine of two cores per device."""
    first, last = cores[0], cores[-1]
    if first == last:
        return ["same"]
    return ["other core", "other device"] if first // 2 != last // 2 else ["other core"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_class_of_fault_has_its_verdict_and_its_retry(neuron, backend):
    machine = neuron("trn1.32xlarge")
    # Of frameworks, whose processes take seconds to start, one row of each class.
    chosen = ROWS if backend == "baremetal" else tuple({row.kind: row for row in ROWS}.values())
    rows = {str(number): row for number, row in enumerate(chosen, start=1)}

    code, output, verdicts, attempts = conform(
        machine, backend, {name: row.deed for name, row in rows.items()}, *WORKERS
    )

    expected = {name: (row.deed, row.status, row.processes) for name, row in rows.items()}
    seen = {name: (rows[name].deed, line["status"], len(attempts.get(name, ()))) for name, line in verdicts.items()}
    assert seen == expected, output
    for name, row in rows.items():
        assert row.where in apart(list(attempts[name].values())), row
        assert row.processes == 1 or row.kind.value in verdicts[name]["message"], row
    assert code == 1
    assert nobody_is_left(attempts)
    assert free_cores(CORES, machine.locks) == tuple(core for core in CORES if not quarantined(core, machine.locks))


#: What a second launch of wrong values on another core finds, and what is told of it.
OPINIONS = {
    "wrong there too": ("wrong = 2.0", "for diagnosis alone: the same wrong values there"),
    "otherwise wrong": ("wrong = 2.0 if first_process(case) else 3.0", "wrong there too, but not the same"),
    "right there": ("wrong = 2.0 if first_process(case) else 1.0", "right there, so that core 0 is suspect"),
    "lost there": ("wrong = 2.0 if first_process(case) else error('NRT_HW_ERROR(6)')", "DEVICE_LOST, hardware error"),
}


def test_wrong_values_are_launched_once_more_on_another_core_and_stay_wrong(neuron):
    machine = neuron("trn1.32xlarge")
    by_kernel = dict(enumerate(OPINIONS.values(), start=1))
    deeds = {str(number): deed for number, (deed, _) in reversed(by_kernel.items())}
    code, output, verdicts, attempts = conform(machine, "baremetal", deeds | {"5": "wrong = 2.0"})

    assert {line["status"] for line in verdicts.values()} == {"FAIL"}, output
    assert {name: len(launched) for name, launched in attempts.items()} == {**dict.fromkeys("1234", 2), "5": 1}
    for number, (_, told) in by_kernel.items():
        first, last = attempts[str(number)].values()
        assert first != last
        assert told.replace("core 0", f"core {first}") in verdicts[str(number)]["message"]
    assert "not tried on another core: two agreed on values of c1h4w4k2:fp32:normal:s0" in verdicts["5"]["message"]
    assert quarantined(CORES[list(attempts["4"].values())[1]], machine.locks)
    assert code == 1


def test_wrong_values_on_the_only_core_say_that_no_other_was_tried(neuron):
    machine = neuron("trn1.2xlarge")
    code, output, verdicts, attempts = conform(machine, "baremetal", {"1": "wrong = 2.0"}, "--nki-device=1")

    assert verdicts["1"]["status"] == "FAIL", output
    assert (
        "wrong values on core 1, not tried on another: no other core that may be used is free"
        in verdicts["1"]["message"]
    )
    assert len(attempts["1"]) == 1
    assert code == 1


def test_the_arrays_of_wrong_values_are_those_that_were_judged(neuron):
    machine = neuron("trn1.2xlarge")
    deeds = {"1": "wrong = 2.0 if first_process(case) else 1.0"}
    conform(machine, "baremetal", deeds, "--nki-artifacts=kept")

    output, exact = (
        np.fromfile(next((machine.report.parent / "kept").glob(f"*/{name}.bin")), np.float32)
        for name in ("launch0_output0", "exact")
    )
    assert output.size
    assert np.allclose(output, 2 * exact, rtol=1e-5, atol=0)  # the second launch gave half of it


def test_a_run_that_only_the_machine_spoils_is_to_be_run_again(neuron):
    deeds = {"1": "", "2": "error('No space left on device')", "3": "error('NRT_EXEC_HW_ERR_NC_UE(1202)')"}
    code, output, verdicts, _ = conform(neuron("trn1.32xlarge"), "baremetal", deeds)

    assert [verdicts[name]["status"] for name in deeds] == ["PASS", "INFRA", "DEVICE_LOST"], output
    assert code == 75


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ENDING, ids=lambda kind: kind.name)
def test_what_every_launch_would_meet_ends_the_launches_and_not_the_verdicts(neuron, kind, backend):
    text, status = ENDING[kind]
    deeds = {"1": "", "2": f"error({text!r})", "3": "", "4": ""}
    code, output, verdicts, attempts = conform(neuron("trn1.2xlarge"), backend, deeds)

    assert [verdicts[name]["status"] for name in deeds] == ["PASS", status, "NOT_RUN", "NOT_RUN"], output
    assert set(attempts) == {"1", "2"}
    assert kind.value in verdicts["3"]["message"]
    assert code == 75


def test_a_core_that_stays_busy_is_waited_for_and_then_given_up(neuron):
    code, output, verdicts, attempts = conform(neuron("trn1.32xlarge"), "baremetal", {"1": BUSY, "2": ""})

    assert [verdicts[name]["status"] for name in ("1", "2")] == ["INFRA", "PASS"], output
    assert len(set(attempts["1"].values())) > 1
    assert "core busy" in verdicts["1"]["message"]
    assert code == 75


def test_a_hang_on_the_only_core_is_not_blamed_on_the_cases_after_it(neuron):
    machine = neuron("trn1.2xlarge")
    code, output, verdicts, attempts = conform(machine, "baremetal", {"1": "", "2": HANG, "3": ""}, "--nki-device=1")

    assert [verdicts[name]["status"] for name in ("1", "2", "3")] == ["PASS", "TIMEOUT", "INFRA"], output
    assert set(attempts["2"].values()) == {1}
    assert "quarantined" in verdicts["3"]["message"]
    assert quarantined(Core(1, 0, (1,)), machine.locks)
    assert not quarantined(Core(0, 0, (0,)), machine.locks)
    assert code == 1


def test_a_hardware_error_lets_the_whole_device_rest(neuron):
    machine = neuron("trn1.32xlarge")
    conform(machine, "baremetal", {"1": f"{ONCE}error('NRT_HW_ERROR(6)')"})

    assert free_cores(CORES, machine.locks) == CORES[2:]


@pytest.mark.parametrize(
    ("counter", "status", "code"),
    [
        ("stats/hardware/mem_ecc_uncorrected", "DEVICE_LOST", 75),
        ("neuron_core1/stats/status/hw_nc_ue_error/total", "DEVICE_LOST", 75),
        ("stats/hardware/sram_ecc_corrected", "PASS", 0),
    ],
    ids=["memory", "core", "corrected"],
)
def test_a_hardware_counter_that_grows_takes_the_trust_from_right_and_wrong_values(neuron, counter, status, code):
    machine = neuron("trn1.2xlarge", counters=True)
    found, output, verdicts, _ = conform(machine, "baremetal", {"1": f"count({counter!r})"})

    assert verdicts["1"]["status"] == status, output
    assert (counter in verdicts["1"]["message"]) == (status != "PASS")
    assert found == code


def test_a_wrong_value_while_a_hardware_counter_grows_is_the_devices_fault(neuron):
    machine = neuron("trn1.2xlarge")
    deed = "wrong = 2.0; count('stats/hardware/mem_ecc_uncorrected')"
    code, output, verdicts, _ = conform(machine, "baremetal", {"1": deed})

    assert verdicts["1"]["status"] == "DEVICE_LOST", output
    assert code == 75


@pytest.mark.parametrize("fault", ["zeros", "nan", "constant", "dtype"])
def test_a_device_that_gives_a_known_answer_wrong_is_not_trusted(neuron, fault):
    machine = neuron("trn1.2xlarge")
    machine.environ["FAKE_NEURON_FAULT"] = fault
    code, output, verdicts, attempts = conform(machine, "baremetal", {"1": "", "2": ""})

    assert [verdicts[name]["status"] for name in ("1", "2")] == ["MISTRUSTED", "MISTRUSTED"], output
    assert attempts == {}
    assert code == 75


def nobody_is_left(attempts):
    """Whether every process that launched is gone."""
    pids = {pid for launched in attempts.values() for pid in launched}
    return not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
