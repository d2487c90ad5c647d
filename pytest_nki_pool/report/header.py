"""What a run is about, in the lines above the first test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.report.facts import versions
from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from pytest_nki_pool.session import PoolSession


def header(session: PoolSession) -> list[str]:
    """Every setting with its source, what does not run, and the versions that matter."""
    settings = session.settings
    shown = {
        "kernel": ", ".join(settings.kernels or [kernel.label for kernel in session.kernels]),
        "backend": ", ".join(session.backends),
        "target": session.target[0],
        "platform": ", ".join(f"{'='.join(group)} ({GENERATIONS[group[0]]})" for group in settings.also),
        "tier": settings.tier,
        "check": ", ".join(settings.checks) or "all",
        "case": ", ".join(settings.cases) or "corpus",
        "seed": str(settings.seed),
    }
    shown |= {name: ", ".join(values) for name, values in settings.given.items() if values and name not in shown}
    width = max(map(len, shown))
    sources = {**settings.sources, "kernel": session.chosen.source}
    lines = [f"nki {name.ljust(width)} {value} [{sources[name]}]" for name, value in shown.items()]
    lines += [f"nki not run: {name}: {reason}" for name, reason in session.missing.items()]
    found = (f"{name} {version}" for name, version in versions().items())
    return [*lines, f"nki {'versions'.ljust(width)} {', '.join(found)}"]
