"""What the tool ``neuron-ls`` says about the machine."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.neuron.errors import NeuronError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Seconds after which the tool is taken to hang.
DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has a device open.

    Attributes:
        device: number of the device node.
        pid: process id in the host's numbering, which inside a container is not the container's.
        command: its command line; empty across containers.
        runtime: version of the Neuron runtime it uses; empty when the tool does not say.
    """

    device: int
    pid: int
    command: str
    runtime: str


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """One record of ``neuron-ls --json-output``, in whatever form the installed tool writes it.

    Attributes:
        index: the tool's number of the device; inside a container it counts from 0.
        bdf: PCI address.
        neighbours: devices it is connected to, in no particular order.
        logical_cores: NeuronCores as the runtime numbers them.
        logical_core_configuration: physical cores per logical core.
        core_ids: the runtime's numbers of the logical cores; empty before SDK 2.25.
        memory: device memory in bytes.
        instance_type: such as ``trn2.48xlarge``; None before SDK 2.32.
        owners: processes that have the device open.
    """

    index: int
    bdf: str
    neighbours: frozenset[int]
    logical_cores: int
    logical_core_configuration: int
    core_ids: tuple[int, ...]
    memory: int
    instance_type: str | None
    owners: tuple[Owner, ...]

    @property
    def cores(self) -> int:
        """Physical NeuronCores."""
        return self.logical_cores * self.logical_core_configuration


def neuron_ls(tool: Path, environ: Mapping[str, str], deadline: float = DEADLINE) -> tuple[ListedDevice, ...]:
    """Run the tool once and understand its records.

    Call it in one process of a run only: before SDK 2.28 two at a time could fail (developer tools release notes).

    Args:
        tool: absolute path of the tool.
        environ: environment of the call; the logical-core configuration in it decides what the tool counts.
        deadline: seconds to wait for the answer.

    Raises:
        NeuronError: there is no tool, it failed or hung, or its answer is not the list that it should be.
    """
    output = _run(tool, environ, deadline)
    try:
        records = json.loads(output)
    except ValueError as error:
        raise NeuronError(f"{tool} wrote no JSON: {output.strip()[:80]!r}") from error
    if not isinstance(records, list):
        raise NeuronError(f"{tool} wrote {type(records).__name__} where a list of devices was expected")
    try:
        return tuple(sorted((_understand(record) for record in records), key=lambda device: device.index))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NeuronError(f"{tool} wrote a record of a form that is not known: {error!r}") from error


def _run(tool: Path, environ: Mapping[str, str], deadline: float) -> str:
    """The tool's output; exit code and emptiness are checked before anybody parses it."""
    try:
        done = subprocess.run(  # noqa: S603 - an absolute path that the user or the SDK chose
            [tool, "--json-output"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=deadline,
        )
    except FileNotFoundError as error:
        raise NeuronError(f"{tool} does not exist") from error
    except OSError as error:
        raise NeuronError(f"{tool} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise NeuronError(f"{tool} did not answer within {deadline:g} s") from error
    if done.returncode:
        reason = done.stderr.strip() or done.stdout.strip() or "nothing"
        raise NeuronError(f"{tool} ended with exit code {done.returncode} and said: {reason[-300:]}")
    if not done.stdout.strip():
        raise NeuronError(f"{tool} ended with exit code 0 and wrote nothing")
    return done.stdout


def _understand(record: Mapping[str, Any]) -> ListedDevice:
    index = int(record["neuron_device"])
    return ListedDevice(
        index=index,
        bdf=str(record.get("bdf", "")),
        neighbours=frozenset(int(neighbour) for neighbour in record.get("connected_to") or ()),
        logical_cores=int(record["nc_count"]),
        logical_core_configuration=int(record.get("logical_neuroncore_config") or 1),
        core_ids=tuple(int(core) for core in record.get("neuroncore_ids") or ()),
        memory=int(record.get("memory_size") or 0),
        instance_type=record.get("instance_type") or None,
        owners=tuple(_owner(index, process) for process in record.get("neuron_processes") or ()),
    )


def _owner(device: int, process: Mapping[str, Any]) -> Owner:
    runtime = str(process.get("neuron_runtime_version") or "")
    return Owner(device, int(process["pid"]), str(process.get("command") or ""), runtime)
