"""Status codes of the Neuron runtime."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Source: Neuron runtime API guide, return codes.
STATUS_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "SUCCESS",
        1: "FAILURE",
        2: "INVALID",
        3: "INVALID_HANDLE",
        4: "RESOURCE",
        5: "TIMEOUT",
        6: "HW_ERROR",
        7: "QUEUE_FULL",
        9: "LOAD_NOT_ENOUGH_NC",
        10: "UNSUPPORTED_NEFF_VERSION",
        11: "FAIL_HOST_MEM_ALLOC",
        13: "UNINITIALIZED",
        14: "CLOSED",
        15: "QUEUE_EMPTY",
        101: "EXEC_UNIT_UNRECOVERABLE",
        1002: "EXEC_BAD_INPUT",
        1003: "EXEC_COMPLETED_WITH_NUM_ERR",
        1004: "EXEC_COMPLETED_WITH_ERR",
        1005: "EXEC_NC_BUSY",
        1006: "EXEC_OOB",
        1100: "COLL_PENDING",
        1200: "EXEC_HW_ERR_COLLECTIVES",
        1201: "EXEC_HW_ERR_HBM_UE",
        1202: "EXEC_HW_ERR_NC_UE",
        1203: "EXEC_HW_ERR_DMA_ABORT",
        1204: "EXEC_SW_NQ_OVERFLOW",
        1205: "EXEC_HW_ERR_REPAIRABLE_HBM_UE",
        1206: "NETWORK_PROXY_FAILURE",
    }
)

# An exception says the name, logs say the number alone; runtime 1.x wrote NERR_ for NRT_.
_NAMED = re.compile(r"\b(?:NRT|NERR)_([A-Z][A-Z_]*[A-Z])(?:\s*\(\s*([0-9]+)\s*\))?")
_NUMBERED = re.compile(r"\b(?:with status|completed with err:)\s*([0-9]+)")
_OLD_NAMES: Mapping[str, str] = MappingProxyType(
    {"RESOURCE_NC": "LOAD_NOT_ENOUGH_NC", "INFER_BAD_INPUT": "EXEC_BAD_INPUT"}
)


@dataclass(frozen=True, slots=True)
class NrtStatus:
    """A status as the runtime reported it.

    Attributes:
        name: without its prefix.
        number: None when the text gives the name alone. Name and number can disagree; the name decides.
    """

    name: str
    number: int | None

    def __str__(self) -> str:
        return f"NRT_{self.name}" if self.number is None else f"NRT_{self.name}({self.number})"


def find_status(text: str) -> NrtStatus | None:
    """The first status in a text that is not success; None when there is none."""
    known = set(STATUS_CODES.values()) - {"SUCCESS"}
    for match in _NAMED.finditer(text):
        name = _OLD_NAMES.get(match[1], match[1])
        if name in known:
            return NrtStatus(name, int(match[2]) if match[2] else None)
    for match in _NUMBERED.finditer(text):
        number = int(match[1])
        if number and number in STATUS_CODES:
            return NrtStatus(STATUS_CODES[number], number)
    return None
