"""What a run is about, in the lines above the first test."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from pytest_nki_pool.spec.platforms import GENERATIONS

if TYPE_CHECKING:
    from pytest_nki_pool.session import PoolSession

_VERSIONS = ("numpy", "ml_dtypes", "torch", "jax")


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
    width = max(map(len, shown))
    lines = [f"nki {name.ljust(width)} {value} [{settings.sources[name]}]" for name, value in shown.items()]
    lines += [f"nki not run: {name}: {reason}" for name, reason in session.missing.items()]
    versions = (f"{name} {version}" for name in ("pytest-nki-pool", *_VERSIONS) if (version := _version(name)))
    return [*lines, f"nki {'versions'.ljust(width)} {', '.join(versions)}"]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
