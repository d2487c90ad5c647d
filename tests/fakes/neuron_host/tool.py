"""A ``neuron-ls`` that answers as the real ones of each age do, and fails as they do."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_host.machines import MACHINES, Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: SDKs whose tools write records of different forms.
TOOLS = ("2.24", "2.25", "2.32")

_NO_DRIVER = (
    'time="2026-10-01T10:00:00Z" level=fatal msg="Failed to load MLA system information" '
    'error="failed to discover Neuron devices"'
)

#: How the tool fails: exit code, standard output, standard error.
FAILURES = {
    "no driver": (1, "", _NO_DRIVER),
    "silent failure": (1, "", ""),
    "empty": (0, "", ""),
    "blank": (0, "\n", ""),
    "no JSON": (0, "+--------+--------+\n| NEURON | NEURON |\n", ""),
    "cut off": (0, '[\n    {\n        "neuron_device": 0,\n', ""),
    "no list": (0, '{"neuron_devices": []}', ""),
    "unknown record": (0, '[{"device": 0}]', ""),
    "record of another type": (0, '["neuron0"]', ""),
    "hang": (0, "", ""),
}

_SCRIPT = """#!{python}
import sys

sys.path.insert(0, {fakes!r})
from neuron_host.tool import main

sys.exit(main(sys.argv[1:], {settings!r}))
"""


def install(
    folder: Path,
    instance_type: str,
    *,
    tools: str = "2.32",
    failure: str = "",
    devices: Sequence[int] | None = None,
    renumber: bool = False,
    owners: Mapping[int, Sequence[int]] | None = None,
) -> Path:
    """Write the executable and return its path.

    Each call of it adds a line to ``neuron-ls.calls`` beside it: its arguments and the logical-core configuration.

    Args:
        folder: where to.
        instance_type: which machine it runs on.
        tools: age of the tool, one of `TOOLS`.
        failure: how it fails, a key of `FAILURES`; by default it does not.
        devices: the devices of the machine that it sees; all by default.
        renumber: whether it counts them from 0, as inside a container.
        owners: process ids by device.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "neuron-ls"
    machine = MACHINES[instance_type]
    settings = {
        "instance_type": instance_type,
        "tools": tools,
        "failure": failure,
        "devices": list(range(machine.devices) if devices is None else devices),
        "renumber": renumber,
        "owners": {device: list(pids) for device, pids in (owners or {}).items()},
        "calls": str(folder / "neuron-ls.calls"),
    }
    fakes = str(Path(__file__).parents[1])
    script.write_text(_SCRIPT.format(python=sys.executable, fakes=fakes, settings=settings))
    script.chmod(0o755)
    return script


def main(arguments: Sequence[str], settings: Mapping) -> int:
    """What the executable does."""
    with Path(settings["calls"]).open("a") as calls:
        calls.write(json.dumps([*arguments, os.environ.get("NEURON_LOGICAL_NC_CONFIG")]) + "\n")
    known = {"--json-output", "-j", "--wide", "-w", "--show-all-procs", "-a", "--topology", "-t"}
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        sys.stdout.write(f"unknown flag `{unknown[0].lstrip('-')}'\n")
        return 1
    if settings["failure"]:
        code, out, error = FAILURES[settings["failure"]]
        if settings["failure"] == "hang":
            time.sleep(600)
        sys.stdout.write(out)
        sys.stderr.write(error)
        return code
    machine = MACHINES[settings["instance_type"]]
    lnc = int(os.environ.get("NEURON_LOGICAL_NC_CONFIG") or machine.lnc)
    records = [
        _record(machine, device, position if settings["renumber"] else device, lnc, settings)
        for position, device in enumerate(settings["devices"])
    ]
    sys.stdout.write(json.dumps(records, indent=4) + "\n")
    return 0


def _record(machine: Machine, device: int, number: int, lnc: int, settings: Mapping) -> dict:
    """One record with the keys, and in the order, of the tool's age."""
    tools = settings["tools"]
    count = machine.cores // lnc
    address = machine.address(device)
    record = {}
    if tools == "2.32":
        record |= {"instance_type": machine.instance_type, "instance_id": "i-0123456789abcdef0"}
    record |= {"neuron_device": number, "bdf": address.removeprefix("0000:") if tools == "2.24" else address}
    if tools != "2.24":
        record |= {"cpu_affinity": machine.cpu_affinity, "numa_node": machine.numa_node}
    record |= {"connected_to": machine.neighbours(device) or None, "nc_count": count}
    if machine.lnc > 1:
        record["logical_neuroncore_config"] = lnc
    record["memory_size"] = machine.memory
    if tools != "2.24":
        record["neuroncore_ids"] = [number * count + core for core in range(count)]
    processes = settings["owners"].get(device, [])
    record["neuron_processes"] = [{"pid": pid, "command": "", "neuron_runtime_version": "2.34.10"} for pid in processes]
    return record
