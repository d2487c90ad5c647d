"""The examples in the documentation are run as they stand."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = dict(_BLOCK.findall((DOCS / "fixtures.md").read_text()))

#: Files that an example needs beside it, and frameworks without which it has nothing to run.
_TOGETHER = {"test_add.py": ("add.py",)}
_NEEDS = {"test_native.py": "torch"}


def test_every_fixture_has_an_example() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (DOCS / "fixtures.md").read_text(), re.MULTILINE)
    assert len(table) == 8
    tests = "\n".join(text for name, text in BLOCKS.items() if name.startswith("test_"))
    assert [name for name in table if not re.search(rf"\b{name}\b", tests)] == []


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.startswith("test_")])
def test_example(name: str, pytester: pytest.Pytester) -> None:
    if name in _NEEDS and find_spec(_NEEDS[name]) is None:
        pytest.skip(f"{_NEEDS[name]} is not installed")
    for file in (name, *_TOGETHER.get(name, ())):
        (pytester.path / file).write_text(BLOCKS[file])

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers", "-W", "error")

    outcomes = result.parseoutcomes()
    assert result.ret == 0
    assert outcomes["passed"] > 0


def test_hook_in_conftest(pytester: pytest.Pytester) -> None:
    (pytester.path / "conftest.py").write_text(BLOCKS["conftest.py"])
    kernel = BLOCKS["add.py"].replace("def add(a, b)", "def mean_pool(a, b)")
    (pytester.path / "pool.py").write_text(kernel)

    result = pytester.runpytest_subprocess(
        "--rootdir=.", "--pyargs", "pytest_nki_pool.conformance", ".", "--collect-only", "-q", "--nki-tier=smoke"
    )

    assert result.ret == 0
    assert "/mean_pool/baremetal/emulator/trn2/" in result.stdout.str()
    # What the kernel does with a dtype that it does not claim is a question of honesty alone.
    assert {line.partition("[")[2].partition("/")[0] for line in result.outlines if ":fp16:" in line} == {"honesty"}


def test_the_table_of_checks_is_complete() -> None:
    from pytest_nki_pool.checks import CHECKS

    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.+) \|$", (DOCS / "checks.md").read_text(), re.MULTILINE)
    assert {name: (group, about) for group, name, about in rows} == {
        check.name: (check.group, check.about) for check in CHECKS.values()
    }
