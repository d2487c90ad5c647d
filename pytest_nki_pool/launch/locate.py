"""Where a kernel's module lies, found without importing anything."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

_PRODUCT = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a module lies and which names around it are copied with it.

    Attributes:
        name: dotted name by which its siblings import the module.
        path: the module's file.
        package: this name and all below it are copied.
        home: folder that holds the outermost package; None where ``sys.meta_path`` finds it.
        folder: folder whose modules are copied too when they are imported without a package; None for none.
    """

    name: str
    path: Path
    package: str
    home: Path | None = None
    folder: Path | None = None


def locate_file(path: Path) -> Source:
    """Describe a module given by its file.

    Args:
        path: absolute path of a Python file.

    Raises:
        ModuleNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise ModuleNotFoundError(f"there is no file {path}")
    path = path.resolve()
    module = path.parent if path.name == "__init__.py" else path.with_suffix("")
    names, home = [re.sub(r"\W", "_", module.name)], module.parent
    while (home / "__init__.py").is_file() and home.name.isidentifier():
        names.insert(0, home.name)
        home = home.parent
    return Source(".".join(names), path, names[0], home, _sibling_folder(path))


def locate_module(name: str) -> Source:
    """Describe a module given by its dotted name; neither it nor a package around it is imported.

    Args:
        name: dotted name of a module or package.

    Raises:
        ModuleNotFoundError: a part of the name is not there, or is not Python source.
    """
    parts = name.split(".")
    package, path, spec = "", None, None
    for depth in range(1, len(parts) + 1):
        part = ".".join(parts[:depth])
        spec = find_spec(part, path)
        if spec is None:
            raise ModuleNotFoundError(
                f"there is no module {part} among what is installed or on sys.path; "
                "a file is given as path/to/file.py:function",
                name=part,
            )
        path = spec.submodule_search_locations
        if spec.origin and path is not None:
            package = package or part
        if path is None and part != name:
            raise ModuleNotFoundError(f"there is no module {name}: {part} is not a package", name=name)
    if spec is None or not is_source(spec):
        raise ModuleNotFoundError(f"module {name} is not a Python source file", name=name)
    if package == _PRODUCT:
        package = ".".join(parts[:2])
    file = Path(str(spec.origin))
    folder = _sibling_folder(file) if len(parts) == 1 and path is None else None
    return Source(name, file, package or name.rpartition(".")[0] or name, folder=folder)


def is_source(spec: ModuleSpec) -> bool:
    """Whether a spec leads to a Python file."""
    return spec.origin is not None and spec.origin.endswith(".py") and Path(spec.origin).is_file()


def find_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Find a module as the import system does, without importing the packages around it.

    Args:
        name: dotted name.
        path: search path of the package around the module; None for a module in no package.
    """
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except KeyError:
            # A folder without __init__.py below a package that is not imported: PathFinder looks that package up in
            # sys.modules. The last part of the name is all it needs to search `path`.
            spec = finder.find_spec(name.rpartition(".")[2], path)
        if spec is not None:
            return spec
    return None


def _sibling_folder(path: Path) -> Path | None:
    """The folder of a file, unless it is one that distributions are installed into."""
    return None if any(path.parent.glob("*.dist-info")) else path.parent
