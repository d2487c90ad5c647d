"""The chips a kernel can be meant for."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: NeuronCore generation of each platform. Source: Trainium/Inferentia2, Trainium2 and Trainium3 architecture guides.
GENERATIONS: Mapping[str, str] = MappingProxyType(
    {"trn1": "gen2", "trn1n": "gen2", "inf2": "gen2", "trn2": "gen3", "trn3": "gen4"}
)


@dataclass(frozen=True, slots=True)
class Device:
    """What a launch executes on.

    Attributes:
        target: "device", "simulator" or "emulator".
        platform: the chip.
        generation: its NeuronCore generation.
        cores: the leased NeuronCores, by the numbers that the machine's runtime gives them; empty where the target is
            no device.
    """

    target: str
    platform: str
    generation: str
    cores: tuple[int, ...] = ()
