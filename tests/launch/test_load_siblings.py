from __future__ import annotations

import importlib
import os
import py_compile
import sys
from types import ModuleType

import pytest

from pytest_nki_pool.launch import locate
from pytest_nki_pool.launch.load import load

PRIVATE = "_nki_kernel_"


PACKAGE = {
    "vendor_pkg/__init__.py": "name = __name__",
    "vendor_pkg/common.py": "import nki\n__all__ = ['two']\ntwo = 2\nthree = 3",
    "vendor_pkg/deep/__init__.py": "__all__ = ['leaf']",
    "vendor_pkg/deep/leaf.py": "two = 2",
    "vendor_pkg/plain/leaf.py": "from ..common import two",
}


@pytest.mark.parametrize("target", ["vendor_pkg.kernels.pool:pool", "vendor_pkg/kernels/pool.py:pool"])
@pytest.mark.parametrize(
    "statement",
    [
        "from ..common import two",
        "from vendor_pkg.common import two",
        "from .. import common; two = common.two",
        "import vendor_pkg.common; two = vendor_pkg.common.two",
        "import vendor_pkg.common as c; two = c.two",
        "from ..common import *",
        "from ..deep import *; two = leaf.two",
        "from ..plain.leaf import two",
    ],
)
def test_siblings_in_a_package_are_copied(write, fake_nki, monkeypatch, target, statement):
    root = write(
        {
            **PACKAGE,
            "vendor_pkg/kernels/__init__.py": "",
            "vendor_pkg/kernels/pool.py": f"{statement}\ndef pool(): return two",
        }
    )
    monkeypatch.syspath_prepend(str(root))

    loaded = load(target, root=root, resolve=fake_nki)

    assert loaded.function() == 2
    assert loaded.module.__name__.endswith(".vendor_pkg.kernels.pool")
    assert not {"vendor_pkg", "vendor_pkg.common", "vendor_pkg.deep"} & set(sys.modules)


def test_a_star_import_takes_what_the_sibling_offers_and_no_more(write, fake_nki):
    root = write(
        {
            "kernel.py": "from common import *\ndef pool(): return 'three' in globals()",
            "common.py": PACKAGE["vendor_pkg/common.py"],
        }
    )

    assert load("kernel.py:pool", root=root, resolve=fake_nki).function() is False


def test_a_package_that_imports_its_kernel_is_executed_first_as_in_python(write, monkeypatch):
    root = write(
        {
            "vendor_pkg/__init__.py": "from .pool import pool\nscale = 3",
            "vendor_pkg/pool.py": """
                from . import tools
                tools.executed.append(__name__)
                def pool():
                    from . import scale
                    return len(tools.executed) * scale
            """,
            "vendor_pkg/tools.py": "executed = []",
        }
    )
    monkeypatch.syspath_prepend(str(root))

    for target in ("vendor_pkg.pool:pool", "vendor_pkg:pool", "vendor_pkg/pool.py:pool", "vendor_pkg/__init__.py:pool"):
        loaded = load(target, root=root)

        assert loaded.function() == 3, target
        assert [path.name for path in loaded.files] == ["__init__.py", "pool.py", "tools.py"], target


def test_siblings_that_import_each_other_meet_as_in_python_even_beside_a_public_copy(write, monkeypatch):
    root = write(
        {
            "vendor_pkg/__init__.py": "",
            "vendor_pkg/pool.py": """
                from . import other
                state = []
                def pool(): return other.first.state is other.second.state is state
            """,
            "vendor_pkg/other.py": "from . import pool as first\nimport vendor_pkg.pool as second",
        }
    )
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setitem(sys.modules, "vendor_pkg", ModuleType("vendor_pkg"))
    monkeypatch.setitem(sys.modules, "vendor_pkg.pool", ModuleType("vendor_pkg.pool"))

    assert load("vendor_pkg/pool.py:pool", root=root).function() is True


def test_a_sibling_that_a_function_imports_when_called_is_of_the_same_copy(write):
    root = write(
        {"kernel.py": "import helper as h\ndef pool():\n    import helper\n    return helper is h", "helper.py": ""}
    )

    assert load("kernel.py:pool", root=root).function() is True


@pytest.mark.parametrize(
    ("statement", "error", "text"),
    [
        ("from vendor_pkg import nothing", ImportError, "cannot import name 'nothing'"),
        ("from vendor_pkg import broken", ModuleNotFoundError, "No module named 'nki_of_nobody'"),
        ("import vendor_pkg.nothing", ModuleNotFoundError, "No module named 'vendor_pkg.nothing'"),
        ("from ... import nothing", ImportError, "attempted relative import beyond top-level package"),
    ],
)
def test_an_import_that_fails_raises_what_python_raises(write, statement, error, text):
    root = write(
        {
            "vendor_pkg/__init__.py": "",
            "vendor_pkg/pool.py": f"def pool():\n    {statement}",
            "vendor_pkg/broken.py": "import nki_of_nobody",
        }
    )
    loaded = load("vendor_pkg/pool.py:pool", root=root)

    with pytest.raises(error, match=text) as caught:
        loaded.function()
    assert caught.type is error


def test_a_package_of_the_users_called_nki_keeps_its_relative_imports(write, fake_nki):
    root = write(
        {
            "nki/__init__.py": "",
            "nki/pool.py": "from .helper import one\ndef pool(): return one",
            "nki/helper.py": "one = 1",
        }
    )

    assert load("nki/pool.py:pool", root=root, resolve=fake_nki).function() == 1


