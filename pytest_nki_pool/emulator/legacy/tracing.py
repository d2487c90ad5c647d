"""What NKI's tracer sees in a kernel's source and Python's execution does not.

The tracer runs the body of `nl.affine_range` and `nl.sequential_range` once, checks annotated local variables, ends the
life of a tensor with the block that first binds its name, and copies a piece of a tile that index expressions select
and a name is bound to ("NKI programming model"; "NKI error manual"). A kernel where that matters is compiled again with
the checks in their places; any other kernel runs as it is.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import engine
from pytest_nki_pool.emulator.core.affine import Index
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.legacy.tensor import Tile, new_tile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOOPS = frozenset({"affine_range", "sequential_range"})
_MUTATORS = frozenset({"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update"})

#: Position of a statement: the block that it stands in, as (block statement, branch) from the outside inwards.
_Path = tuple[tuple[int, str], ...]


def _annotated(value: Any, shape: Any, name: str) -> Any:
    expected = shape if isinstance(shape, tuple) else (shape,)
    if not isinstance(value, Tile) or value.shape != tuple(map(int, expected)):
        seen = f"shape {list(value.shape)}" if isinstance(value, Tile) else type(value).__name__
        raise NKIError(
            f"variable `{name}` is annotated as a tensor of shape {list(expected)}, got {seen}; correct one of them",
            "err_annotation_shape_mismatch",
        )
    return value


def _carried(value: Any, name: str) -> None:
    if isinstance(value, (int, float, complex, str, list, dict, set)):
        raise NKIError(
            f"`{name}`, a Python {type(value).__name__} from outside the loop, changes in the body of nl.affine_range "
            "or nl.sequential_range: the body is traced once, so it would change once; compute it from the loop "
            "variable, or loop with nl.static_range"
        )


def _in_scope(value: Any, name: str) -> Any:
    if isinstance(value, Tile):
        raise NKIError(
            f"Local variable '{name}' is referenced outside of its parent scope: it is first bound in an inner block; "
            f"create it before the block and assign with {name}[...] = …",
            "err_local_variable_used_out_of_scope",
        )
    return value


def _copied(tile: Any, key: Any, name: str) -> Any:
    piece = tile[key]
    entries = key if isinstance(key, tuple) else (key,)
    advanced = any(isinstance(entry, Index) and entry.axes for entry in entries)
    if not advanced or not isinstance(piece, Tile) or not piece.storage.on_chip:
        return piece
    copy = new_tile(piece.shape, piece.dtype)
    engine.copy(copy.access, piece.access, api=f"{name} = tile[…]")
    return copy


#: Names under which a compiled kernel finds the checks.
_CHECKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "__nki_annotated": _annotated,
        "__nki_carried": _carried,
        "__nki_copied": _copied,
        "__nki_in_scope": _in_scope,
    }
)


def as_traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a kernel the checks of the tracer that its source calls for.

    Args:
        function: plain kernel function.

    Returns:
        The function itself where no check applies or its source is not to be had.
    """
    if not isinstance(function, FunctionType):
        return function
    code = _checked_code(function.__code__, function.__code__.co_filename)
    if code is None:
        return function
    own = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells = tuple(own.get(name) or CellType(_CHECKS[name]) for name in code.co_freevars)
    traced = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    traced.__kwdefaults__ = function.__kwdefaults__
    return traced


@functools.lru_cache(maxsize=256)
def _checked_code(code: CodeType, filename: str) -> CodeType | None:
    """Compile a kernel with its checks; the name of its file is no part of what makes two code objects equal."""
    tree = _source_of(code)
    if tree is None:
        return None
    checks = _Checks(tree)
    checks.visit_body()
    if not checks.applied:
        return None
    outer = ast.parse("def outer(): pass")
    scope = outer.body[0]
    assert isinstance(scope, ast.FunctionDef)  # noqa: S101  (what was just parsed)
    scope.args.args = [ast.arg(name) for name in (*code.co_freevars, *_CHECKS)]
    scope.body = [tree]
    compiled = compile(ast.fix_missing_locations(outer), filename, "exec")
    return _inner(_inner(compiled, "outer"), tree.name)


def _inner(code: CodeType, name: str) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


def _source_of(code: CodeType) -> ast.FunctionDef | None:
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, SyntaxError, TypeError):
        return None
    if not module.body or not isinstance(module.body[0], ast.FunctionDef):
        return None
    tree = module.body[0]
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    # What the definition itself evaluates has been evaluated.
    tree.decorator_list = []
    tree.returns = None
    tree.args.defaults = []
    tree.args.kw_defaults = [None] * len(tree.args.kwonlyargs)
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return tree


