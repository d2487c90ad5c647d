"""What holds for every case of a run, gathered once."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.model import Run
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from pytest_nki_pool.report.scrub import Scrubber
    from pytest_nki_pool.session.pool import PoolSession
    from pytest_nki_pool.spec.kernel import KernelSpec

#: Distributions whose versions can change a result: ours, what carries the arrays, and the Neuron SDK.
_DISTRIBUTIONS = (
    "pytest-nki-pool", "pytest", "numpy", "ml_dtypes", "torch", "jax", "jaxlib", "torch-xla", "torch-neuronx",
    "jax-neuronx", "libneuronxla", "neuronx-cc", "nki",
)  # fmt: skip
#: Empty packages that hold the SDK's names on the public index.
_PLACEHOLDERS = frozenset(
    {("nki", "0.0.1"), ("neuronx-cc", "1.0.post1"), ("torch-neuronx", "1.0"), ("jax-neuronx", "0.0.0")}
)


def versions() -> dict[str, str]:
    """The versions that can change a result, of what is installed."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if (name, version) not in _PLACEHOLDERS:
            found[name] = version
    return found


def gather(session: PoolSession, scrubber: Scrubber, cases: int) -> Run:
    """The facts of a run.

    Args:
        session: what this process knows about NKI.
        scrubber: takes out what must not leave the machine.
        cases: how many cases the run consists of.
    """
    settings, shard = session.settings, session.shard
    return Run(
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        target=session.target[0],
        platforms={name: GENERATIONS[name] for name in session.platforms},
        device=session.launching.kind,
        versions=versions(),
        settings={
            name: {"values": scrubber.every(list(values)), "source": settings.sources[name]}
            for name, values in settings.given.items()
        },
        kernels={spec.label: _kernel(session, spec, scrubber) for spec in session.kernels},
        not_run=scrubber.every(session.missing),
        cases=cases,
        shard={"index": shard.index, "count": shard.count, "cases": session.cases_of_all_shards} if shard else None,
        environment=session.launching.recorded,
    )


def _kernel(session: PoolSession, spec: KernelSpec, scrubber: Scrubber) -> dict[str, Any]:
    loaded = session.bench.kernel(spec).loaded
    return {
        "target": scrubber.text(spec.target),
        "sha256": loaded.sha256,
        "dialect": spec.dialect or loaded.dialect,
        "claims": {**asdict(spec.capabilities), "dtypes": list(spec.capabilities.dtypes)},
    }
