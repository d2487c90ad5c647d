"""The examples of docs/expectations.md are run as they stand, and its tables name what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pytest_nki_pool import expect

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "expectations.md").read_text()
FILE = re.search(r"^```toml known\.toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KNOWN, SEARCH = re.findall(r"^```sh\npytest (.*?)\n```$", PAGE, re.MULTILINE)
FOUND = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _folder(pytester: pytest.Pytester) -> None:
    """The README's kernel with the mistake that the page tells of, and the page's file."""
    kernel = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert kernel
    assert kernel[1].count("1.0 / (pool_size * pool_size)") == 1
    wrong = "1.0 / (pool_size * pool_size - (pool_size == 5))"
    (pytester.path / "pool.py").write_text(kernel[1].replace("1.0 / (pool_size * pool_size)", wrong))
    assert FILE
    (pytester.path / "known.toml").write_text(FILE[1])


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CI is set, pytest prints each failure a second time, whole, in its closing summary."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


def _run(pytester: pytest.Pytester, command: str, *more: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *shlex.split(command), *more)


def test_known_failures(pytester: pytest.Pytester) -> None:
    command = KNOWN.replace(" --nki-expect=known.toml", "")
    assert command != KNOWN
    unexpected = _run(pytester, command, "--nki-backend=baremetal")
    result = _run(pytester, KNOWN, "--nki-backend=baremetal")
    assert unexpected.ret == pytest.ExitCode.TESTS_FAILED
    assert result.ret == 0
    assert result.parseoutcomes()["xfailed"] == unexpected.parseoutcomes()["failed"] > 0


@pytest.mark.needs("hypothesis")
def test_the_search(pytester: pytest.Pytester) -> None:
    missed = _run(pytester, SEARCH.replace("--nki-check=search --nki-search=60", "--nki-tier=smoke"))
    result = _run(pytester, SEARCH)
    assert missed.ret == 0
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert FOUND
    numbers = re.compile(r"\d+ that failed, of \d+ tried in [\d.]+ s")
    assert numbers.sub("", FOUND[1]) in numbers.sub("", result.stdout.str())
    (rerun,) = re.findall(r"rerun +pytest (.+)", result.stdout.str())
    assert _run(pytester, rerun).ret == pytest.ExitCode.TESTS_FAILED


def test_the_table_of_keys_is_complete() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE, re.MULTILINE)
    assert dict(rows) == {
        key: "both" if key in expect.KEYS["known_flaky"] else "`known_failure`" for key in expect.KEYS["known_failure"]
    }
