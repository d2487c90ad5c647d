"""What the firmware says about the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.chips import platform_of
from pytest_nki_pool.neuron.sysfs import read_text

if TYPE_CHECKING:
    from pytest_nki_pool.neuron.roots import Roots


def dmi_instance_type(roots: Roots) -> str | None:
    """Instance type such as ``trn2.48xlarge``; None on a machine that is no Neuron instance.

    On EC2 the firmware's product name is the instance type. Containers usually see the host's.
    """
    name = read_text(roots.dmi / "product_name")
    return name if name and platform_of(name) else None
