"""Kernels compiled again from their source, with statements that Python's own execution does not have."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NO_HELPERS: Mapping[str, Any] = MappingProxyType({})


def definition_of(code: CodeType) -> ast.FunctionDef | None:
    """Parse the definition of a function, without what Python evaluates when it defines it.

    Returns:
        The syntax tree with the line numbers of the file, or None where the source is not to be had.
    """
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, SyntaxError, TypeError):
        return None
    if not module.body or not isinstance(module.body[0], ast.FunctionDef):
        return None
    tree = module.body[0]
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    tree.decorator_list = []
    tree.returns = None
    tree.args.defaults = []
    tree.args.kw_defaults = [None] * len(tree.args.kwonlyargs)
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return tree


def compile_definition(
    tree: ast.FunctionDef, code: CodeType, filename: str, helpers: Mapping[str, Any] = _NO_HELPERS
) -> CodeType:
    """Compile a changed definition.

    Args:
        tree: the definition.
        code: what it was compiled to before.
        filename: its file.
        helpers: free variables that the changed definition refers to.
    """
    outer = ast.parse("def outer(): pass")
    scope = outer.body[0]
    assert isinstance(scope, ast.FunctionDef)  # noqa: S101  (what was just parsed)
    scope.args.args = [ast.arg(name) for name in (*code.co_freevars, *helpers)]
    scope.body = [tree]
    compiled = compile(ast.fix_missing_locations(outer), filename, "exec")
    return _inner(_inner(compiled, "outer"), tree.name)


def with_code(function: FunctionType, code: CodeType, helpers: Mapping[str, Any] = _NO_HELPERS) -> FunctionType:
    """Make the function that has a code of `compile_definition` in place of its own."""
    own = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells = tuple(own.get(name) or CellType(helpers[name]) for name in code.co_freevars)
    changed = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    changed.__kwdefaults__ = function.__kwdefaults__
    return changed


def releasing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a kernel the statements of `release_rebound`, where there are any and its source is to be had."""
    if not isinstance(function, FunctionType):
        return function
    code = _releasing_code(function.__code__, function.__code__.co_filename)
    return function if code is None else with_code(function, code)


@functools.lru_cache(maxsize=256)
def _releasing_code(code: CodeType, filename: str) -> CodeType | None:
    """Compile a kernel; the name of its file is no part of what makes two code objects equal."""
    tree = definition_of(code)
    return compile_definition(tree, code, filename) if tree is not None and release_rebound(tree) else None


def release_rebound(tree: ast.FunctionDef) -> bool:
    """Let go of a tensor before its name is bound to another one, which Python does afterwards.

    A tile whose name gets a new tile is dead when that one is allocated: a loop that makes a tile in every iteration
    needs room for one.

    Returns:
        Whether there was anything to change.
    """
    releases = _Releases(tree)
    tree.body = releases.block(tree.body)
    return releases.applied


class _Releases:
    """Puts `name = None` before an assignment that calls something and does not refer to the name."""

    def __init__(self, tree: ast.FunctionDef) -> None:
        self.applied = False
        self._loops = 0
        self._bound: set[str] = set()
        self._shared = {
            node.id
            for inner in ast.walk(tree)
            if inner is not tree and isinstance(inner, (ast.FunctionDef, ast.Lambda, ast.GeneratorExp))
            for node in ast.walk(inner)
            if isinstance(node, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                self._shared.update(node.names)

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Transform the statements of a block; a `try` stays as it is, as its handlers may need the old value."""
        result: list[ast.stmt] = []
        for statement in statements:
            looped = isinstance(statement, (ast.For, ast.While))
            if looped or isinstance(statement, (ast.If, ast.With)):
                self._loops += looped
                for field in ("body", "orelse"):
                    if getattr(statement, field, None):
                        setattr(statement, field, self.block(getattr(statement, field)))
                self._loops -= looped
            name = _rebound(statement)
            if name and name not in self._shared and (self._loops or name in self._bound):
                self.applied = True
                release = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None))
                result.append(ast.copy_location(release, statement))
            self._bound.update(n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and _is_stored(n))
            result.append(statement)
        return result


def _rebound(statement: ast.stmt) -> str:
    """The name that an assignment of a call binds without using what it was."""
    target: ast.expr
    value: ast.expr | None
    if isinstance(statement, ast.AnnAssign):
        target, value = statement.target, statement.value
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    else:
        return ""
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
        return ""
    return "" if any(isinstance(n, ast.Name) and n.id == target.id for n in ast.walk(value)) else target.id


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _inner(code: CodeType, name: str) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
