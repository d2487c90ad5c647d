"""The Neuron devices of this machine as far as a run has to do with them: what was asked for, found and may be used."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.neuron.devices import Inventory, differences, inventory
from pytest_nki_pool.neuron.environment import refusals, refused_override
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.roots import Roots
from pytest_nki_pool.neuron.selection import select
from pytest_nki_pool.neuron.sysfs import device_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.neuron.seat import Place
    from pytest_nki_pool.settings.devices import DeviceSettings

#: Modules that settle on cores when they are imported or first used, so that a later lease would not be heard.
_SETTLED = ("torch_xla", "jax", "libneuronxla", "spike", "nrtpy")

_POLL = 0.2


@dataclass(frozen=True)
class Machine:
    """What a run knows of the machine, found out as far as it is asked.

    Attributes:
        settings: what was asked for.
        sources: where each setting comes from.
        known: the devices, as `Inventory.to_json` told them in another process of the run; None to look for them.
    """

    settings: DeviceSettings
    sources: Mapping[str, str]
    known: Mapping[str, Any] | None = None

    @cached_property
    def roots(self) -> Roots:
        """Where the machine is looked at.

        Raises:
            pytest.UsageError: a place that was given does not exist.
        """
        try:
            return Roots.at(*self.settings.places)
        except NeuronError as error:
            given = [name for name in ("sysfs-root", "dev-root", "neuron-ls") if self.sources[name] != "default"]
            raise pytest.UsageError(f"{', '.join(self.sources[name] for name in given)}: {error}") from error

    @cached_property
    def nodes(self) -> str:
        """The device nodes; empty when there are none."""
        return ", ".join(f"{self.roots.dev}/neuron{index}" for index in device_nodes(self.roots))

    @cached_property
    def found(self) -> Inventory:
        """The devices.

        Raises:
            pytest.UsageError: the sources contradict each other.
        """
        if self.known is not None:
            return Inventory.from_json(self.known)
        try:
            return inventory(self.roots)
        except NeuronError as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def place(self) -> Place:
        """Where the run may work.

        Raises:
            pytest.UsageError: there is no device, or the cores asked for are none of its own.
        """
        try:
            from pytest_nki_pool.neuron.seat import Place  # noqa: PLC0415 - it needs an extra

            pool = select(self.found, self.settings.cores)
        except NeuronError as error:
            raise pytest.UsageError(str(error)) from error
        return Place(self.roots, self.found, pool, self.roots.locks, self.settings.wait)

    def absence(self) -> str:
        """What was looked for, where, and what was there; empty when there is a device."""
        try:
            self.found.require()
        except NeuronError as error:
            return str(error)
        return ""

    def validate(self, target: str, platforms: tuple[str, ...]) -> None:
        """Refuse what was asked for of the machine and cannot be had.

        Args:
            target: where kernels execute.
            platforms: the chips of the run; of a device, those asked for.

        Raises:
            pytest.UsageError: says what was seen, what is allowed and what to do.
        """
        if self.settings.deadline and not hasattr(os, "killpg"):
            raise pytest.UsageError(
                f"{self.sources['timeout']}: a deadline needs a system with process groups, such as Linux or macOS; "
                "leave it out here"
            )
        if target != "device":
            self._refuse_without_device(target)
            if target == "simulator":
                self._refuse_override(platforms)
            return
        self._validate_instance()
        for platform in platforms:
            if platform != self.place.platform:
                raise pytest.UsageError(
                    f"{self.sources['platform']}: {platform} asked for, the device here is {self.place.platform}; "
                    "leave it out, or run where the device is"
                )
        contradictions = refusals(os.environ, self.place.platform)
        if contradictions:
            raise pytest.UsageError("; ".join(contradictions))
        self.refuse_settled()

    def refuse_settled(self) -> None:
        """Insist that nothing has settled on cores yet.

        Raises:
            pytest.UsageError: a framework has been imported.
        """
        settled = [name for name in _SETTLED if name in sys.modules]
        if settled:
            raise pytest.UsageError(
                f"{' and '.join(settled)} imported before a NeuronCore was leased, so that it would take other cores; "
                "import it in tests and fixtures, not in a plugin or at the top of a conftest.py"
            )

    def free(self) -> int:
        """How many cores the run can have at this moment."""
        from pytest_nki_pool.neuron.lease import free_cores  # noqa: PLC0415 - it needs an extra

        return min(self.place.pool.limit, len(free_cores(self.place.pool.cores, self.place.locks)))

    def require_free(self, processes: int, asked: str, instead: str) -> None:
        """Insist on enough cores for the run's processes, and wait until one is free.

        Args:
            processes: how many there will be.
            asked: the option that asks for them.
            instead: what to give for as many as there are cores.

        Raises:
            pytest.UsageError: there are fewer, or none came free in time; says who holds what.
        """
        from pytest_nki_pool.neuron.lease import describe_cores  # noqa: PLC0415 - it needs an extra

        place = self.place
        if processes > place.pool.limit:
            raise pytest.UsageError(
                f"{asked}: each process needs a NeuronCore of its own and {place.pool.limit} may be used; "
                f"ask for {place.pool.limit} at most, or give {instead}"
            )
        deadline = time.monotonic() + place.wait
        while not self.free():
            if time.monotonic() >= deadline:
                held = "; ".join(describe_cores(place.pool.cores, place.locks))
                raise pytest.UsageError(f"no free NeuronCore within {place.wait:g} s ({held}); wait longer or free one")
            time.sleep(_POLL)

    def describe(self) -> dict[str, str]:
        """What the header shows: name -> text."""
        found, pool = self.found, self.place.pool
        devices, cores = len(found.devices), len(found.cores)
        kind = found.instance_type or "instance type not known"
        each = f"{found.logical_core_configuration} physical core{'s' if found.logical_core_configuration != 1 else ''}"
        indices = ", ".join(str(core.index) for core in pool.cores)
        return {
            "machine": f"{kind}: {devices} device{'s' if devices != 1 else ''}, {cores} NeuronCores of {each} each, "
            f"driver {found.driver or 'not known'}",
            "cores": f"{pool.limit} of {indices}" if pool.limit < len(pool.cores) else indices,
        }

    def _refuse_override(self, platforms: tuple[str, ...]) -> None:
        for platform in platforms:
            reason = refused_override(os.environ, platform)
            if reason:
                raise pytest.UsageError(f"{reason}, or choose another chip by --nki-platform")

    def _refuse_without_device(self, target: str) -> None:
        settings = self.settings
        asked = {"require-device": settings.required, "expect-instance": settings.expected, "device": settings.cores}
        for name, value in asked.items():
            if value:
                reason = f"{self.nodes} not used" if self.nodes else self.absence()
                raise pytest.UsageError(f"{self.sources[name]}: target {target} is no device ({reason})")

    def _validate_instance(self) -> None:
        if self.settings.expected:
            source = self.sources["expect-instance"]
            try:
                missed = differences(self.found, self.settings.expected)
            except NeuronError as error:
                raise pytest.UsageError(f"{source}: {error}") from error
            if missed:
                looked_for = "; ".join(self.found.looked_for)
                raise pytest.UsageError(f"{source}: {'; '.join(missed)}; looked for {looked_for}")
