"""`check_kernel`: the suite as one plain function."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool import KernelSpec, NotConformant, check_kernel
from pytest_nki_pool.expect import ExpectationError
from pytest_nki_pool.launch.errors import KernelClaimError, KernelSignatureError
from pytest_nki_pool.launch.load import KernelLoadError
from pytest_nki_pool.launch.targets import device
from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Callable

#: Right in fp32, rounds twice in bf16 and fp16.
SUM_CAST = "pytest_nki_pool.kernels.tutorial_returning:tensor_avgpool_kernel"
RIGHT = "pytest_nki_pool.kernels.production_legacy:avgpool"
CASES = ("c4h9w12k3:fp16:normal:s0", "c2h6w6k2:fp32:ints:s0")
run = partial(check_kernel, backends=("baremetal",), checks=("values",), cases=CASES)


def test_a_right_kernel() -> None:
    report = run(RIGHT)
    assert report.ok
    assert report.exit_code == 0
    assert report.counts == {Status.PASS: 2}
    assert report.failures == ()
    assert [verdict.identity.case for verdict in report.verdicts] == sorted(CASES)
    report.raise_for_failures()


def test_a_wrong_kernel() -> None:
    report = run(SUM_CAST)
    assert not report.ok
    assert report.exit_code == 1
    assert report.counts == {Status.PASS: 1, Status.FAIL: 1}
    assert [verdict.identity.case for verdict in report.failures] == [CASES[0]]
    with pytest.raises(NotConformant, match="first bad element"):
        report.raise_for_failures()


def test_the_text_has_a_table_the_first_failures_and_a_call_that_repeats_them() -> None:
    report = check_kernel(SUM_CAST, backends=("baremetal",), checks=("values",))
    text = str(report)
    assert text.startswith("average-pool conformance on emulator trn2 (gen3): ")
    assert text.count("FAIL: tensor_avgpool_kernel, baremetal on emulator trn2, check values") == 3
    assert f"and {report.counts[Status.FAIL] - 3} more" in text
    call = text.partition("  rerun     ")[2].splitlines()[0]
    repeated = eval(call, {"check_kernel": check_kernel})  # noqa: S307  (the text is ours)
    assert [v.identity for v in repeated.verdicts] == [report.failures[0].identity]
    assert repeated.failures[0].finding == report.failures[0].finding


def test_claims_and_fields_of_the_spec_by_their_names() -> None:
    assert run(SUM_CAST, accuracy="fp32_sum_cast").ok
    spec = KernelSpec(SUM_CAST, name="mine")
    assert run(spec, accuracy="fp32_sum_cast").verdicts[0].identity.kernel == "mine"
    assert run(spec, name="other").verdicts[0].identity.kernel == "other"
    claimed = dataclasses.replace(spec.capabilities, accuracy="fp32_sum_cast", max_channels=1)
    assert run(spec, capabilities=claimed, max_channels=128).ok
    with pytest.raises(TypeError, match="takes no 'dtype'; a kernel has accuracy, "):
        run(spec, dtype="fp32")


KNOWN = """
[[known_failure]]
id = "values/*:fp16:*"
reason = "rounds twice, ticket 4711"
message = "MESSAGE"
"""


@pytest.fixture
def known(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of expectations about the case that `SUM_CAST` fails."""

    def write(message: str = "outputs are wrong", more: str = "", name: str = "known.toml") -> Path:
        (tmp_path / name).write_text(KNOWN.replace("MESSAGE", message) + more)
        return tmp_path / name

    return write


def test_a_known_failure_is_good_and_stays_visible(known: Callable[..., Path]) -> None:
    report = run(SUM_CAST, expect=known())
    assert (report.ok, report.counts) == (True, {Status.PASS: 1, Status.XFAIL: 1})
    assert run(SUM_CAST, expect=[str(known("something else", name="a.toml")), known(name="b.toml")]).exit_code == 1


def test_an_expectation_that_does_not_hold_fails(known: Callable[..., Path]) -> None:
    assert run(RIGHT, expect=known()).counts == {Status.PASS: 1, Status.XPASS: 1}
    assert run(RIGHT, expect=known()).exit_code == 1
    changed = run(SUM_CAST, expect=known("something else"))
    assert "expected a message with 'something else', but it is" in changed.failures[0].finding.message
    expired = run(SUM_CAST, expect=known(more="until = 2020-01-31"))
    assert "excused this until 2020-01-31" in expired.failures[0].finding.message


def test_a_failure_with_expectations_is_repeated_with_them(known: Callable[..., Path]) -> None:
    report = run(RIGHT, expect=known())
    repeated = eval(report.reruns[0], {"check_kernel": check_kernel})  # noqa: S307  (the text is ours)
    assert repeated.counts == {Status.XPASS: 1}


def test_an_entry_that_fits_no_case_of_any_run_fails_a_run_of_the_corpus(known: Callable[..., Path]) -> None:
    """A run of single cases says nothing of the others."""
    corpus = {"backends": ("baremetal",), "checks": ("determinism",), "tier": "smoke", "accuracy": "fp32_sum_cast"}
    idle = known().with_name("idle.toml")
    idle.write_text('[[known_failure]]\nid = "values/nobody/*"\nreason = "none"\n')
    report = check_kernel(SUM_CAST, expect=idle, **corpus)
    assert report.exit_code == 1
    assert report.reason == "idle.toml, known_failure 1 fits no case of any run: values/nobody/*"
    assert "fits no case" in str(report)
    assert check_kernel(SUM_CAST, expect=known(), **corpus).ok
    assert run(SUM_CAST, expect=idle, accuracy="fp32_sum_cast").ok