class _Checks(ast.NodeTransformer):
    """Puts the checks into one function; functions inside it stay as they are.

    Attributes:
        applied: whether there was any to put.
    """

    def __init__(self, tree: ast.FunctionDef) -> None:
        self.applied = False
        self._tree = tree
        self._path: _Path = ()
        self._loop: _Path | None = None
        arguments = (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)
        self._loops = {id(node) for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))}
        self._writes: dict[str, list[int]] = {}
        for node in ast.walk(tree):
            for name in _written_by(node):
                self._writes.setdefault(name, []).append(node.lineno)  # type: ignore[attr-defined]  # statements
        self._bound: dict[str, list[_Path]] = {argument.arg: [()] for argument in arguments}

    def visit_body(self) -> None:
        """Transform the function's own body."""
        self._tree.body = self._block(self._tree.body)

    def _block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        result: list[ast.stmt] = []
        for statement in statements:
            result += self._effects(statement)
            visited = self.visit(statement)
            result += visited if isinstance(visited, list) else [visited]
        return result

    def _branch(self, node: ast.stmt, field: str) -> None:
        path, self._path = self._path, (*self._path, (id(node), field))
        setattr(node, field, self._block(getattr(node, field)))
        self._path = path

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self.visit(node.test)
        self._branch(node, "body")
        self._branch(node, "orelse")
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        node.test = self.visit(node.test)
        self._branch(node, "body")
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        node.iter = self.visit(node.iter)
        outer = self._loop
        path, self._path = self._path, (*self._path, (id(node), "body"))
        if isinstance(node.iter, ast.Call) and _name_of(node.iter.func) in _LOOPS:
            self._loop = self._path
        node.target = self.visit(node.target)
        node.body = self._block(node.body)
        self._path, self._loop = path, outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        self._bound.setdefault(node.name, []).append(self._path)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment]  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        piece, target = node.value, node.targets[0]
        node.value = self.visit(node.value)
        if isinstance(piece, ast.Subscript) and isinstance(target, ast.Name) and self._changes_later(piece):
            node.value = self._call("__nki_copied", piece.value, piece.slice, target.id)
        node.targets = [self.visit(target) for target in node.targets]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None or not isinstance(node.target, ast.Name):
            return node
        node.value = self.visit(node.value)
        if isinstance(node.annotation, ast.Subscript) and _name_of(node.annotation.value) == "tensor":
            node.value = self._call("__nki_annotated", node.value, node.annotation.slice, node.target.id)
        self.visit(node.target)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if _is_bound(node):
            self._bound.setdefault(node.id, []).append(self._path)
            return node
        bound = self._bound.get(node.id)
        if bound is None or any(self._path[: len(path)] == path for path in bound):
            return node
        return self._call("__nki_in_scope", node, None, node.id)

    def _changes_later(self, piece: ast.Subscript) -> bool:
        """Whether the tile that a piece is taken of by index expressions may be written while the piece has a name."""
        if not isinstance(piece.value, ast.Name) or any(isinstance(part, ast.Slice) for part in ast.walk(piece.slice)):
            return False
        lines = self._writes.get(piece.value.id, ())
        looped = any(field == "body" and block in self._loops for block, field in self._path)
        return any(looped or line > piece.lineno for line in lines)

    def _effects(self, statement: ast.stmt) -> list[ast.stmt]:
        """Check what a statement in a loop that is traced once would change in every iteration."""
        loop = self._loop
        if loop is None:
            return []
        changed = [
            name
            for name in _changed_by(statement)
            if name in self._bound and not any(path[: len(loop)] == loop for path in self._bound[name])
        ]
        checks = [ast.Expr(self._call("__nki_carried", ast.Name(name, ast.Load()), None, name)) for name in changed]
        return [ast.copy_location(check, statement) for check in checks]

    def _call(self, check: str, value: ast.expr, extra: ast.expr | None, name: str) -> ast.expr:
        self.applied = True
        arguments = [value, *([] if extra is None else [extra]), ast.Constant(name)]
        return ast.copy_location(ast.Call(ast.Name(check, ast.Load()), arguments, []), value)


def _is_bound(node: ast.Name) -> bool:
    return isinstance(node.ctx, (ast.Store, ast.Del))


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _changed_by(statement: ast.stmt) -> list[str]:
    """Names whose values a statement changes, or binds anew from what they were."""
    if isinstance(statement, ast.AugAssign):
        return [statement.target.id] if isinstance(statement.target, ast.Name) else _container(statement.target)
    if isinstance(statement, ast.Assign):
        used = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
        own = [target.id for target in statement.targets if isinstance(target, ast.Name) and target.id in used]
        return own + [name for target in statement.targets for name in _container(target)]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute) and function.attr in _MUTATORS and isinstance(function.value, ast.Name):
            return [function.value.id]
    return []


def _written_by(node: ast.AST) -> list[str]:
    """Names of the tensors that a statement, or a call with `dst=`, writes."""
    if isinstance(node, ast.AugAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else _container(node.target)
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in _container(target)]
    if isinstance(node, ast.Call):
        dst = next((keyword.value for keyword in node.keywords if keyword.arg == "dst"), None)
        return [] if dst is None else [dst.id] if isinstance(dst, ast.Name) else _container(dst)
    return []


def _container(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        return [target.value.id]
    return []
