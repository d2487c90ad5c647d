"""Framework paths that can be chosen, found without importing a framework."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.launch.launcher import FrameworkPath


@dataclass(frozen=True, slots=True)
class Backend:
    """A framework path.

    Attributes:
        name: its name, also that of its module here and of the extra that installs it.
        requires: top-level modules it needs.
    """

    name: str
    requires: tuple[str, ...] = ()

    def missing(self) -> str:
        """What is not installed and how to get it; empty when all is there."""
        absent = [module for module in self.requires if importlib.util.find_spec(module) is None]
        if not absent:
            return ""
        modules = " and ".join(absent)
        return f"{modules} not installed; install with: pip install 'pytest-nki-pool[{self.name}]'"

    def path(self) -> FrameworkPath:
        """Import the framework and make its path."""
        path: FrameworkPath = importlib.import_module(f"pytest_nki_pool.launch.{self.name}").Path()
        return path


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "baremetal": Backend("baremetal"),
        "torch": Backend("torch", ("torch",)),
        "jax": Backend("jax", ("jax", "jaxlib")),
    }
)
