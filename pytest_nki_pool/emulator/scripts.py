"""Scripts that import the Neuron SDK, run on a machine that has none."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import runpy
import sys
from contextlib import contextmanager, nullcontext
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.core.cost import metered
from pytest_nki_pool.emulator.frameworks.stand_ins import stand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_nki_pool.emulator.core.cost import Cost

#: Top-level names that are NKI itself.
NKI = ("neuronxcc", "nki")

#: Top-level names of the framework integrations.
INTEGRATIONS = ("torch_neuronx", "jax_neuronx", "torch_xla")

#: The distribution that brings each name, and the version of the placeholder that the Python Package Index has in its
#: place: a package that does nothing but raise ImportError.
_DISTRIBUTIONS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "neuronxcc": ("neuronx-cc", "1.0.post1"),
        "nki": ("nki", "0.0.1"),
        "torch_neuronx": ("torch-neuronx", "1.0"),
        "jax_neuronx": ("jax-neuronx", "0.0.0"),
        "torch_xla": ("torch-xla", None),
    }
)


def is_installed(name: str) -> bool:
    """Say whether a part of the Neuron SDK is really there.

    Args:
        name: a name of `NKI` or `INTEGRATIONS`.

    Returns:
        False also for the index's placeholder packages and for a folder without metadata that cannot be imported. A
        real installation counts as there even if it is broken: its own error is the one to see.
    """
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        return False
    distribution, placeholder = _DISTRIBUTIONS[name]
    try:
        return importlib.metadata.version(distribution) != placeholder
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@contextmanager
def emulated_imports(*, integrations: bool = False) -> Iterator[tuple[str, ...]]:
    """Let imports of the Neuron SDK find the emulator, in the whole process, while the context lasts.

    Args:
        integrations: whether `INTEGRATIONS` are emulated as well as `NKI`.

    Yields:
        The top-level names that the emulator stands for: those that `is_installed` does not find.
    """
    sources: dict[str, Callable[[str], ModuleType | None]] = dict.fromkeys(NKI, emulator.resolve)
    if integrations:
        sources |= dict.fromkeys(INTEGRATIONS, stand_in)
    absent = {name: source for name, source in sources.items() if not is_installed(name)}
    finder = _Finder(absent)
    sys.meta_path.insert(0, finder)
    try:
        yield tuple(absent)
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in absent]:
            del sys.modules[name]


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of the emulator under their names in the SDK."""

    def __init__(self, sources: Mapping[str, Callable[[str], ModuleType | None]]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        source = self._sources.get(fullname.partition(".")[0])
        module = source(fullname) if source else None
        if module is None:
            return None
        return ModuleSpec(fullname, self, loader_state=(module, module.__spec__), is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: ModuleType = spec.loader_state[0]
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put its spec into the module; one with a name of its own keeps the spec it had.
        spec = module.__spec__
        if spec is not None and spec.loader_state[1] is not None:
            module.__spec__ = spec.loader_state[1]


def run_script(script: Path, arguments: Sequence[str], *, cost: bool = False) -> None:
    """Run a script as ``__main__`` with the emulator in place of what the Neuron SDK lacks on this machine.

    Args:
        script: the Python file.
        arguments: what the script finds in ``sys.argv[1:]``.
        cost: whether to print to standard error what every launch would cost on the hardware.

    Raises:
        SystemExit: the script's own.
    """
    with emulated_imports(integrations=True) as names:
        if names:
            note = f"the NKI emulator stands in for {', '.join(names)}"
        else:
            note = "the Neuron SDK is installed, nothing is emulated"
        print(f"pytest_nki_pool: {note}", file=sys.stderr, flush=True)  # noqa: T201
        sys.argv = [str(script), *arguments]
        if not getattr(sys.flags, "safe_path", False):  # Python 3.11: python -P puts no folder first
            sys.path[0] = str(script.resolve().parent)
        with metered(_print_cost) if cost else nullcontext():
            runpy.run_path(str(script), run_name="__main__")


def _print_cost(name: str, cost: Cost) -> None:
    print(cost.table(name), file=sys.stderr, flush=True)  # noqa: T201
