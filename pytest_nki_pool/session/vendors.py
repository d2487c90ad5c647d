"""Kernels that installed distributions bring, through entry points of the group `nki_pool.kernels`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from pytest_nki_pool.spec.kernel import KernelSpec

GROUP = "nki_pool.kernels"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One entry point, loaded.

    Attributes:
        name: its name, which `--nki-kernel` takes as well as a target.
        origin: which entry point of which distribution it is.
        specs: the kernels it brings.
        fault: why it brings none; empty when it does.
    """

    name: str
    origin: str
    specs: tuple[KernelSpec, ...] = ()
    fault: str = ""


def installed() -> tuple[Vendor, ...]:
    """Load every entry point of the group, in the order of their names.

    An entry point leads to a `KernelSpec`, a list of them, or a function that returns either. What it imports must not
    need NKI: a spec names its kernel by a text.
    """
    found = sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return tuple(map(_load, found))


def _load(point: metadata.EntryPoint) -> Vendor:
    dist = point.dist
    origin = f"entry point {point.name}" + (f" of {dist.name} {dist.version}" if dist else "")
    try:
        value = point.load()
        result = value() if callable(value) else value
    except Exception as error:  # a vendor's code may raise anything; it must not end the run of another's kernel
        return Vendor(point.name, origin, fault=f"{point.value} raised {type(error).__name__}: {error}")
    specs = (result,) if isinstance(result, KernelSpec) else result
    if not isinstance(specs, (list, tuple)) or not specs or not all(isinstance(spec, KernelSpec) for spec in specs):
        return Vendor(
            point.name,
            origin,
            fault=f"{point.value} gives {result!r}; it leads to a KernelSpec, a list of them, or a function for either",
        )
    return Vendor(point.name, origin, tuple(specs))
