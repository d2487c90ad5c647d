"""Where a setting comes from: flag before environment before ini before default; the header names the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


#: The module of the suite that has the fewest tests at any tier: it is the header that counts here.
_SMALL = ("--pyargs", "pytest_nki_pool.conformance.test_foreign")


class Setting(NamedTuple):
    """A value for the flag, one for the environment and one for the ini file, and how the header shows each."""

    flag: str
    environment: str
    ini: str
    shown: tuple[str, str, str]


SETTINGS = {
    "backend": Setting("baremetal", "baremetal", "baremetal", ("baremetal", "baremetal", "baremetal")),
    "target": Setting("emulator", "emulator", "auto", ("emulator", "emulator", "emulator")),
    "platform": Setting(
        "trn1", "trn2", "inf2,trn1,trn3", ("trn1 (gen2)", "trn2 (gen3)", "trn1=inf2 (gen2), trn3 (gen4)")
    ),
    "tier": Setting("smoke", "full", "standard", ("smoke", "full", "standard")),
    "check": Setting("values", "special", "contract", ("values", "special", "contract")),
    "case": Setting(
        "c1h2w2k2:fp32:ones",
        "c2h2w2k2:fp32:ones",
        "c3h2w2k2:fp32:ones",
        ("c1h2w2k2:fp32:ones", "c2h2w2k2:fp32:ones", "c3h2w2k2:fp32:ones"),
    ),
    "seed": Setting("1", "2", "3", ("1", "2", "3")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_precedence(
    name: str,
    run_here: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = SETTINGS[name]
    args = (*_SMALL, "--collect-only", "-k", "nothing")
    flag, environment, ini = setting.shown
    label = f"nki {name.ljust(8)}"

    assert f"{label} {_default(name)}" in run_here(*args).stdout.str()
    pytester.makeini(f"[pytest]\nnki_{name} = {setting.ini}\n")
    assert f"{label} {ini} [ini key nki_{name}]" in run_here(*args).stdout.str()
    monkeypatch.setenv(f"NKI_POOL_{name.upper()}", setting.environment)
    assert f"{label} {environment} [NKI_POOL_{name.upper()}]" in run_here(*args).stdout.str()
    assert f"{label} {flag} [--nki-{name}]" in run_here(*args, f"--nki-{name}={setting.flag}").stdout.str()


def test_the_last_flag_counts(run_here: Callable[..., pytest.RunResult]) -> None:
    result = run_here(*_SMALL, "--collect-only", "-k", "nothing", "--nki-tier=full", "--nki-tier=smoke")
    assert "nki tier     smoke [--nki-tier]" in result.stdout.str()


def _default(name: str) -> str:
    return {"platform": "trn2 (gen3) [default]", "tier": "standard [default]", "seed": "0 [default]"}.get(name, "")
