"""From NKI module names to the modules that stand for them."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import UnsupportedByEmulator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_HERE = __name__.rpartition(".")[0]

#: NKI module name -> module of this package.
_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "neuronxcc": f"{_HERE}.neuronxcc",
        "neuronxcc.nki": f"{_HERE}.legacy",
        "neuronxcc.nki.language": f"{_HERE}.legacy.language",
        "neuronxcc.nki.isa": f"{_HERE}.legacy.isa",
        "neuronxcc.nki.typing": f"{_HERE}.legacy.typing",
        "nki": f"{_HERE}.current",
        "nki.language": f"{_HERE}.current.language",
        "nki.isa": f"{_HERE}.current.isa",
        "nki.typing": f"{_HERE}.current.typing",
    }
)

_DIALECTS: Mapping[str, str] = MappingProxyType({"neuronxcc": "legacy", "nki": "current"})


def resolve(name: str) -> ModuleType | None:
    """Find the module that stands for an NKI module in a kernel.

    Args:
        name: full module name as in an import statement.

    Returns:
        The module, or None for a name that is not NKI's.

    Raises:
        UnsupportedByEmulator: a module of NKI that the emulator does not have.
    """
    root = name.partition(".")[0]
    if root not in _DIALECTS:
        return None
    if name not in _MODULES:
        raise UnsupportedByEmulator(
            f"module {name}", _DIALECTS[root], ", ".join(n for n in _MODULES if n.startswith(root))
        )
    return importlib.import_module(_MODULES[name])