def test_a_file_of_expectations_that_cannot_be_understood(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="cannot be read: No such file"):
        run(RIGHT, expect="nowhere.toml")
    (tmp_path / "bad.toml").write_text("[[known]]")
    with pytest.raises(ExpectationError, match=r"bad\.toml: 'known' is not known"):
        run(RIGHT, expect=tmp_path / "bad.toml")


def test_every_backend_by_default() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    report = check_kernel(RIGHT, checks=("values", "agreement"), cases=CASES[1:])
    assert {verdict.identity.backend for verdict in report.verdicts} == {
        "baremetal",
        "torch",
        "jax",
        "baremetal+torch+jax",
    }


def test_platforms_of_one_generation_run_once() -> None:
    report = run(RIGHT, platforms=("trn3", "inf2", "trn1"), cases=CASES[:1])
    assert [verdict.identity.platform for verdict in report.verdicts] == ["inf2", "trn3"]


def test_a_run_in_which_nothing_is_executed_is_no_success() -> None:
    report = check_kernel(RIGHT, backends=("baremetal",), checks=("agreement",))
    assert (report.ok, report.exit_code, report.verdicts) == (False, 1, ())
    assert "nothing was executed" in str(report)
    with pytest.raises(NotConformant, match="nothing was executed"):
        report.raise_for_failures()


WRONG = {
    "backend": ({"backends": ("tf",)}, ValueError, "backend 'tf' is not known; choose from baremetal, torch, jax"),
    "one text": ({"backends": "torch"}, ValueError, "several names, such as ('torch',), not one text"),
    "target": ({"target": "gpu"}, ValueError, "target 'gpu' is not known"),
    "no device": ({"target": "device"}, ValueError, "target device: no Neuron device"),
    "platform": ({"platforms": ("trn9",)}, ValueError, "platform 'trn9' is not known; choose from trn1"),
    "tier": ({"tier": "quick"}, ValueError, "tier 'quick' is not known; choose from smoke, standard, full"),
    "seed": ({"seed": -1}, ValueError, "seed -1: give a whole number"),
    "check": ({"checks": ("speed",)}, ValueError, "check 'speed' is not known"),
    "case": ({"cases": ("c2h6w6",)}, ValueError, "'c2h6w6' is no case"),
    "claim": ({"accuracy": "exact"}, KernelClaimError, "it claims accuracy 'exact'"),
    "call": ({"call": ("x", "x")}, KernelSignatureError, 'call and extra have "x" once'),
    "layout": ({"layout": "HWC"}, KernelSignatureError, "no layout 'HWC'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_had_is_refused_in_words(name: str) -> None:
    arguments, error, says = WRONG[name]
    with pytest.raises(error) as caught:
        run(RIGHT, **arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize("target", ["device", "auto"])
def test_a_device_is_refused_before_the_kernel_is_executed(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(device, "found", lambda: "/dev/neuron0")
    monkeypatch.setattr(device, "missing", lambda: "")
    with pytest.raises(ValueError, match=r"^target device: .*leases no NeuronCore; run pytest .*--nki-target=device"):
        check_kernel("nowhere.py:avgpool", target=target)


def test_a_target_that_leads_nowhere() -> None:
    with pytest.raises(KernelLoadError, match=r"there is no file .*nowhere\.py"):
        run("nowhere.py:avgpool")
    with pytest.raises(TypeError, match="not 3"):
        run(3)  # type: ignore[arg-type]


FUNCTIONS = """
import functools
import sys

from pytest_nki_pool import check_kernel
from pytest_nki_pool.emulator import resolve

nki, nl = resolve("neuronxcc.nki"), resolve("neuronxcc.nki.language")
sys.modules.update({"neuronxcc": resolve("neuronxcc"), "neuronxcc.nki": nki, "neuronxcc.nki.language": nl})
LOADED = []
"""
_KERNEL = (Path(__file__).parents[2] / "kernels" / "production_legacy.py").read_text()
_CALLS = """
plain = avgpool.function
renamed = nki.jit(functools.partial(lambda unused, x, k: plain(x, k), 0))


def factory():
    def local(x, k):
        return plain(x, k)
    return local


def main():
    case = {"backends": ("baremetal",), "checks": ("values",), "cases": ("c2h6w6k2:fp32:ints:s0",)}
    for kernel in (avgpool, plain, renamed):
        report = check_kernel(kernel, **case)
        print(report.verdicts[0].identity.kernel, report.ok)
    for kernel in (factory(), lambda x, k: x, len):
        try:
            check_kernel(kernel, **case)
        except ValueError as error:
            print("refused", "does not stand at the top of a file" in str(error))
    print("pytest" in sys.modules)


if __name__ == "__main__":
    main()
"""


def test_functions_in_a_script_without_pytest(tmp_path: Path) -> None:
    """Decorated, plain and bound functions are found by their names; what has no name of its own is refused."""
    script = tmp_path / "script.py"
    kernel = _KERNEL.partition("_BAND = 8192")[2]
    script.write_text(f"{FUNCTIONS}\n_BAND = 8192{kernel}\n{_CALLS}")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "avgpool True",
        "plain True",
        "renamed True",
        *["refused True"] * 3,
        "False",
    ], done.stderr


def test_the_plugin_still_imports_nothing_heavy() -> None:
    script = "import pytest_nki_pool, sys; print('numpy' in sys.modules, hasattr(pytest_nki_pool, 'no_such_name'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
