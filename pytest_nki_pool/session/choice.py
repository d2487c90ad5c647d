"""Which kernels are under test: those named, or else those of the hook, of entry points, or the built-in ones."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.kernels import SPECS
from pytest_nki_pool.session.vendors import installed
from pytest_nki_pool.spec.kernel import KernelSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nki_pool.settings.read import Settings

HOOK = "the hook pytest_nki_pool_kernels"


@dataclass(frozen=True, slots=True)
class Choice:
    """The kernels under test.

    Attributes:
        specs: the kernels, their labels distinct.
        source: where they come from.
        built_in: whether they are those of this package because nothing else was asked for.
        faults: entry points that were looked at and bring no kernel, with the reason.
    """

    specs: tuple[KernelSpec, ...]
    source: str
    built_in: bool = False
    faults: Mapping[str, str] = dataclasses.field(default_factory=dict)


def choose_kernels(settings: Settings, hooked: Sequence[KernelSpec]) -> Choice:
    """Choose the kernels under test.

    Args:
        settings: names of kernels, and what is claimed of them.
        hooked: the kernels that plugins and conftest files bring.

    Raises:
        pytest.UsageError: an entry point that was asked for, or that decides because nothing else does, brings none.
    """
    if hooked and not settings.kernels:
        return Choice(_distinct(hooked), HOOK)
    vendors = installed()
    faults = {vendor.origin: vendor.fault for vendor in vendors if vendor.fault}
    if not settings.kernels:
        for origin, fault in faults.items():
            raise pytest.UsageError(f"{origin}: {fault}; name the kernel with --nki-kernel to do without it")
        specs = [spec for vendor in vendors for spec in vendor.specs]
        source = ", ".join(vendor.origin for vendor in vendors)
        return Choice(_distinct(specs), source) if specs else Choice(_distinct(SPECS), "default", built_in=True)
    source = settings.sources["kernel"]
    for vendor in vendors:
        if vendor.fault and vendor.name in settings.kernels:
            raise pytest.UsageError(f"{source}: {vendor.origin}: {vendor.fault}")
    known = _by_target(SPECS) | _by_target([spec for vendor in vendors for spec in vendor.specs]) | _by_target(hooked)
    for vendor in vendors:
        known.setdefault(vendor.name, []).extend(vendor.specs)
    named = [spec for name in settings.kernels for spec in known.get(name, [KernelSpec(name)])]
    return Choice(_distinct(map(settings.claims.apply, named)), source, faults=faults)


def _by_target(specs: Iterable[KernelSpec]) -> dict[str, list[KernelSpec]]:
    found: dict[str, list[KernelSpec]] = {}
    for spec in specs:
        found.setdefault(spec.target, []).append(spec)
    return found


def _distinct(specs: Iterable[KernelSpec]) -> tuple[KernelSpec, ...]:
    """Give kernels of one name the name of their file as well, and a number where that is not enough."""
    specs = tuple(dict.fromkeys(specs))
    short = [_plain(spec.label) for spec in specs]
    labels = [
        label if short.count(label) == 1 else _plain(f"{_module(spec)}.{label}")
        for spec, label in zip(specs, short, strict=True)
    ]
    taken = {label for label in labels if labels.count(label) == 1}
    result = []
    for spec, label in zip(specs, labels, strict=True):
        numbered = (f"{label}.{number}" for number in count(1))
        name = label if labels.count(label) == 1 else next(name for name in numbered if name not in taken)
        taken.add(name)
        result.append(dataclasses.replace(spec, name=name))
    return tuple(result)


def _plain(label: str) -> str:
    """The label in characters that pytest leaves as they are in the id of a test."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)


def _module(spec: KernelSpec) -> str:
    """The last part of the module's name, or the file's name without its suffix."""
    return re.split(r"[./\\]", spec.target.rpartition(":")[0].removesuffix(".py"))[-1]
