from __future__ import annotations

import builtins
import functools
import hashlib
import importlib
import inspect
import sys
import traceback
from types import ModuleType

import pytest

from pytest_nki_pool.launch.load import load

PRIVATE = "_nki_kernel_"


PRIVATE = "_nki_kernel_"


def test_a_file_is_loaded_with_what_a_report_needs(write):
    root = write({"kernel.py": "import numpy\ndef pool(x, k=2):\n    return x * k\n"})

    loaded = load("kernel.py:pool", root=root)

    assert loaded.function(21) == 42
    assert (loaded.target, loaded.path) == ("kernel.py:pool", root / "kernel.py")
    assert loaded.sha256 == hashlib.sha256((root / "kernel.py").read_bytes()).hexdigest()
    assert (loaded.parameters, loaded.files, loaded.dialect) == (("x", "k"), (root / "kernel.py",), None)


def test_a_relative_path_starts_from_the_working_directory(write, monkeypatch):
    monkeypatch.chdir(write({"kernel.py": "def pool(): return 'here'"}))

    assert load("kernel.py:pool").function() == "here"


@pytest.mark.parametrize("file", ["my-kernel.py", "v1.2.py", "test_kernel.py"])
def test_a_file_need_not_have_the_name_of_a_module(tmp_path, file):
    (tmp_path / file).write_text("def pool(): return 'ok'")

    assert load(f"{file}:pool", root=tmp_path).function() == "ok"


def test_a_path_may_start_from_the_home_folder(write, monkeypatch):
    home = str(write({"kernel.py": "def pool(): return 'home'"}))
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("USERPROFILE", home)

    assert load("~/kernel.py:pool").function() == "home"


def test_a_link_stands_for_the_file_it_leads_to(write):
    root = write({"real/kernel.py": "import helper\ndef pool(): return helper.one", "real/helper.py": "one = 1"})
    (root / "link.py").symlink_to(root / "real/kernel.py")

    loaded = load("link.py:pool", root=root)

    assert loaded.function() == 1
    assert loaded.path == root / "real/kernel.py"


def test_future_statements_are_those_of_the_kernel_alone(write):
    root = write({"kernel.py": "def pool(x: int): pass"})

    assert load("kernel.py:pool", root=root).function.__annotations__ == {"x": int}


def test_two_loads_are_independent_copies(write):
    root = write(
        {
            "kernel.py": "import helper\ndef pool(): helper.calls.append(1); return helper.calls",
            "helper.py": "calls = []",
        }
    )

    first, second = load("kernel.py:pool", root=root), load("kernel.py:pool", root=root)

    assert first.function() == [1]
    assert first.function() == [1, 1]
    assert second.function() == [1]


def test_the_process_sees_no_new_public_module_and_no_new_importer(write, fake_nki, monkeypatch):
    root = write(
        {
            "vendor_pkg/__init__.py": "import nki",
            "vendor_pkg/pool.py": "import nki.language as nl\nfrom . import helper\ndef pool(): return nl.__name__",
            "vendor_pkg/helper.py": "import neuronxcc.nki as nki",
        }
    )
    monkeypatch.syspath_prepend(str(root))
    modules, finders, importer = set(sys.modules), list(sys.meta_path), builtins.__import__

    loaded = load("vendor_pkg.pool:pool", resolve=fake_nki)

    assert loaded.function() == "nki.language"
    assert {name for name in sys.modules if name not in modules and not name.startswith(PRIVATE)} == set()
    assert (sys.meta_path, builtins.__import__) == (finders, importer)
    with pytest.raises(pytest.skip.Exception):
        pytest.importorskip("nki")


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import neuronxcc.nki.language as x", "neuronxcc.nki.language"),
        ("from neuronxcc import nki as x", "neuronxcc.nki"),
        ("from neuronxcc.nki.language import add as x", "neuronxcc.nki.language.add"),
        ("import nki.isa; x = nki.isa", "nki.isa"),
        ("import nki as x", "nki"),
    ],
)
def test_nki_names_come_from_resolve(write, fake_nki, statement, value):
    root = write(
        {
            "kernel.py": f"""
        {statement}
        def outer(): return x.__name__
        def inner():
            {statement}
            return x.__name__
        """
        }
    )

    assert load("kernel.py:outer", root=root, resolve=fake_nki).function() == value
    assert load("kernel.py:inner", root=root, resolve=fake_nki).function() == value


