"""The machines that are imitated: the small ones after captures of real ones, the large ones after the docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One instance type, in the words of each interface."""

    instance_type: str
    devices: int
    cores: int
    lnc: int
    memory: int
    device_architecture: str
    core_architecture: str
    family: str
    device_name: str
    bdf: str
    cpu_affinity: str
    numa_node: str
    torus: bool = False

    def neighbours(self, device: int) -> list[int]:
        """On the torus of 4 x 4: the devices above, left, below and right, whose order real machines do not keep."""
        if not self.torus:
            return []
        row, column = divmod(device, 4)
        around = ((row - 1, column), (row, column - 1), (row + 1, column), (row, column + 1))
        return [row % 4 * 4 + column % 4 for row, column in around]

    def address(self, device: int) -> str:
        """PCI address of a device."""
        return self.bdf if self.devices == 1 else f"0000:{0x10 + device:02x}:1e.0"


_TRN1 = {"cores": 2, "lnc": 1, "memory": 34359738368, "device_architecture": "NDv2", "core_architecture": "NCv2"}
_TRN1 |= {"family": "Trn1", "device_name": "Trainium1"}
_INF2 = _TRN1 | {"device_architecture": "NDv3", "family": "Inf2", "device_name": "Inferentia2"}
_TRN2 = {"cores": 8, "lnc": 2, "memory": 103079215104, "device_architecture": "NDv3", "core_architecture": "NCv3"}
_TRN2 |= {"family": "Trn2", "device_name": "Trainium2"}

MACHINES = {
    machine.instance_type: machine
    for machine in (
        Machine("inf2.xlarge", 1, bdf="0000:00:1f.0", cpu_affinity="0-3", numa_node="-1", **_INF2),
        Machine("trn1.2xlarge", 1, bdf="0000:00:1e.0", cpu_affinity="0-7", numa_node="-1", **_TRN1),
        Machine("trn1.32xlarge", 16, bdf="", cpu_affinity="0-63", numa_node="0", torus=True, **_TRN1),
        Machine("trn2.3xlarge", 1, bdf="0000:33:00.0", cpu_affinity="0-11", numa_node="0", **_TRN2),
        Machine("trn2.48xlarge", 16, bdf="", cpu_affinity="48-95,144-191", numa_node="1", torus=True, **_TRN2),
    )
}
