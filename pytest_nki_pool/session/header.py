"""What a run is about, in the lines above the first test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_nki_pool.launch.targets import target
from pytest_nki_pool.session.facts import versions
from pytest_nki_pool.settings.shards import unused
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from pytest_nki_pool.session.pool import PoolSession


def header(session: PoolSession) -> list[str]:
    """Every setting with its source, what does not run, and the versions that matter."""
    settings = session.settings
    shown = {
        "kernel": ", ".join(settings.kernels or [kernel.label for kernel in session.kernels]),
        "backend": ", ".join(session.backends),
        "target": session.target[0],
        "platform": ", ".join(f"{'='.join(group)} ({GENERATIONS[group[0]]})" for group in _platforms(session)),
        "tier": settings.tier,
        "check": ", ".join(settings.checks) or "all",
        "case": ", ".join(settings.cases) or "corpus",
        "seed": str(settings.seed),
    }
    shown |= {name: ", ".join(values) for name, values in settings.given.items() if values and name not in shown}
    machine = session.launching.describe()
    shown |= machine
    width = max(map(len, shown))
    sources = {**settings.sources, "kernel": session.chosen.source}
    sources |= dict.fromkeys(("platform", *machine), "found") if machine else {}
    lines = [f"nki {name.ljust(width)} {value} [{sources[name]}]" for name, value in shown.items()]
    lines += [f"nki note: {note}" for note in (session.machine.found.notes if machine else ())]
    name, missing = session.target
    sdk = "" if missing else target(name).sdk()
    lines += [f"nki sdk: {sdk}"] if sdk else []
    lines += [f"nki not run: {name}: {reason}" for name, reason in session.missing.items()]
    if not settings.shard and not settings.cases and unused(os.environ):
        lines.append(f"nki shard: {unused(os.environ)}")
    found = (f"{name} {version}" for name, version in versions().items())
    return [*lines, f"nki {'versions'.ljust(width)} {', '.join(found)}"]


def _platforms(session: PoolSession) -> tuple[tuple[str, ...], ...]:
    """The chips asked for, those of one generation together; or the one that was found."""
    return tuple((name,) for name in session.platforms) if session.launching.on_device else session.settings.also