def test_an_installed_sdk_and_the_emulator_serve_the_same_file_side_by_side(write, fake_nki, monkeypatch):
    root = write(
        {
            "kernel.py": "import nki.language as nl\ndef pool(): return nl",
            "sdk/nki/__init__.py": "",
            "sdk/nki/language.py": "",
        }
    )
    monkeypatch.syspath_prepend(str(root / "sdk"))
    for name in ("nki", "nki.language"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    emulated, installed = load("kernel.py:pool", root=root, resolve=fake_nki), load("kernel.py:pool", root=root)

    assert type(emulated.function()).__name__ == "FakeNKI"
    assert installed.function() is sys.modules["nki.language"]
    assert installed.function().__file__ == str(root / "sdk/nki/language.py")


@pytest.mark.parametrize("statement", ["import nki.nothing", "from nki import nothing"])
def test_an_nki_name_that_resolve_lacks_is_never_looked_for_in_an_installed_sdk(write, monkeypatch, statement):
    root = write({"kernel.py": f"def pool():\n    {statement}", "sdk/nki/__init__.py": "", "sdk/nki/nothing.py": ""})
    monkeypatch.syspath_prepend(str(root / "sdk"))
    importlib.import_module("nki.nothing")
    loaded = load("kernel.py:pool", root=root, resolve={"nki": ModuleType("nki")}.get)

    with pytest.raises(ImportError, match="nothing"):
        loaded.function()


def test_what_looks_its_module_up_finds_the_copy(write):
    root = write(
        {
            "kernel.py": """
        from __future__ import annotations
        import dataclasses

        @dataclasses.dataclass
        class Tile:
            rows: int = 3

        def pool():
            return Tile
        """
        }
    )

    tile = load("kernel.py:pool", root=root).function()

    assert tile().rows == 3
    assert "rows: int = 3" in inspect.getsource(tile)


def test_source_and_traceback_are_those_of_the_file(write):
    root = write(
        {
            "kernel.py": "import helper\n\n\ndef pool():\n    return helper.fail()\n",
            "helper.py": "def fail():\n    raise RuntimeError('x')",
        }
    )
    function = load("kernel.py:pool", root=root).function

    assert inspect.getsource(function) == "def pool():\n    return helper.fail()\n"
    with pytest.raises(RuntimeError) as caught:
        function()
    frames = [(frame.filename, frame.lineno, frame.line) for frame in traceback.extract_tb(caught.tb)[1:]]
    assert frames == [
        (str(root / "kernel.py"), 5, "return helper.fail()"),
        (str(root / "helper.py"), 2, "raise RuntimeError('x')"),
    ]


WRAPPERS = """
    import functools

    class Jit:
        def __init__(self, function): self.function = function
        def __call__(self, *args): return self.function(*args)

    class Baremetal:
        def __init__(self, func): self.func = func
        def __call__(self, *args): return self.func(*args)

    def logged(function):
        @functools.wraps(function)
        def call(*args): return function(*args)
        return call

    def plain(x, out, k, *, grid=1): return x, out, k
    jitted = Jit(plain)
    baremetal = Baremetal(Jit(plain))
    wrapped = logged(plain)
    last_bound = functools.partial(jitted, k=2)
    first_bound = functools.partial(plain, 7)
    middle_bound = functools.partial(plain, out=7)
    jitted_partial = Jit(functools.partial(logged(plain), 7))
    opaque = Jit(lambda *args: args)
    without_signature = dict.fromkeys
    native = min
"""


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("plain", ("x", "out", "k")),
        ("jitted", ("x", "out", "k")),
        ("baremetal", ("x", "out", "k")),
        ("wrapped", ("x", "out", "k")),
        ("last_bound", ("x", "out")),
        ("first_bound", ("out", "k")),
        ("middle_bound", ("x",)),
        ("jitted_partial", ("out", "k")),
        ("opaque", ()),
        ("native", ()),
    ],
)
def test_parameters_are_looked_up_through_wrappers_and_the_function_stays_wrapped(write, name, parameters):
    loaded = load(f"kernel.py:{name}", root=write({"kernel.py": WRAPPERS}))

    assert loaded.parameters == parameters
    assert loaded.function is getattr(loaded.module, name)


def test_a_partial_is_still_one(write):
    assert isinstance(load("kernel.py:first_bound", root=write({"kernel.py": WRAPPERS})).function, functools.partial)


@pytest.mark.parametrize(
    ("kernel", "helper", "dialect"),
    [
        ("import neuronxcc.nki as nki", "", "legacy"),
        ("import neuronxcc.nki.language as nl", "", "legacy"),
        ("from neuronxcc import nki", "", "legacy"),
        ("import nki", "", "current"),
        ("from nki.isa import add", "", "current"),
        ("try:\n    import nki\nexcept ImportError:\n    import neuronxcc.nki as nki", "", "current"),
        ("import helper", "import nki.language as nl", "current"),
        ("import helper\nimport neuronxcc.nki as nki", "import nki", "legacy"),
        ("from helper import pool as offered", "import neuronxcc.nki\ndef pool(): pass", "legacy"),
        ("import neuronxcc.starfish", "", None),
        ("nki = None", "import nki", None),
    ],
)
def test_the_dialect_is_the_nki_that_is_imported(write, fake_nki, kernel, helper, dialect):
    root = write({"kernel.py": f"{kernel}\nif 'offered' not in dir():\n    def offered(): pass", "helper.py": helper})

    assert load("kernel.py:offered", root=root, resolve=fake_nki).dialect == dialect


def test_the_dialect_is_that_of_the_file_which_defines_the_function(write, fake_nki):
    root = write(
        {
            "kernel.py": "import nki\nfrom old import pool",
            "old.py": "import neuronxcc.nki as nki\n@nki.jit\ndef pool(): pass",
        }
    )

    assert load("kernel.py:pool", root=root, resolve=fake_nki).dialect == "legacy"


def test_the_dialect_is_not_that_of_a_decorators_file(write, fake_nki):
    root = write(
        {
            "kernel.py": "import logs\nimport neuronxcc.nki as nki\n@logs.logged\n@nki.jit\ndef pool(x): pass",
            "logs.py": """
                import functools
                import nki
                def logged(function):
                    @functools.wraps(function)
                    def call(*args): return function(*args)
                    return call
            """,
            "api.py": "from kernel import pool",
        }
    )

    loaded = load("api.py:pool", root=root, resolve=fake_nki)

    assert (loaded.dialect, loaded.parameters) == ("legacy", ("x",))
