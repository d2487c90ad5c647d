"""What NKI's tracer sees in a kernel's source and Python's execution does not.

The tracer runs the body of `nl.affine_range` and `nl.sequential_range` once, checks annotated local variables, ends the
life of a tensor with the block that first binds its name, and copies a piece of a tile that index expressions select
and a name is bound to ("NKI programming model"; "NKI error manual"). A kernel where that matters is compiled again with
the checks in their places; any other kernel runs as it is.
"""

from __future__ import annotations

import ast
import dis
import functools
import operator
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import movement
from pytest_nki_pool.emulator.core.affine import Condition, Index
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.source import compile_definition, definition_of, release_rebound, with_code
from pytest_nki_pool.emulator.legacy.tensor import IndirectTile, Tile, new_tile

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


def _entered(value: Any, name: str) -> Any:
    if isinstance(value, (Tile, Index, Condition)):
        raise NKIError(
            f"`while {name}`: the condition is not known when the kernel is traced, and a loop on one is entered "
            "unconditionally; loop with nl.sequential_range over a static number of iterations",
            "err_while_loop_requires_unconditional_entry",
        )
    return value


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
    if not advanced or not isinstance(piece, Tile) or isinstance(piece, IndirectTile) or not piece.storage.on_chip:
        return piece
    copy = new_tile(piece.shape, piece.dtype)
    movement.copy(copy.access, piece.access, api=f"{name} = tile[…]")
    return copy


#: Names under which a compiled kernel finds the checks.
_CHECKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "__nki_annotated": _annotated,
        "__nki_carried": _carried,
        "__nki_copied": _copied,
        "__nki_entered": _entered,
        "__nki_in_scope": _in_scope,
    }
)


def as_traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a kernel, and the functions of its module that it calls, the checks that their source calls for.

    Args:
        function: plain kernel function.

    Returns:
        The function itself where no check applies or the source is not to be had.
    """
    return _tracing_of(function).current() if isinstance(function, FunctionType) else function


class _Tracing:
    """A kernel with its checks, for as long as everything that was looked at to make it is what it was."""

    __slots__ = ("_function", "_looked_at", "_traced")

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._trace()

    def current(self) -> FunctionType:
        """Return the kernel with its checks."""
        for look, keys, values in self._looked_at:
            if not all(map(operator.is_, map(look, keys), values)):
                self._trace()
                break
        return self._traced

    def _trace(self) -> None:
        reached: dict[FunctionType, CodeType | None] = {}
        found: dict[str, FunctionType] = {}
        _reach(self._function, reached, found)
        names = scope = self._function.__globals__
        self._traced = self._function
        if any(reached.values()):
            # The traced functions find each other, so they have globals of their own.
            scope = dict(names) if found else names
            self._traced = _traced_together(reached, found, scope)[self._function]
        functions = tuple(reached)
        used = tuple({name for function in functions for name in _global_names(function.__code__)})
        cells = tuple(cell for function in functions for cell in function.__closure__ or ())
        looks: list[tuple[Callable[[Any], object], tuple[Any, ...]]] = [
            (names.get, used),
            (scope.get, () if scope is names else used),
            (_content, cells),
            (_code_of, functions),
            (_defaults_of, functions),
        ]
        self._looked_at = [(look, keys, tuple(map(look, keys))) for look, keys in looks if keys]


_code_of = operator.attrgetter("__code__")
_defaults_of = operator.attrgetter("__defaults__")


@functools.lru_cache(maxsize=64)
def _tracing_of(function: FunctionType) -> _Tracing:
    return _Tracing(function)


def _traced_together(
    reached: Mapping[FunctionType, CodeType | None], found: Mapping[str, FunctionType], scope: dict[str, Any]
) -> dict[FunctionType, FunctionType]:
    """Make the functions with their checks, which find each other in their globals and closures."""
    traced = {plain: _with_checks(plain, code, scope) for plain, code in reached.items()}
    scope.update({name: traced[value] for name, value in found.items()})
    for changed in traced.values():
        for cell in changed.__closure__ or ():
            value = _content(cell)
            if type(value) is FunctionType and value in traced:
                cell.cell_contents = traced[value]
    return traced


def _reach(
    function: FunctionType, reached: dict[FunctionType, CodeType | None], found: dict[str, FunctionType]
) -> None:
    """Find the functions of a module that one of them may call.

    Args:
        function: where to begin.
        reached: gets the functions, and their code with checks where they call for any.
        found: gets the names under which the module holds them.
    """
    code, names = function.__code__, function.__globals__
    reached[function] = _checked_code(code, code.co_filename)
    candidates = [(name, names.get(name)) for name in _global_names(code)]
    candidates += [("", _content(cell)) for cell in function.__closure__ or ()]
    for name, value in candidates:
        if type(value) is not FunctionType or value.__globals__ is not names:
            continue
        if name:
            found[name] = value
        if value not in reached:
            _reach(value, reached, found)


def _with_checks(function: FunctionType, code: CodeType | None, scope: dict[str, Any]) -> FunctionType:
    traced = function if code is None else with_code(function, code, _CHECKS)
    if code is not None and scope is function.__globals__ and not any(map(_is_function, traced.__closure__ or ())):
        return traced
    cells = tuple(CellType(_content(cell)) if _is_function(cell) else cell for cell in traced.__closure__ or ())
    result = FunctionType(traced.__code__, scope, traced.__name__, traced.__defaults__, cells)
    result.__kwdefaults__ = function.__kwdefaults__
    return result


@functools.lru_cache(maxsize=256)
def _global_names(code: CodeType) -> tuple[str, ...]:
    """Names that a function, and what is defined in it, looks up in its module."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = [_global_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return tuple(names.union(*inner))


def _is_function(cell: CellType) -> bool:
    return type(_content(cell)) is FunctionType


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it gets one later
        return None


@functools.lru_cache(maxsize=256)
def _checked_code(code: CodeType, filename: str) -> CodeType | None:
    """Compile a kernel with its checks; the name of its file is no part of what makes two code objects equal."""
    tree = definition_of(code)
    if tree is None:
        return None
    checks = _Checks(tree)
    checks.visit_body()
    released = release_rebound(tree)
    return compile_definition(tree, code, filename, _CHECKS) if checks.applied or released else None


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
        condition = ast.unparse(node.test)
        node.test = self._call("__nki_entered", self.visit(node.test), None, condition)
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
