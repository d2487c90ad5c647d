"""The cores of a Ray cluster: one actor per NeuronCore, or per CPU where there is none.

Actors and not tasks, because the Neuron runtime reads which core is its own once per process, and Ray runs tasks of
several cores in one process.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from pytest_nki_pool.neuron.selection import VISIBLE_CORES
from pytest_nki_pool.sweep.engine import NO_CORE, EngineError
from pytest_nki_pool.sweep.progress import tell
from pytest_nki_pool.sweep.setup import again
from pytest_nki_pool.sweep.work import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.report.model import Run
    from pytest_nki_pool.sweep.engine import Batch, Line

#: Ray's name for a core.
#: Source: Ray documentation, "Accelerator Support".
CORES = "neuron_cores"

#: Seconds to wait for a core before the sweep gives up: a cluster that grows takes minutes.
_PATIENCE = 600.0
#: Seconds that actors may take to end their children.
_ORDERLY = 30.0
#: Actors in a row that may die before they have a case to run.
_MOST_STILLBORN = 3
#: Bytes of the object store of a cluster that is started here; Ray takes no less. Batches are far smaller.
_STORE = 80 * 1024 * 1024


class Ray:
    """An engine of Ray actors.

    It joins the cluster that ``RAY_ADDRESS`` names, on whose machines this package and the kernel are found at the same
    paths, or else starts one of its own on this machine.

    Args:
        orders: what a `Worker` takes.
        workers: how many actors; one per core when None.

    Raises:
        EngineError: the cluster has no core, or cannot be joined.
        pytest.UsageError: it is started here, kernels are to be launched on a device, and there is none.
    """

    def __init__(self, orders: Mapping[str, Any], workers: int | None) -> None:
        self._orders = dict(orders)
        self._stillborn = 0
        self._idle: deque[Any] = deque()
        #: What is going on: reference -> the actor, and its batch, or None while it starts.
        self._going: dict[Any, tuple[Any, Batch | None]] = {}
        _join(orders, workers)
        try:
            resource, count = _cores(orders)
        except EngineError:
            ray.shutdown()
            raise
        need = {"num_cpus": 0, "resources": {CORES: 1}} if resource == CORES else {"num_cpus": 1}
        self._actor = ray.remote(Worker).options(max_restarts=0, **need)
        self.workers = min(workers or count, count)
        for _ in range(self.workers):
            self._start()

    def survey(self, seeds: int) -> tuple[Run, list[str]]:
        """What the sweep is about, as an actor finds it, and its cases."""
        actor = self._fresh()
        found: tuple[Run, list[str]] | None = self._result(actor.survey.remote(seeds), actor)
        if found is None:
            raise EngineError("the actor died that was to say which cases there are")
        return found

    def free(self) -> int:
        """How many actors wait for work."""
        return len(self._idle)

    def submit(self, batch: Batch) -> None:
        """Give a batch to an actor."""
        actor = self._idle.popleft()
        self._going[actor.run.remote(batch)] = actor, batch

    def wait(self) -> list[tuple[Batch, list[Line] | None]]:
        """Wait until an actor has started, is done with its batch, or died; another takes the place of a dead one."""
        end = time.monotonic() + _PATIENCE
        done: list[Any] = []
        while not done:
            done, _ = ray.wait(list(self._going), timeout=1.0)
            if not done and not self._idle and time.monotonic() > end and not self._busy():
                raise EngineError(f"the Ray cluster has had no free core for {_PATIENCE:.0f} s")
        results = []
        for reference in done:
            actor, batch = self._going.pop(reference)
            lines = self._result(reference, actor, starts=batch is None)
            if batch is not None:
                results.append((batch, lines))
        return results

    def alone(self, case: str) -> Line | None:
        """Run a case on the actor that took the place of the one that died of it."""
        actor = self._fresh()
        lines = self._result(actor.run.remote((case,)), actor)
        if lines == []:
            raise EngineError(NO_CORE)
        return lines[0] if lines else None

    def close(self) -> None:
        """Leave the cluster; its actors end with it, and if they wait for work they end their children before."""
        if not self._busy():
            with contextlib.suppress(RayError):
                notes = ray.get([actor.close.remote() for actor in self._idle], timeout=_ORDERLY)
                tell(dict.fromkeys(note for each in notes for note in each))
        ray.shutdown()

    def _fresh(self) -> Any:
        """An actor that has just started, and does not wait for work with the others."""
        start, actor = next((start, actor) for start, (actor, batch) in self._going.items() if batch is None)
        if not ray.wait([start], timeout=_PATIENCE)[0]:
            raise EngineError(f"the Ray cluster has had no free core for {_PATIENCE:.0f} s")
        del self._going[start]
        if self._result(start, actor, starts=True) is None:
            return self._fresh()
        self._idle.remove(actor)
        return actor

    def _busy(self) -> bool:
        return any(batch is not None for _, batch in self._going.values())

    def _start(self) -> None:
        actor = self._actor.remote(self._orders)
        self._going[actor.ready.remote()] = actor, None

    def _result(self, reference: Any, actor: Any, *, starts: bool = False) -> Any:
        """What an actor gave, which now waits for work if it has a core; None when it died.

        Raises:
            EngineError: no actor starts, one failed, or none has a core.
        """
        try:
            value = ray.get(reference)
        except RayActorError as error:
            self._stillborn = self._stillborn + 1 if starts else 0
            if self._stillborn == _MOST_STILLBORN:
                raise EngineError(f"Ray's actors die before they have a case to run: {error}") from error
            self._start()
            return None
        except RayTaskError as error:
            what = error.cause if isinstance(error.cause, pytest.UsageError) else error
            raise EngineError(f"a worker failed: {what}") from error
        self._stillborn = 0
        if value == []:
            ray.kill(actor)
            self.workers -= 1
        else:
            self._idle.append(actor)
        if not self.workers:
            raise EngineError(NO_CORE)
        return value


def _on_device(orders: Mapping[str, Any]) -> bool:
    """Whether kernels are to be launched on devices."""
    target: list[str] = orders["settings"]["given"]["target"]
    return target == ["device"]


def _join(orders: Mapping[str, Any], workers: int | None) -> None:
    """Connect to the cluster, or start one that nobody else can reach."""
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS", "local")
    own: dict[str, Any] = {
        "num_cpus": workers or os.cpu_count(),
        "include_dashboard": False,
        "object_store_memory": _STORE,
    }
    if address == "local":
        if _on_device(orders):
            pool = again(orders).machine.place.pool
            own["resources"] = {CORES: pool.limit}
            os.environ[VISIBLE_CORES] = ",".join(str(core.index) for core in pool.cores)  # Ray reads no ranges
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # it listens on this machine alone
    _check_reachable(address)
    try:
        ray.init(address=address, **quiet, **(own if address == "local" else {}))
    except Exception as error:  # Ray has no class for a node that does not start in time
        raise EngineError(f"the Ray cluster at {address} cannot be joined: {error}") from error


def _check_reachable(address: str) -> None:
    """Knock before Ray does, which for minutes would not say that nobody is there."""
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:([0-9]+)", address)
    try:
        if match:
            socket.create_connection((match[1], int(match[2])), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        raise EngineError(f"the Ray cluster at {address} cannot be joined: {error}") from error


def _cores(orders: Mapping[str, Any]) -> tuple[str, int]:
    """The resource that actors take, and how much of it there is.

    Raises:
        EngineError: nothing that will do.
    """
    resources = ray.cluster_resources()
    name = CORES if resources.get(CORES) or _on_device(orders) else "CPU"
    count = int(resources.get(name, 0))
    if count:
        return name, count
    if name == CORES:
        raise EngineError(
            f"the Ray cluster has no {CORES}, and the target is a device; start its machines with "
            f"--resources='{{\"{CORES}\": N}}', or name another --target"
        )
    raise EngineError("the Ray cluster has no CPU and no NeuronCore")
