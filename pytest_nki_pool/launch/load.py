"""Kernels from target strings: each load executes the kernel's file as a private copy."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.launch.exits import no_exit
from pytest_nki_pool.launch.locate import locate_file, locate_module
from pytest_nki_pool.launch.private import PrivateCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from pytest_nki_pool.launch.locate import Source
    from pytest_nki_pool.spec.kernel import Dialect

_DIALECTS: tuple[tuple[str, Dialect], ...] = (("neuronxcc.nki", "legacy"), ("nki", "current"))
_FORMS = (
    "write package.module:function, such as vendor_pkg.pool:avgpool, "
    "or path/to/file.py:function, such as kernels/pool.py:avgpool"
)


class KernelLoadError(Exception):
    """A kernel target that does not lead to a function; the message is one sentence for the user.

    An exception that the kernel's own file raised is the ``__cause__``.
    """


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel's function in a private copy of its module.

    Attributes:
        target: the target string, as given.
        function: what stands under the function's name, with its decorators.
        module: the private copy of the kernel's module.
        path: the kernel's file.
        sha256: hexadecimal digest of that file's bytes, as executed.
        dialect: the NKI API that the kernel imports, itself or through its siblings; None if it imports neither.
        signature: parameters still to be given, looked through wrappers; None where there is no readable one.
        files: every file executed for this copy, in the order of execution.
    """

    target: str
    function: Callable[..., Any]
    module: ModuleType
    path: Path
    sha256: str
    dialect: Dialect | None
    signature: inspect.Signature | None
    files: tuple[Path, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the positional parameters; empty where there is no readable signature."""
        parameters = self.signature.parameters.values() if self.signature else ()
        return tuple(p.name for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD})


def load(target: str, *, resolve: Callable[[str], ModuleType | None] | None = None, root: Path | None = None) -> Loaded:
    """Load a kernel as a private copy of its file and of the sibling modules that it imports.

    Siblings are the modules of the kernel's outermost package; for a kernel in no package, what stands in the folder of
    its file. Of this package, only the folder of the kernel is copied. The rest is imported as usual.

    Args:
        target: ``package.module:function`` or ``path/to/file.py:function``.
        resolve: gives the module that stands for an NKI name in the copy, None for a name that is not NKI; None: the
            copy imports NKI as usual.
        root: folder that a relative path starts from; the working directory when None.

    Raises:
        KernelLoadError: the target has the wrong form, does not exist, or its file raises.
    """
    importlib.invalidate_caches()
    place, name = _split(target)
    source = _locate(target, place, root or Path.cwd())
    copy = PrivateCopy(source, resolve)
    try:
        with no_exit():
            module = copy.load(source.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Not only Exception: a file may call sys.exit or pytest.skip when it is imported.
        raise KernelLoadError(f"{target}: {_describe(error, copy.sources)} when the kernel was imported.") from error
    function = _function(target, module, name, copy.sources[source.path])
    code = getattr(innermost(function), "__code__", None)
    files = sorted(copy.sources, key=lambda path: (code is None or str(path) != code.co_filename, path != source.path))
    return Loaded(
        target=target,
        function=function,
        module=module,
        path=source.path,
        sha256=hashlib.sha256(copy.sources[source.path]).hexdigest(),
        dialect=_dialect(copy.sources[path] for path in files),
        signature=_signature(function),
        files=tuple(copy.sources),
    )


def read_dialect(target: str, root: Path | None = None) -> Dialect | None:
    """The NKI API that a kernel's own file imports, told without executing it; None if it imports neither.

    Args:
        target: ``package.module:function`` or ``path/to/file.py:function``.
        root: folder that a relative path starts from; the working directory when None.

    Raises:
        KernelLoadError: there is no such file.
    """
    source = _locate(target, _split(target)[0], root or Path.cwd())
    try:
        return _dialect([source.path.read_bytes()])
    except (SyntaxError, ValueError):
        return None  # `load` says what is wrong with it


def _split(target: str) -> tuple[str, str]:
    # The last colon: a Windows path has one after its drive letter.
    place, _, name = target.rpartition(":")
    is_module = all(part.isidentifier() for part in place.split("."))
    if not name.isidentifier() or not (place.endswith(".py") or is_module):
        raise KernelLoadError(f"{target!r} is not a kernel target: {_FORMS}.")
    return place, name


def _locate(target: str, place: str, root: Path) -> Source:
    try:
        if place.endswith(".py"):
            return locate_file(root / Path(place).expanduser())
        return locate_module(place)
    except (ModuleNotFoundError, OSError, RuntimeError) as error:
        # OSError: a name that no file can have; RuntimeError: the home of an unknown user.
        raise KernelLoadError(f"{target}: {str(error).rstrip('.')}.") from None


def _function(target: str, module: ModuleType, name: str, source: bytes) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(module, name, None)
    if callable(function) and not isinstance(function, type):
        return function
    defined = [other for other in _defined(source) if callable(getattr(module, other, None))]
    seen = f"{name} is of type {type(function).__name__}" if hasattr(module, name) else f"there is no function {name}"
    offer = f"its functions are {', '.join(defined)}" if defined else "it defines no function"
    raise KernelLoadError(f"{target}: {seen} in {module.__file__}; {offer}.")


def _defined(source: bytes) -> Iterator[str]:
    """Names that a file binds at its top by ``def`` or by assignment, in order."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _describe(error: BaseException, sources: Iterable[Path]) -> str:
    """Say where in the kernel's files an exception arose, its type and its message."""
    files = {str(path) for path in sources}
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((str(error.filename), error.lineno))
    place = next((f"{file}:{line}" for file, line in reversed(places) if file in files), "the file")
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{place} raised {type(error).__name__}" + (f": {text}" if text else "")


def _dialect(sources: Iterable[bytes]) -> Dialect | None:
    imported = (name for source in sources for name in _imported(source))
    found = (dialect for name in imported for nki, dialect in _DIALECTS if f"{name}.".startswith(f"{nki}."))
    return next(found, None)


def _imported(source: bytes) -> Iterator[str]:
    """Absolute dotted names that a file imports, those of its outermost statements first."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _inner(function: Any) -> Any:
    """What a decorator's object wraps, or None."""
    attributes = (getattr(function, name, None) for name in ("function", "func", "__wrapped__"))
    return next((inner for inner in attributes if callable(inner)), None)


def innermost(function: Any) -> Any:
    """The plain function behind decorators and partials."""
    while (inner := _inner(function)) is not None:
        function = inner
    return function


def _signature(function: Any) -> inspect.Signature | None:
    inner = _inner(function)
    signature = _signature(inner) if inner is not None else None
    if inner is not None and not isinstance(function, functools.partial):
        return signature
    try:
        return inspect.signature(function if inner is None else _bound(function, signature))
    except (TypeError, ValueError):
        return None


def _bound(partial: functools.partial[Any], signature: inspect.Signature | None) -> functools.partial[Any]:
    """The partial of a plain function that has a signature: what it wraps itself may hide its own."""

    def plain() -> None: ...

    plain.__signature__ = signature  # type: ignore[attr-defined]
    return functools.partial(plain, *partial.args, **partial.keywords)