def test_a_sibling_written_a_moment_ago_is_found(write):
    root = write({"kernel.py": "def pool(): import helper; return helper.one"})
    before = root.stat()
    with pytest.raises(ModuleNotFoundError):
        load("kernel.py:pool", root=root).function()
    write({"helper.py": "one = 1"})
    os.utime(root, ns=(before.st_atime_ns, before.st_mtime_ns))  # within the resolution of the folder's clock

    assert load("kernel.py:pool", root=root).function() == 1


def test_a_folder_without_init_is_a_package_too(write, fake_nki, monkeypatch):
    root = write(
        {"ns/pool.py": "from .helper import one\ndef pool(): return one", "ns/helper.py": "import nki\none = 1"}
    )
    monkeypatch.syspath_prepend(str(root))

    assert load("ns.pool:pool", resolve=fake_nki).function() == 1


def test_a_vendor_package_inside_a_shared_namespace_leaves_the_namespace_alone(write, fake_nki, monkeypatch):
    root = write(
        {
            "ns/vendor/__init__.py": "",
            "ns/vendor/pool.py": "import ns.vendor.helper, ns.other\ndef pool(): return ns.vendor.helper.nki, ns.other",
            "ns/vendor/helper.py": "import nki",
            "ns/other.py": "",
        }
    )
    monkeypatch.syspath_prepend(str(root))

    nki, other = load("ns.vendor.pool:pool", resolve=fake_nki).function()

    assert type(nki).__name__ == "FakeNKI"
    assert other is sys.modules["ns.other"]
    assert "ns.vendor" not in sys.modules


def test_of_this_package_only_the_folder_of_the_kernel_is_copied(write, fake_nki, monkeypatch):
    monkeypatch.setattr(locate, "_PRODUCT", "product")
    root = write(
        {
            "product/__init__.py": "",
            "product/spec.py": "",
            "product/kernels/__init__.py": "from product import kernels\nfrom product.kernels import helper",
            "product/kernels/helper.py": "import nki",
            "product/kernels/pool.py": """
            import product.kernels.helper
            import product.spec
            from product import kernels, spec
            from . import helper
            from ..spec import __name__ as relative
            def pool():
                assert product.kernels.helper is kernels.helper is helper
                assert product.spec is spec
                return spec, helper, relative
        """,
        }
    )
    monkeypatch.syspath_prepend(str(root))

    spec, helper, relative = load("product.kernels.pool:pool", resolve=fake_nki).function()

    assert spec is sys.modules["product.spec"]
    assert relative == "product.spec"
    assert helper.__name__.startswith(PRIVATE)
    assert not {name for name in sys.modules if name.startswith("product.kernels")}


def test_our_kernels_use_the_ordinary_classes_of_this_package():
    from pytest_nki_pool.spec.kernel import KernelSpec

    assert load("pytest_nki_pool.kernels:_spec").module.KernelSpec is KernelSpec


def test_installed_modules_are_not_siblings_although_their_folder_lies_beside_the_kernel(write, monkeypatch):
    root = write({"kernel.py": "import library\ndef pool(): return library", ".venv/library.py": ""})
    monkeypatch.syspath_prepend(str(root / ".venv"))

    assert load("kernel.py:pool", root=root).function() is sys.modules["library"]


@pytest.mark.parametrize("target", ["kernel:pool", "site/kernel.py:pool"])
def test_what_is_installed_next_to_a_one_file_kernel_is_no_sibling(write, monkeypatch, target):
    root = write({"site/kernel.py": "import library\ndef pool(): return library", "site/library.py": ""})
    (root / "site/kernel-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(root / "site"))

    assert load(target, root=root).function() is sys.modules["library"]


def test_a_one_file_kernel_on_the_path_has_its_folder_as_siblings(write, fake_nki, monkeypatch):
    root = write({"one_file_kernel.py": "import helper\ndef pool(): return helper.nki", "helper.py": "import nki"})
    monkeypatch.syspath_prepend(str(root))

    assert type(load("one_file_kernel:pool", resolve=fake_nki).function()).__name__ == "FakeNKI"


@pytest.mark.parametrize(
    ("folder", "private_copy"),
    [("scripts", True), ("vendor_pkg", False)],
    ids=["a script's folder comes before sys.path", "a package's folder comes after it"],
)
def test_a_sibling_that_is_also_installed(write, monkeypatch, folder, private_copy):
    root = write(
        {
            "vendor_pkg/__init__.py": "",
            f"{folder}/kernel.py": "import twin\ndef pool(): return twin",
            f"{folder}/twin.py": "",
            "lib/twin.py": "",
        }
    )
    monkeypatch.syspath_prepend(str(root / "lib"))

    twin = load(f"{folder}/kernel.py:pool", root=root).function()

    assert twin.__name__.startswith(PRIVATE) is private_copy


def test_a_sibling_does_not_shadow_the_standard_library(write):
    root = write({"kernel.py": "import statistics\ndef pool(): return statistics", "statistics.py": ""})

    assert load("kernel.py:pool", root=root).function() is importlib.import_module("statistics")


def test_a_folder_beside_the_kernel_does_not_shadow_an_installed_package(write):
    root = write({"kernel.py": "import numpy\ndef pool(): return numpy", "numpy/notes.py": "", "kernels/pool.py": ""})

    assert load("kernel.py:pool", root=root).function() is importlib.import_module("numpy")


def test_a_sibling_without_source_is_copied_as_it_is(write):
    root = write({"kernel.py": "import helper\ndef pool(): return helper.one", "helper.py": "one = 1"})
    py_compile.compile(str(root / "helper.py"), cfile=str(root / "helper.pyc"))
    (root / "helper.py").unlink()

    assert load("kernel.py:pool", root=root).function() == 1
    assert "helper" not in sys.modules
