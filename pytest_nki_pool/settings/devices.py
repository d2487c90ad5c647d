"""What is asked of the Neuron devices of a machine, and how long a launch may take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.options import ON

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds that a case may take on a device, most of them the compiler's.
DEADLINE = 300.0
#: Seconds to wait for a core that others hold.
WAIT = 60.0


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What is asked of the machine.

    Attributes:
        cores: the cores to use, as the runtime takes them; None for all that may be used.
        deadline: seconds that a case may take; None for none but on a device.
        places: sysfs, device nodes and ``neuron-ls``, each where it is not at its usual place.
        required: whether a run without device is an error.
        expected: the instance type that the machine must be; empty for any.
        wait: seconds to wait for a free core.
    """

    cores: str | None = None
    deadline: float | None = None
    places: tuple[Path | None, ...] = (None, None, None)
    required: bool = False
    expected: str = ""
    wait: float = WAIT

    @classmethod
    def of(cls, values: Mapping[str, tuple[str, ...]], sources: Mapping[str, str], root: str) -> DeviceSettings:
        """Understand the text of the options.

        Raises:
            pytest.UsageError: a time is no number of seconds.
        """
        places = (values["sysfs-root"], values["dev-root"], values["neuron-ls"])
        return cls(
            cores=values["device"][0] if values["device"] else None,
            deadline=_seconds(values["timeout"][0], sources["timeout"]) if values["timeout"] else None,
            places=tuple(Path(root, texts[0]).expanduser() if texts else None for texts in places),
            required=bool(values["require-device"]) and values["require-device"][0] in ON,
            expected=values["expect-instance"][0] if values["expect-instance"] else "",
            wait=_seconds(values["device-wait"][0], sources["device-wait"]) if values["device-wait"] else WAIT,
        )


def _seconds(text: str, source: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text, re.ASCII) or float(text) == 0:
        raise pytest.UsageError(f"{source}: {text!r} is no time; give a number of seconds above 0, such as 300")
    return float(text)
