"""Imports go one way: each room knows only those above it in the table of docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_nki_pool"
ROOMS = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)


def rooms_on_disk():
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return names - {"__init__"} | {"kernels"}


def imported_rooms(source):
    """The rooms that a file imports, also where it does so late or for its annotations alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if not node.level else []
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for package, *room in (name.split(".") for name in names):
            if package == "pytest_nki_pool" and room and room[0] in ROOMS:
                yield room[0]


def files_of(room):
    folder = ROOT / "kernels" if room == "kernels" else PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_the_table_names_every_room_once():
    assert sorted(ROOMS) == sorted(rooms_on_disk())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_above_it(room):
    above = {room, *ROOMS[: ROOMS.index(room)]}
    below = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path in files_of(room)
        for other in imported_rooms(path.read_text())
        if other not in above
    }
    assert not below


@pytest.mark.parametrize(("dialect", "other"), [("legacy", "current"), ("current", "legacy")])
def test_the_dialects_know_nothing_of_each_other(dialect, other):
    files = sorted((PACKAGE / "emulator" / dialect).glob("*.py"))
    assert files
    assert not [path for path in files if f"emulator.{other}" in path.read_text()]


def test_the_suite_uses_fixtures_alone():
    for path in sorted((ROOT / "conformance").glob("test_*.py")):
        assert set(imported_rooms(path.read_text())) <= {"checks"}, path
