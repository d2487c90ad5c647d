"""Trees of files with the names and contents that driver, kernel and firmware give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuron_host.machines import MACHINES, Machine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STATUS_COUNTERS = (
    "success",
    "failure",
    "timeout",
    "exec_bad_input",
    "hw_error",
    "execute_completed_with_error",
    "execute_completed_with_num_error",
    "generic_error",
    "resource_error",
    "resource_nc_error",
    "execute_failed_to_queue",
    "invalid_error",
    "unsupported_neff_version",
    "oob_error",
    "hw_collectives_error",
    "hw_hbm_ue_error",
    "hw_nc_ue_error",
    "hw_dma_abort_error",
    "execute_sw_nq_overflow",
    "execute_sw_semaphore_error",
    "execute_sw_event_error",
    "execute_sw_psum_collision",
    "execute_sw_sequencer_fatal",
    "hw_repairable_hbm_ue_error",
)
ECC_COUNTERS = ("sram_ecc_uncorrected", "mem_ecc_uncorrected", "mem_ecc_repairable_uncorrected")
WORK_COUNTERS = (
    "model_load_count",
    "reset_req_count",
    "reset_fail_count",
    "inference_count",
    "flop_count",
    "nc_time_in_use",
)

_PROC = """Character devices:
  1 mem
  5 /dev/tty
{neuron}254 gpiochip

Block devices:
  8 sd
259 blkext
"""


@dataclass(frozen=True)
class Host:
    """Where the tree of a machine is."""

    root: Path
    machine: Machine

    @property
    def sysfs(self) -> Path:
        return self.root / "sys"

    @property
    def dev(self) -> Path:
        return self.root / "dev"

    def device(self, index: int) -> Path:
        """Folder of a device in sysfs."""
        return self.sysfs / f"devices/virtual/neuron_device/neuron{index}"


def build(
    root: Path,
    instance_type: str,
    *,
    nodes: Iterable[int] | None = None,
    driver: str | None = "2.30.2.0",
    sysfs: bool = True,
    product_name: str | None = None,
    counters: bool = False,
) -> Host:
    """Write the tree of a machine below a folder.

    Device nodes are plain files: only root can make character devices.

    Args:
        root: an empty folder.
        instance_type: which machine.
        nodes: the device nodes that are there; all by default, one in a container that was given one.
        driver: version of the loaded driver; None for a machine on which it is not loaded.
        sysfs: whether sysfs shows the devices.
        product_name: what the firmware says; by default the instance type, as on EC2.
        counters: whether the cores have their counters, dozens of files each.
    """
    machine = MACHINES[instance_type]
    host = Host(root, machine)
    write(root / "proc/devices", _PROC.format(neuron="" if driver is None else "242 neuron\n"))
    write(host.sysfs / "devices/virtual/dmi/id/product_name", f"{product_name or instance_type}\n")
    write(host.sysfs / "devices/virtual/dmi/id/board_asset_tag", "i-0123456789abcdef0\n")
    host.dev.mkdir()
    for node in range(machine.devices) if nodes is None else nodes:
        (host.dev / f"neuron{node}").touch()
    if driver is not None:
        write(host.sysfs / "module/neuron/version", f"{driver}\n")
        if sysfs:
            _devices(host, counters=counters)
    return host


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _devices(host: Host, *, counters: bool) -> None:
    links = host.sysfs / "class/neuron_device"
    links.mkdir(parents=True)
    for device in range(host.machine.devices):
        _device(host.device(device), host.machine, device, counters=counters)
        (links / f"neuron{device}").symlink_to(host.device(device))


def _device(folder: Path, machine: Machine, device: int, *, counters: bool) -> None:
    files = {
        "core_count": str(machine.cores),
        "connected_devices": ", ".join(map(str, machine.neighbours(device))) + "\n",
        "reset": "0\n",
        "info/notify_delay": "-1\n",
        "info/serial_number": f"{device:016x}\n",
        "info/architecture/arch_type": f"{machine.device_architecture}\n",
        "info/architecture/instance_type": f"{machine.family}\n",
        "info/architecture/device_name": f"{machine.device_name}\n",
        "stats/power/utilization": "POWER_STATUS_VALID,1760000000,0.00,12.00,3.00\n",
        **{f"stats/hardware/{name}": "0\n" for name in ECC_COUNTERS},
        "stats/hardware/sram_ecc_corrected": "0\n",
        "stats/hardware/health_status/unhealthy_components": "\n",
        "stats/hardware/health_status/healthcheck_heartbeat": "1\n",
    }
    for core in range(machine.cores):
        files[f"neuron_core{core}/info/architecture/arch_type"] = f"{machine.core_architecture}\n"
        files |= {f"neuron_core{core}/stats/other_info/{name}": "0\n" for name in WORK_COUNTERS if counters}
        for name in STATUS_COUNTERS if counters else ():
            files |= {f"neuron_core{core}/stats/status/{name}/{kind}": "0\n" for kind in ("total", "present")}
    for name, text in files.items():
        write(folder / name, text)
