"""Facts about the chips and about the instances that carry them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Chip:
    """One Neuron chip.

    Attributes:
        platform: name of the chip as NKI knows it.
        generation: NeuronCore generation.
        cores: physical NeuronCores of a device.
        logical_core_configuration: physical cores that one logical core takes unless told otherwise.
        memory: device memory in bytes.
    """

    platform: str
    generation: str
    cores: int
    logical_core_configuration: int
    memory: int


_GIB = 2**30

#: Source: Neuron architecture guides (Trainium, Inferentia2, Trainium2, Trainium3) and the guide to the logical
#: NeuronCore configuration.
CHIPS: Mapping[str, Chip] = MappingProxyType(
    {
        chip.platform: chip
        for chip in (
            Chip("trn1", "gen2", 2, 1, 32 * _GIB),
            Chip("trn1n", "gen2", 2, 1, 32 * _GIB),
            Chip("inf2", "gen2", 2, 1, 32 * _GIB),
            Chip("trn2", "gen3", 8, 2, 96 * _GIB),
            Chip("trn3", "gen4", 8, 2, 144 * _GIB),
        )
    }
)

#: NeuronCore generation by the core's ``info/architecture/arch_type``; the device's own cannot tell Inf2 from Trn2.
#: Source: Neuron driver, sysfs metrics; for NCv4 the naming of the Trainium3 guide.
CORE_GENERATIONS: Mapping[str, str] = MappingProxyType({"NCv2": "gen2", "NCv3": "gen3", "NCv4": "gen4"})

#: Devices of an instance. Source: Neuron architecture guides, pages on the Inf2, Trn1 and Trn2 instances.
INSTANCE_DEVICES: Mapping[str, int] = MappingProxyType(
    {
        "inf2.xlarge": 1,
        "inf2.8xlarge": 1,
        "inf2.24xlarge": 6,
        "inf2.48xlarge": 12,
        "trn1.2xlarge": 1,
        "trn1.32xlarge": 16,
        "trn1n.32xlarge": 16,
        "trn2.3xlarge": 1,
        "trn2.48xlarge": 16,
        "trn2n.48xlarge": 16,
        "trn2u.48xlarge": 16,
    }
)

_INSTANCE = re.compile(r"(trn1n|(?:trn|inf)[0-9])[a-z]*\.[0-9]*x?large")


def platform_of(instance_type: str) -> str | None:
    """The platform that an instance type such as ``trn2.48xlarge`` carries; None when it is no Neuron instance."""
    match = _INSTANCE.fullmatch(instance_type)
    return match[1] if match else None
