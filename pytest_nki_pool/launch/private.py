"""Modules executed as a private copy, which the rest of the process neither sees nor shares."""

from __future__ import annotations

import builtins
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, resolve_name, spec_from_file_location
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.launch.locate import find_spec, is_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nki_pool.launch.locate import Source


class PrivateCopy:
    """A private copy of a module and of the siblings that it imports.

    The copies stand in ``sys.modules`` under names of their own, where `dataclasses`, `inspect` and `pickle` look for
    the module of a class or function; their public names stay free. ``__file__`` of a copy is the real file.

    Attributes:
        sources: bytes of each file that was executed, in the order of execution.

    Args:
        source: the module to copy.
        resolve: gives the module that stands for an NKI name, None for a name that is not NKI; None: imports of NKI are
            ordinary imports.
    """

    def __init__(self, source: Source, resolve: Callable[[str], ModuleType | None] | None = None) -> None:
        self.sources: dict[Path, bytes] = {}
        self._source = source
        self._resolve = resolve
        self._modules: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._root = next(root for n in count() if (root := f"_nki_kernel_{n}") not in sys.modules)
        sys.modules[self._root] = ModuleType(self._root, "Private copy of a kernel.")

    def load(self, name: str) -> ModuleType:
        """Execute a module of the copy, its packages first; a module executed before is returned as it is.

        Args:
            name: public dotted name.

        Raises:
            ModuleNotFoundError: the copy has no module of this name.
            BaseException: whatever the module raises.
        """
        if name in self._modules:
            return self._modules[name]
        parent, _, child = name.rpartition(".")
        if parent:
            package = self.load(parent)
            if name in self._modules:  # the package imported it
                return self._modules[name]
            module = self._create(name, self._find(name, package))
            setattr(package, child, module)
            return module
        return self._create(name, self._find(name, None))

    def _owns(self, name: str) -> bool:
        package = self._source.package
        if f"{name}.".startswith(f"{package}.") or self._surrounds(name):
            return True
        return self._find_sibling(name.partition(".")[0]) is not None

    def _surrounds(self, name: str) -> bool:
        return self._source.package.startswith(f"{name}.")

    def _find(self, name: str, package: ModuleType | None) -> ModuleSpec:
        """The spec that a module of the copy, or a package around it, has under its public name."""
        spec: ModuleSpec | None
        if name == self._source.name:
            spec = spec_from_file_location(name, self._source.path)
        elif package is not None:
            spec = find_spec(name, getattr(package, "__path__", []))
        elif name != self._source.package and not self._surrounds(name):
            spec = self._find_sibling(name)
        elif self._source.home is not None:
            spec = PathFinder.find_spec(name, [str(self._source.home)])
        else:
            spec = find_spec(name, None)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec

    def _find_sibling(self, name: str) -> ModuleSpec | None:
        """Find a module that is imported without a package in the folder of the kernel's file.

        As for a script, that folder comes before ``sys.path``; for a file in a package it comes last, and so does a
        folder without ``__init__.py`` everywhere. The standard library is never shadowed.
        """
        if self._source.folder is None or name in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(name, [str(self._source.folder)])
        if spec is None or (spec.origin is not None and self._source.name == self._source.package):
            return spec
        other = find_spec(name, None)
        return spec if other is None or other.origin == spec.origin else None

    def _create(self, name: str, found: ModuleSpec) -> ModuleType:
        if self._surrounds(name):
            self._modules[name] = self._surrounding(name, list(found.submodule_search_locations or ()))
            return self._modules[name]
        private = f"{self._root}.{name}"
        path = found.submodule_search_locations
        spec = ModuleSpec(private, None, is_package=True)
        if found.origin is not None:
            spec = spec_from_file_location(private, found.origin) or spec
        if path is not None:
            spec.submodule_search_locations = list(path)
        module = module_from_spec(spec)
        self._modules[name] = sys.modules[private] = module
        try:
            self._execute(spec, module)
        except BaseException:
            del self._modules[name], sys.modules[private]
            raise
        return module

    def _execute(self, spec: ModuleSpec, module: ModuleType) -> None:
        if is_source(spec):
            path = Path(str(spec.origin))
            self.sources[path] = path.read_bytes()
            module.__dict__["__builtins__"] = self._builtins
            code = compile(self.sources[path], str(path), "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102 - executing the user's kernel is the purpose
        elif spec.loader is not None:
            spec.loader.exec_module(module)

    def _surrounding(self, name: str, path: list[str]) -> ModuleType:
        """Stand in for a package around the copy: it has the copy's modules, all else is the ordinary package's.

        It does not stand in ``sys.modules``, where anyone who asks each module for an attribute would import things.
        """

        def attribute(child: str) -> Any:
            if self._owns(f"{name}.{child}"):
                return self.load(f"{name}.{child}")
            return getattr(builtins.__import__(name, fromlist=[child]), child)

        module = ModuleType(f"{self._root}.{name}")
        module.__dict__.update(__path__=path, __getattr__=attribute)
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names are those of builtins.__import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Import on behalf of a module of the copy; arguments and result are those of `builtins.__import__`."""
        if level:
            package = str((globals or {}).get("__package__"))[len(self._root) + 1 :]
            if not package:
                raise ImportError("attempted relative import with no known parent package", name=name)
            name = resolve_name("." * level + name, package)
        top = name.partition(".")[0]
        if self._resolve is not None and not level and (nki := self._resolve(top)) is not None:
            module = self._import_nki(self._resolve, name, fromlist or ())
            return module if fromlist else nki
        if self._owns(name):
            module = self.load(name)
            self._import_children(name, module, fromlist or ())
        else:
            module = builtins.__import__(name, globals, locals, fromlist or ())
        if fromlist or not self._owns(top):
            return module
        return self.load(top)

    def _import_nki(
        self, resolve: Callable[[str], ModuleType | None], name: str, fromlist: Sequence[str]
    ) -> ModuleType:
        module = resolve(name)
        if module is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        for child in fromlist:
            if child != "*" and not hasattr(module, child) and resolve(f"{name}.{child}") is None:
                # Left to itself, the interpreter would go on to look in sys.modules and find an installed SDK.
                raise ImportError(f"cannot import name {child!r} from {name!r}", name=name)
        return module

    def _import_children(self, name: str, module: ModuleType, fromlist: Sequence[str]) -> None:
        """Import the submodules that ``from name import a, b`` or ``from name import *`` asks for."""
        if not hasattr(module, "__path__"):
            return
        for child in getattr(module, "__all__", ()) if "*" in fromlist else fromlist:
            if not hasattr(module, child):
                try:
                    self.load(f"{name}.{child}")
                except ModuleNotFoundError as error:
                    if error.name != f"{name}.{child}":
                        raise
