from __future__ import annotations

import sys

import pytest

from pytest_nki_pool.launch.load import KernelLoadError, load

FORMS = "package.module:function, such as vendor_pkg.pool:avgpool, or path/to/file.py:function"


@pytest.mark.parametrize(
    "target",
    ["", "avgpool", "kernel.py", "kernel.py:", ":avgpool", "kernel.py::avgpool", "a/b:avgpool", "C:\\x.py", "a..b:f"],
)
def test_a_target_of_the_wrong_form_shows_both_forms(target):
    with pytest.raises(KernelLoadError) as caught:
        load(target)

    assert str(caught.value).startswith(f"{target!r} is not a kernel target: write {FORMS}")


def test_a_missing_file_is_named_where_it_was_looked_for(tmp_path):
    with pytest.raises(KernelLoadError) as caught:
        load("kernels/nothing.py:pool", root=tmp_path)

    assert str(caught.value) == f"kernels/nothing.py:pool: there is no file {tmp_path / 'kernels/nothing.py'}."


def test_the_colon_of_a_drive_is_not_the_one_before_the_function():
    with pytest.raises(KernelLoadError, match=r"there is no file .*C:\\kernels\\pool\.py\."):
        load("C:\\kernels\\pool.py:avgpool")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nothing_of_this_name:f", "there is no module nothing_of_this_name among what is installed or on sys.path"),
        ("vendor_pkg.nothing:f", "there is no module vendor_pkg.nothing among what is installed or on sys.path"),
        ("vendor_pkg.pool.deeper:f", "there is no module vendor_pkg.pool.deeper: vendor_pkg.pool is not a package"),
        ("sys:exit", "module sys is not a Python source file"),
        ("folder:f", "module folder is not a Python source file"),
    ],
)
def test_a_module_that_cannot_be_had_is_named(write, monkeypatch, target, reason):
    monkeypatch.syspath_prepend(
        str(write({"vendor_pkg/__init__.py": "import nki", "vendor_pkg/pool.py": "", "folder/notes.txt": ""}))
    )

    with pytest.raises(KernelLoadError) as caught:
        load(target)

    assert str(caught.value).startswith(f"{target}: {reason}")
    assert "vendor_pkg" not in sys.modules


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "from functools import reduce\nclass Tile: pass\ndef avgpool(x): pass\nmaxpool = avgpool\nsize = 3",
            "there is no function pool in {file}; its functions are avgpool, maxpool",
        ),
        ("size = 3", "there is no function pool in {file}; it defines no function"),
        ("pool = 3\ndef avgpool(x): pass", "pool is of type int in {file}; its functions are avgpool"),
        ("class pool: pass", "pool is of type type in {file}; it defines no function"),
    ],
)
def test_a_missing_function_is_answered_with_those_there_are(write, text, reason):
    root = write({"kernel.py": text})

    with pytest.raises(KernelLoadError) as caught:
        load("kernel.py:pool", root=root)

    assert str(caught.value) == f"kernel.py:pool: {reason.format(file=root / 'kernel.py')}."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\nimport nki_of_nobody", "{root}/kernel.py:2 raised ModuleNotFoundError: No module named 'nki_of_nobody'"),
        ("import helper", "{root}/helper.py:2 raised ValueError: two lines down"),
        (
            "import json\n\njson.loads('?')",
            "{root}/kernel.py:3 raised JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        ),
        ("def pool(:", "{root}/kernel.py:1 raised SyntaxError: invalid syntax"),
        ("assert False", "{root}/kernel.py:1 raised AssertionError"),
        ("import sys\nsys.exit(3)", "{root}/kernel.py:2 raised SystemExit: 3"),
        ("import os\nos._exit(0)", "{root}/kernel.py:2 raised KernelExitError: os._exit(0)"),
        ("import pytest\npytest.skip('no device')", "{root}/kernel.py:2 raised Skipped: no device"),
        (
            "from . import helper",
            "{root}/kernel.py:1 raised ImportError: attempted relative import with no known parent",
        ),
        ("import kernel.part", "{root}/kernel.py:1 raised ModuleNotFoundError: No module named 'kernel.part'"),
    ],
    ids=[
        "missing import",
        "sibling",
        "library",
        "syntax",
        "assert",
        "exit",
        "exit at once",
        "skip",
        "relative",
        "not a package",
    ],
)
def test_what_a_file_raises_is_told_with_its_place(write, text, reason):
    root = write({"kernel.py": text, "helper.py": "def fail():\n    raise ValueError('two lines down')\nfail()"})

    with pytest.raises(KernelLoadError) as caught:
        load("kernel.py:pool", root=root)

    assert str(caught.value).startswith(f"kernel.py:pool: {reason.format(root=root)}")
    assert str(caught.value).endswith(" when the kernel was imported.")
    assert type(caught.value.__cause__).__name__ in str(caught.value)


def test_a_file_that_failed_can_be_loaded_once_it_is_mended(write):
    root = write({"kernel.py": "import helper\ndef pool(): return helper.one", "helper.py": "1 / 0"})
    with pytest.raises(KernelLoadError, match="ZeroDivisionError"):
        load("kernel.py:pool", root=root)
    write({"helper.py": "one = 1"})

    assert load("kernel.py:pool", root=root).function() == 1


def test_a_sibling_that_fails_is_executed_again_by_the_next_import(write):
    root = write(
        {
            "ledger.py": "attempts = []",
            "helper.py": "import ledger\nledger.attempts.append(1)\nraise ValueError",
            "kernel.py": """
                import ledger
                for _ in range(2):
                    try:
                        import helper
                    except ValueError:
                        pass
                def pool(): return len(ledger.attempts)
            """,
        }
    )

    assert load("kernel.py:pool", root=root).function() == 2


def test_an_interrupt_is_not_the_kernels_fault(write):
    root = write({"kernel.py": "raise KeyboardInterrupt"})

    with pytest.raises(KeyboardInterrupt):
        load("kernel.py:pool", root=root)
