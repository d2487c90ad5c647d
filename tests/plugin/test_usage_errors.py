"""What was asked for and cannot be had ends the run at once: exit 4, one sentence, no traceback, under xdist too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Error(NamedTuple):
    """Arguments, environment and files that must be refused, and what the refusal must say."""

    args: tuple[str, ...]
    says: tuple[str, ...]
    environment: Mapping[str, str] = {}
    files: Mapping[str, str] = {}


_UNMAPPABLE = "import neuronxcc.nki as nki\n\n\n@nki.jit\ndef pool(a, b, c, d):\n    return a\n"

_HOOK = """
from pytest_nki_pool import Capabilities, KernelSpec


def pytest_nki_pool_kernels(config):
    return {result}
"""
_POOL = "def avgpool(x, k):\n    return x\n"
_KERNEL = ("--nki-kernel=pool.py:avgpool",)


def _hook(result: str, *says: str) -> Error:
    """What a hook that returns this must lead to."""
    files = {"conftest.py": _HOOK.format(result=result), "pool.py": _POOL}
    return Error((), ("the hook pytest_nki_pool_kernels", *says), files=files)


ERRORS = {
    "backend unknown": Error(
        ("--nki-backend=tf",), ("--nki-backend: 'tf' is not known; choose from baremetal, torch, jax, all",)
    ),
    "backend empty": Error(("--nki-backend=",), ("--nki-backend is empty; choose from baremetal, torch, jax, all",)),
    "backend in environment": Error(
        (), ("NKI_POOL_BACKEND: 'tf' is not known",), environment={"NKI_POOL_BACKEND": "tf"}
    ),
    "backend in ini": Error(
        (), ("ini key nki_backend: 'tf' is not known",), files={"pytest.ini": "[pytest]\nnki_backend = tf\n"}
    ),
    "target unknown": Error(
        ("--nki-target=gpu",), ("--nki-target: 'gpu' is not known; choose from auto, device, simulator, emulator",)
    ),
    "no device": Error(("--nki-target=device",), ("--nki-target: target device: no Neuron device", "/dev/neuron")),
    "no simulator": Error(
        ("--nki-target=simulator",),
        ("--nki-target: target simulator: no Neuron SDK", "nki (0.3 or newer)", "placeholders"),
    ),
    "platform unknown": Error(
        ("--nki-platform=trn9",),
        ("--nki-platform: 'trn9' is not known; choose from trn1, trn1n, inf2, trn2, trn3, all",),
    ),
    "tier unknown": Error(
        ("--nki-tier=quick",), ("--nki-tier: 'quick' is not known; choose from smoke, standard, full",)
    ),
    "check unknown": Error(
        ("--nki-check=speed",), ("--nki-check: 'speed' is no check; choose from values, exactness",)
    ),
    "case malformed": Error(("--nki-case=c2h6w6",), ("--nki-case: ", "'c2h6w6'", "c128h56w56k2:bf16:normal:s17")),
    "case with unknown family": Error(("--nki-case=c2h6w6k2:bf16:gauss:s1",), ("--nki-case: ", "gauss", "normal")),
    "case with window above image": Error(("--nki-case=c2h6w6k7:fp32:ones",), ("--nki-case: ", "7", "min(H, W)")),
    "seed": Error(("--nki-seed=-1",), ("--nki-seed: '-1' is no seed; give a whole number >= 0",)),
    "seed of too many digits": Error(("--nki-seed=" + "9" * 5000,), ("--nki-seed: ", "at most 18 digits")),
    "case of too many digits": Error(
        (f"--nki-case=c{'9' * 5000}h6w6k2:fp32:ones",), ("--nki-case: ", "at most 18 digits")
    ),
    "case above any memory": Error(
        ("--nki-case=c9h99999w99999k2:fp32:ones",), ("--nki-case: ", "89998200009 elements")
    ),
    "hook returns no list": _hook('KernelSpec("pool.py:avgpool")', " returned KernelSpec(", "a list of KernelSpec"),
    "hook returns texts": _hook(
        '["pool.py:avgpool"]', " returned ['pool.py:avgpool']; it returns a list of KernelSpec"
    ),
    "hook names no file": _hook('[KernelSpec("nowhere.py:avgpool")]', ": nowhere.py:avgpool: there is no file"),
    "hook maps no parameter": _hook('[KernelSpec("pool.py:avgpool", call=("x", "size"))]', "'size', which is no role"),
    "hook calls with too much": _hook(
        '[KernelSpec("pool.py:avgpool", call=("x", "k", 0))]', "do not fit its signature: too many positional"
    ),
    "hook knows another layout": _hook(
        '[KernelSpec("pool.py:avgpool", layout="HWC")]', "no layout 'HWC'; choose from CHW, NCHW, NHWC"
    ),
    "hook launches on three cores": _hook('[KernelSpec("pool.py:avgpool", lnc=3)]', "lnc=3; a logical NeuronCore"),
    "hook claims no channels": _hook(
        '[KernelSpec("pool.py:avgpool", capabilities=Capabilities(max_channels=0))]',
        ": pool.py:avgpool: it claims max_channels 0; a limit is a whole number of at least 1, or None",
    ),
    "hook claims a text for an image": _hook(
        '[KernelSpec("pool.py:avgpool", capabilities=Capabilities(max_image_bytes="1 KiB"))]',
        ": pool.py:avgpool: it claims max_image_bytes '1 KiB'; a limit is a whole number of at least 1, or None",
    ),
    "accuracy unknown": Error(
        (*_KERNEL, "--nki-accuracy=exact"),
        ("--nki-accuracy: 'exact' is not known; choose from fp32, fp32_sum_cast, native",),
    ),
    "dtype unknown": Error(
        (*_KERNEL, "--nki-dtype=fp32,float16"),
        ("--nki-dtype: 'float16' is not known; choose from fp32, bf16, fp16, fp8_e4m3, fp8_e4m3fn, fp8_e5m2, int8",),
    ),
    "ragged unknown": Error(
        (*_KERNEL, "--nki-ragged=ceil"), ("--nki-ragged: 'ceil' is not known; choose from floor, reject",)
    ),
    **{
        f"limit {text!r}": Error(
            (*_KERNEL, f"--nki-max-channels={text}"),
            (f"--nki-max-channels: {text!r} is no limit; give a whole number of at least 1, or none",),
        )
        for text in ("0", "-1", "1.5", "many", "None", "9" * 30)
    },
    "limit of an image in environment": Error(
        _KERNEL,
        ("NKI_POOL_MAX_IMAGE_BYTES: '24K' is no limit; give a whole number of at least 1, or none",),
        environment={"NKI_POOL_MAX_IMAGE_BYTES": "24K"},
    ),
    **{
        f"claim without kernel: {flag}": Error(
            (flag,), (f"{flag.partition('=')[0]}: a claim is about the kernels that --nki-kernel names",)
        )
        for flag in ("--nki-accuracy=native", "--nki-dtype=fp32", "--nki-max-channels=none", "--nki-ragged=floor")
    },
    "claim without kernel in ini": Error(
        (), ("ini key nki_accuracy: a claim is about",), files={"pytest.ini": "[pytest]\nnki_accuracy = native\n"}
    ),
    "claim without kernel but a hook": Error(
        ("--nki-accuracy=native",),
        ("--nki-accuracy: a claim is about", "KernelSpec"),
        files={"conftest.py": _HOOK.format(result='[KernelSpec("pool.py:avgpool")]'), "pool.py": _POOL},
    ),
    "hook claims no dtype": _hook(
        '[KernelSpec("pool.py:avgpool", capabilities=Capabilities(dtypes=["float32"]))]',
        ": pool.py:avgpool: it claims dtypes 'float32', which is not known; choose from fp32, bf16, fp16",
    ),
    "hook claims no accuracy": _hook(
        '[KernelSpec("pool.py:avgpool", capabilities=Capabilities(accuracy="exact"))]',
        ": pool.py:avgpool: it claims accuracy 'exact', which is not known; choose from fp32, fp32_sum_cast, native",
    ),
    "home of nobody": Error(
        ("--nki-kernel=~no-such-user/pool.py:avgpool",), ("--nki-kernel: ~no-such-user/pool.py:avgpool: ",)
    ),
    "file name too long": Error((f"--nki-kernel={'x' * 300}.py:avgpool",), ("--nki-kernel: xxx", "too long")),
    "kernel form": Error(("--nki-kernel=avgpool",), ("--nki-kernel: ", "'avgpool'", "package.module:function")),
    "kernel file absent": Error(("--nki-kernel=nowhere.py:avgpool",), ("--nki-kernel: ", "nowhere.py")),
    "kernel module absent": Error(("--nki-kernel=no_such_pkg.pool:avgpool",), ("--nki-kernel: ", "no_such_pkg")),
    "kernel function absent": Error(
        ("--nki-kernel=pool.py:avgpol",),
        ("--nki-kernel: ", "avgpol", "avgpool"),
        files={"pool.py": "def avgpool(x, k):\n    return x\n"},
    ),
    "kernel file raises": Error(
        ("--nki-kernel=pool.py:avgpool",),
        ("--nki-kernel: ", "ZeroDivisionError", "pool.py:1"),
        files={"pool.py": "1 / 0\n"},
    ),
    "kernel signature": Error(
        ("--nki-kernel=pool.py:pool",),
        (
            "--nki-kernel: pool.py:pool: cannot tell",
            "(a, b, c, d)",
            'KernelSpec("pool.py:pool", call=("x", "k", None, None))',
        ),
        files={"pool.py": _UNMAPPABLE},
    ),
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("name", ERRORS)
def test_usage_error(
    name: str,
    workers: tuple[str, ...],
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    run_here: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ERRORS[name]
    for variable, value in error.environment.items():
        monkeypatch.setenv(variable, value)
    for file, text in error.files.items():
        (pytester.path / file).write_text(text)

    result = (run if workers else run_here)(*suite, *workers, *error.args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    for fragment in error.says:
        assert fragment in said
    assert "Traceback" not in said + result.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_backend_asked_for_and_not_installed(
    framework: str,
    workers: tuple[str, ...],
    suite: tuple[str, ...],
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    """The framework is hidden by a plugin that makes it impossible to find, as in an environment without it."""
    pytester.makepyfile(
        hide=f"""
        import importlib.util
        find_spec = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == {framework!r} else find_spec(name, *rest)
        """
    )

    result = run("-p", "hide", *suite, *workers, f"--nki-backend={framework}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    expected = f"{framework} not installed; install with: pip install 'pytest-nki-pool[{framework}]'"
    assert expected in result.stderr.str()
    assert sys.executable not in result.stderr.str()
