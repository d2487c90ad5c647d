"""The Neuron devices of this machine: what may be used, and what each source says about it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.neuron.chips import CHIPS, CORE_GENERATIONS, INSTANCE_DEVICES, Chip, platform_of
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.neuron_ls import Owner
from pytest_nki_pool.neuron.sources import Sources, read_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nki_pool.neuron.roots import Roots

#: What sets the logical-core configuration of a process, the current name first.
#: Source: Neuron logical NeuronCore configuration guide.
LNC_VARIABLES = ("NEURON_LOGICAL_NC_CONFIG", "NEURON_RT_VIRTUAL_CORE_SIZE")


@dataclass(frozen=True, slots=True, order=True)
class Core:
    """One logical NeuronCore.

    Attributes:
        index: the runtime's number of it, the one that NEURON_RT_VISIBLE_CORES takes.
        device: number of its device's node.
        physical: its physical NeuronCores, numbered within the device.
    """

    index: int
    device: int
    physical: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """One Neuron device that may be used.

    Attributes:
        index: number of its node.
        cores: physical NeuronCores.
        memory: device memory in bytes.
        bdf: PCI address; empty when only ``neuron-ls`` could tell and did not.
        neighbours: devices it is connected to, in the host's numbering.
        sysfs: its number in sysfs; None when sysfs does not show it, or nobody can tell which one it is.
    """

    index: int
    cores: int
    memory: int
    bdf: str
    neighbours: frozenset[int]
    sysfs: int | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The Neuron devices that may be used.

    Attributes:
        platform: the chip; None without a device, and so are the next two.
        generation: its NeuronCore generation.
        logical_core_configuration: physical cores per logical core.
        instance_type: such as ``trn2.48xlarge``; None when no source gives it.
        driver: version of the loaded driver; None when it is not to be read.
        devices: by number.
        cores: logical cores as the runtime numbers them, ascending.
        owners: processes that have a device open.
        notes: what a person should know, one sentence each.
        looked_for: what was looked for, where, and what was there.
    """

    platform: str | None
    generation: str | None
    logical_core_configuration: int | None
    instance_type: str | None
    driver: str | None
    devices: tuple[Device, ...]
    cores: tuple[Core, ...]
    owners: tuple[Owner, ...]
    notes: tuple[str, ...]
    looked_for: tuple[str, ...]

    def require(self) -> None:
        """Insist on a device.

        Raises:
            NeuronError: there is none; says what was looked for and where.
        """
        if not self.devices:
            raise NeuronError(f"no Neuron device; looked for {'; '.join(self.looked_for)}")

    def to_json(self) -> dict[str, Any]:
        """A form that JSON can carry; process ids and PCI addresses included, so it is for this machine's own user."""
        return asdict(self) | {
            "devices": [asdict(device) | {"neighbours": sorted(device.neighbours)} for device in self.devices]
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Inventory:
        """Read `to_json` back, in another process of the same machine."""
        parts: dict[str, list[Any]] = {
            "devices": [Device(**one | {"neighbours": frozenset(one["neighbours"])}) for one in record["devices"]],
            "cores": [Core(**one | {"physical": tuple(one["physical"])}) for one in record["cores"]],
            "owners": [Owner(**one) for one in record["owners"]],
        }
        lists = {name: parts.get(name, record[name]) for name in (*parts, "notes", "looked_for")}
        return cls(**{**record, **{name: tuple(values) for name, values in lists.items()}})

    def recorded(self) -> dict[str, Any]:
        """What a report may tell: what kind of machine it is, and nothing that tells which one."""
        kind = ("platform", "generation", "instance_type", "driver", "logical_core_configuration")
        return {name: getattr(self, name) for name in kind} | {"devices": len(self.devices), "cores": len(self.cores)}


def inventory(roots: Roots, environ: Mapping[str, str] | None = None) -> Inventory:
    """Find the Neuron devices; without any the result has none and says where they were looked for.

    Device nodes decide what may be used. Sysfs may list more, as it does in a container.

    Args:
        roots: where to look.
        environ: variables that set the logical-core configuration, and the environment of ``neuron-ls``; by default
            this process's own.

    Raises:
        NeuronError: a node that no other source knows, devices of two generations or of one without NKI, or a
            logical-core configuration that the chip does not have.
    """
    environ = os.environ if environ is None else environ
    sources = read_sources(roots, environ)
    _refuse_unknown_nodes(sources)
    if not sources.nodes:
        return _nothing(sources)
    chip, instance_type, notes = _identify(sources)
    lnc = _logical_core_configuration(sources, environ, chip)
    devices = tuple(_device(sources, node, chip) for node in sources.nodes)
    return Inventory(
        platform=chip.platform,
        generation=chip.generation,
        logical_core_configuration=lnc,
        instance_type=instance_type,
        driver=sources.driver,
        devices=devices,
        cores=_cores(sources, devices, lnc),
        owners=tuple(replace(owner, device=node) for node, record in sources.listed.items() for owner in record.owners),
        notes=(*sources.notes, *notes, *_disagreements(sources)),
        looked_for=sources.looked_for(),
    )


def differences(found: Inventory, expected: str) -> tuple[str, ...]:
    """How an inventory differs from a whole instance of the expected type, one sentence each; empty when it does not.

    Args:
        found: what the machine has.
        expected: an instance type such as ``trn2.48xlarge``.

    Raises:
        NeuronError: the expected type is not known.
    """
    if expected not in INSTANCE_DEVICES:
        raise NeuronError(f"instance type {expected!r} is not known; choose from {', '.join(INSTANCE_DEVICES)}")
    chip = CHIPS[platform_of(expected) or ""]
    devices = INSTANCE_DEVICES[expected]
    seen = {
        "instance type": (found.instance_type or expected, expected),
        "chip": (found.platform or "none", chip.platform),
        "Neuron devices": (len(found.devices), devices),
        "physical NeuronCores": (sum(device.cores for device in found.devices), devices * chip.cores),
    }
    return tuple(f"{name}: found {has}, expected {wants}" for name, (has, wants) in seen.items() if has != wants)


def _nothing(sources: Sources) -> Inventory:
    looked_for = sources.looked_for()
    return Inventory(None, None, None, sources.dmi, sources.driver, (), (), (), looked_for, looked_for)


def _refuse_unknown_nodes(sources: Sources) -> None:
    unknown = [f"{sources.roots.dev}/neuron{node}" for node in sources.nodes if not sources.knows(node)]
    if unknown:
        raise NeuronError(
            f"{', '.join(unknown)} exists but no other source knows the device ({'; '.join(sources.looked_for())}); "
            "load the driver, or remove the stale node"
        )


def _identify(sources: Sources) -> tuple[Chip, str | None, list[str]]:
    """The chip, the instance type and notes, from everything that any source says about either."""
    types = dict(_instance_types(sources))
    platforms = {source: platform_of(name) for source, name in types.items()} | dict(_families(sources))
    named = {source: platform for source, platform in platforms.items() if platform}
    for source, platform in named.items():
        if platform not in CHIPS:
            raise NeuronError(f"{source} says {platform}, a chip without NKI; NKI runs on {', '.join(CHIPS)}")
    generations = {source: CHIPS[platform].generation for source, platform in named.items()}
    generations |= dict(_core_generations(sources))
    if not generations:
        raise NeuronError(f"no source says which chip this is: {'; '.join(sources.looked_for())}")
    if len(set(generations.values())) > 1:
        seen = ", ".join(f"{source}: {generation}" for source, generation in generations.items())
        raise NeuronError(f"devices of two generations ({seen}); run on one, or repair the source that is wrong")
    generation = next(iter(generations.values()))
    like = next(name for name, chip in CHIPS.items() if chip.generation == generation)
    notes = [] if named else [f"no source names the chip; taken for {like}, as its cores are {generation}"]
    if len(set(types.values())) > 1:
        said = ", ".join(f"{source}: {name}" for source, name in types.items())
        notes.append(f"the instance type is not clear ({said}); the first is used")
    return CHIPS[next(iter(named.values()), like)], next(iter(types.values()), None), notes


def _instance_types(sources: Sources) -> Iterator[tuple[str, str]]:
    """Source and instance type, the most trusted first: the tool sees the machine, the firmware may be the host's."""
    for node, record in sources.listed.items():
        if record.instance_type:
            yield f"neuron-ls of device {node}", record.instance_type
    if sources.dmi:
        yield "DMI", sources.dmi


def _families(sources: Sources) -> Iterator[tuple[str, str | None]]:
    for node in sources.nodes:
        device = sources.sysfs.get(node)
        if device and device.family:
            yield f"sysfs of device {node}", platform_of(f"{device.family}.xlarge")


def _core_generations(sources: Sources) -> Iterator[tuple[str, str]]:
    for node in sources.nodes:
        device = sources.sysfs.get(node)
        for name in sorted(device.core_architectures if device else ()):
            if name not in CORE_GENERATIONS:
                known = ", ".join(CORE_GENERATIONS)
                raise NeuronError(f"sysfs calls the cores of device {node} {name}; NKI runs on {known}")
            yield f"cores {name} of device {node}", CORE_GENERATIONS[name]


def _logical_core_configuration(sources: Sources, environ: Mapping[str, str], chip: Chip) -> int:
    """From the environment, else the tool, else the host's file, else the chip's default."""
    asked = {name: environ[name] for name in LNC_VARIABLES if environ.get(name)}
    if len(set(asked.values())) > 1:
        both = " and ".join(f"{name}={value}" for name, value in asked.items())
        raise NeuronError(f"{both} contradict each other; keep one")
    listed = [("neuron-ls", str(record.logical_core_configuration)) for record in sources.listed.values()]
    of_host = [(str(sources.roots.lnc_file), sources.lnc_file)] if sources.lnc_file else []
    default = ("default", str(chip.logical_core_configuration))
    source, text = [*asked.items(), *listed, *of_host, default][0]
    allowed = ("1",) if chip.logical_core_configuration == 1 else ("1", "2")
    if text not in allowed:
        raise NeuronError(f"{source}: logical-core configuration {text!r}; {chip.platform} has {' and '.join(allowed)}")
    return int(text)


def _device(sources: Sources, node: int, chip: Chip) -> Device:
    listed = sources.listed.get(node)
    number = sources.sysfs_number(node)
    in_sysfs = sources.sysfs.get(node if number is None else number)
    neighbours = listed.neighbours if listed else (in_sysfs.neighbours if in_sysfs else None)
    return Device(
        index=node,
        cores=(in_sysfs.cores if in_sysfs else 0) or (listed.cores if listed else 0) or chip.cores,
        memory=(listed.memory if listed else 0) or chip.memory,
        bdf=listed.bdf if listed else "",
        neighbours=neighbours or frozenset(),
        sysfs=number,
    )


def _cores(sources: Sources, devices: tuple[Device, ...], lnc: int) -> tuple[Core, ...]:
    """Number the logical cores as the tool does; without it from 0 in the order of the devices."""
    cores: list[Core] = []
    for device in devices:
        listed = sources.listed.get(device.index)
        count = device.cores // lnc
        named = listed.core_ids if listed and listed.logical_core_configuration == lnc else ()
        numbers = named if len(named) == count else range(len(cores), len(cores) + count)
        cores += [
            Core(number, device.index, tuple(range(position * lnc, (position + 1) * lnc)))
            for position, number in enumerate(numbers)
        ]
    return tuple(sorted(cores))


def _disagreements(sources: Sources) -> Iterator[str]:
    """Where sysfs and ``neuron-ls`` differ about a device: physical cores are compared, and neighbours as sets."""
    for node in sources.nodes:
        number = sources.sysfs_number(node)
        device = sources.sysfs.get(node)
        listed = sources.listed.get(node)
        if device and number is None:
            yield f"device {node}: which device of the host it is cannot be told, so its counters are not read"
        elif number not in {None, node}:
            yield f"device {node} is device {number} of the host, as its neighbours tell; its counters are read there"
        elif device and listed and device.neighbours is not None and device.neighbours != listed.neighbours:
            yield f"device {node}: sysfs and neuron-ls give different neighbours"
        if device and listed and device.cores != listed.cores:
            yield f"device {node}: {device.cores} physical cores in sysfs, {listed.cores} in neuron-ls; sysfs is used"
