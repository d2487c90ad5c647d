"""A program that uses cores: a ``worker`` leases them and starts children, a ``child`` holds one and says when."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.errors import CoresBusyError
from pytest_nki_pool.neuron.lease import adopt, lease

#: Seconds between two marks of a child that uses a core.
BEAT = 0.002


def worker(folder: Path, records: Path, cores: list[Core], stop: Path, seconds: float, hang: float) -> None:
    """Lease one core after the other until told to stop, and let a child use each; some hang."""
    while not stop.exists():
        try:
            held = lease(cores, folder, wait=0.5)
        except CoresBusyError:
            continue
        with held:
            hangs = random.random() < hang  # noqa: S311 - no secret
            how_long = 3600.0 if hangs else random.uniform(0, seconds)  # noqa: S311 - no secret
            command = [sys.executable, __file__, "child", held.handover(), str(records), str(how_long)]
            subprocess.run(command, pass_fds=held.descriptors, check=False)


def child(handover: str, records: Path, seconds: float) -> None:
    """Adopt a lease and write down, again and again, that the core is in use now."""
    held = adopt(handover)
    end = time.monotonic() + seconds
    with (records / f"core{held.cores[0].index}-{os.getpid()}-{time.monotonic_ns()}").open("wb", buffering=0) as record:
        while True:
            record.write(struct.pack("d", time.monotonic()))
            if time.monotonic() >= end:
                return
            time.sleep(BEAT)


def main(arguments: list[str]) -> None:
    if arguments[0] == "child":
        child(arguments[1], Path(arguments[2]), float(arguments[3]))
    else:
        settings = json.loads(arguments[1])
        cores = [Core(index, index // 2, (index % 2,)) for index in range(settings["cores"])]
        places = (Path(settings[name]) for name in ("folder", "records"))
        worker(*places, cores, Path(settings["stop"]), settings["seconds"], settings["hang"])


if __name__ == "__main__":
    main(sys.argv[1:])
