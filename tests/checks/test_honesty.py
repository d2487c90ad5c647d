"""The honesty group: which cases follow from a kernel's claims, and what it says about kernels that exceed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_nki_pool import Capabilities, KernelSpec
from pytest_nki_pool.checks.honesty import CHECKS
from pytest_nki_pool.plan import Plan
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.verdict import Status

CLAIMS = {
    "undeclared": Capabilities(),
    "channels": Capabilities(max_channels=40),
    "any channels": Capabilities(max_channels=None),
    "image": Capabilities(max_channels=None, max_image_bytes=5000),
    "tiny image": Capabilities(max_channels=None, max_image_bytes=1),
    "reject": Capabilities(max_channels=None, ragged="reject"),
    "bf16": Capabilities(max_channels=None, dtypes=("bf16",)),
    "integers": Capabilities(max_channels=None, dtypes=("int8",)),
    "any size": Capabilities(max_channels=None, max_image_bytes=None, dtypes=tuple(DTYPES)),
    "more than any memory": Capabilities(max_channels=10**12, max_image_bytes=10**15, dtypes=tuple(DTYPES)),
}


def spec(claims, layout="CHW"):
    return KernelSpec("pool.py:avgpool", capabilities=claims, layout=layout)


def cases(claims, tier="standard", check=CHECKS[0], layout="CHW"):
    return check.cases(spec(claims, layout), tier, 3)


def beyond(claims, case):
    return claims.excludes(case, DTYPES[case.dtype].numpy.itemsize)


@pytest.mark.parametrize("name", CLAIMS)
def test_tiers_nest_and_are_sorted(name):
    smoke, standard, full = (cases(CLAIMS[name], tier) for tier in ("smoke", "standard", "full"))
    assert set(smoke) <= set(standard) <= set(full)
    for tier in (smoke, standard, full):
        assert list(tier) == sorted(set(tier))
    assert {case.seed for case in full} <= {3, None}


def test_who_claims_everything_is_asked_nothing_more():
    assert cases(CLAIMS["any size"], "full") == cases(CLAIMS["more than any memory"], "full") == ()


@pytest.mark.parametrize("tier", ["smoke", "standard", "full"])
def test_channels_up_to_the_claim_and_just_above(tier):
    channels = {case.channels: bool(beyond(CLAIMS["channels"], case)) for case in cases(CLAIMS["channels"], tier)}
    assert (channels[40], channels[41], channels[81]) == (False, True, True)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("limit", [16, 100, 5000, 16384, 200_000])
def test_images_up_to_the_claim_and_just_above(limit, dtype):
    claims = Capabilities(max_channels=None, max_image_bytes=limit, dtypes=(dtype,))
    sizes = {case.height * case.width: case for case in cases(claims, "smoke") if case.dtype == dtype}
    bytes_of = {elements * DTYPES[dtype].numpy.itemsize: beyond(claims, case) for elements, case in sizes.items()}
    inside = [size for size, why in bytes_of.items() if not why]
    outside = [size for size, why in bytes_of.items() if why]
    assert limit / 2 < max(inside) <= limit < min(outside) <= 3 * limit


def test_an_image_limit_below_any_window_leaves_what_exceeds_it():
    assert all(beyond(CLAIMS["tiny image"], case) for case in cases(CLAIMS["tiny image"]))


def test_trims_on_either_side_and_on_both():
    trims = {(case.height % case.pool > 0, case.width % case.pool > 0) for case in cases(CLAIMS["reject"], "smoke")}
    assert {(True, False), (False, True), (True, True)} <= trims


@pytest.mark.parametrize("name", ["undeclared", "bf16", "integers"])
def test_every_floating_dtype_that_is_not_claimed(name):
    unclaimed = {case.dtype for case in cases(CLAIMS[name], "smoke")} - set(CLAIMS[name].dtypes)
    assert unclaimed == {name for name, dtype in DTYPES.items() if dtype.floating} - set(CLAIMS[name].dtypes)


def test_batches_are_asked_of_kernels_that_take_them():
    assert cases(CLAIMS["bf16"], check=CHECKS[1]) == ()
    for layout in ("NCHW", "NHWC"):
        assert {case.dtype for case in cases(CLAIMS["bf16"], check=CHECKS[1], layout=layout)} == {"bf16"}


KERNEL = """
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl


@nki.jit
def avgpool(x, k):
    {axes} = x.shape
    assert 1 <= k <= min(h, w), f"k = {k} does not fit {h} x {w}"
    {first}
    out = nl.ndarray({shape}, dtype=x.dtype, buffer=nl.shared_hbm)
    lane, row, down, column, across = nl.mgrid[0:c, 0:h // k, 0:k, 0:w // k, 0:k]
    {loop}
        image = nl.load(x{source})
        total = nl.sum(image[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32)
        nl.store(out{image}, value=nl.multiply(total, {scale}, dtype=x.dtype))
    return out
"""
_CHW = {"axes": "c, h, w", "shape": "(c, h // k, w // k)", "loop": "if True:", "image": "", "source": ""}
_NCHW = {
    "axes": "n, c, h, w",
    "shape": "(n, c, h // k, w // k)",
    "loop": "for i in nl.affine_range(n):",
    "image": "[i]",
    "source": "[i]",
}


@pytest.fixture
def judge(tmp_path):
    """Runs the honesty group on a kernel; gives check -> the status and message of its worst verdict."""

    def judge(claims, *, first="pass", scale="1.0 / (k * k)", parts=_CHW, layout="CHW", tier="standard"):
        text = KERNEL
        for name, value in {**parts, "first": first, "scale": scale}.items():
            text = text.replace(f"{{{name}}}", value)
        (tmp_path / "pool.py").write_text(text)
        bench = Workbench("emulator", Path(tmp_path))
        plan = Plan((spec(claims, layout),), ("baremetal",), "emulator", ("trn2",), tier)
        found = {}
        order = list(Status)
        for trial in plan.trials("honesty"):
            finding = bench.verdict(trial).finding
            known = found.get(trial.check.name)
            if known is None or order.index(finding.status) > order.index(known.status):
                found[trial.check.name] = finding
        return {name: (finding.status, finding.message) for name, finding in found.items()}

    return judge


REFUSALS = {
    "assert": (
        "assert c <= 40, 'too many'",
        Status.PASS,
        "41 channels exceed the claimed 40, and the kernel refuses it",
    ),
    "rule": ("assert c <= 40 or nl.load(x[0, 0, 9999])", Status.PASS, "and the kernel refuses it: NKIError"),
    "right": ("pass", Status.PASS, "claims less than it does: 41 channels exceed the claimed 40"),
    "typing error": ("c <= 40 or undefined", Status.FAIL, "the kernel is broken: NameError"),
    "missing module": ("c <= 40 or __import__('nowhere')", Status.FAIL, "the kernel is broken: ModuleNotFoundError"),
    "exit": ("c <= 40 or __import__('sys').exit(0)", Status.FAIL, "the kernel is broken: KernelExitError"),
    "gap": ("c <= 40 or nl.random_seed(1)", Status.INTERNAL, "the emulator cannot judge this kernel"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_counts_as_a_refusal(name, tmp_path):
    first, status, says = REFUSALS[name]
    text = KERNEL
    for part, value in {**_CHW, "first": first, "scale": "1.0 / (k * k)"}.items():
        text = text.replace(f"{{{part}}}", value)
    (tmp_path / "pool.py").write_text(text)
    plan = Plan((spec(CLAIMS["channels"]),), ("baremetal",), "emulator", ("trn2",), "smoke")
    (trial,) = [trial for trial in plan.trials("honesty") if trial.case.channels == 41]

    finding = Workbench("emulator", tmp_path).verdict(trial).finding

    assert (finding.status, says in finding.message) == (status, True), finding.message


WRONG = {
    "above the channels": (CLAIMS["channels"], "scale = 1.0 / (k * k) if c <= 40 else 1.0 / k"),
    "at the channels": (CLAIMS["channels"], "scale = 1.0 / (k * k) if c < 40 else 1.0 / k"),
    "refuses at the channels": (CLAIMS["channels"], "scale = 1.0 / (k * k); assert c < 40"),
    "above the image": (CLAIMS["image"], "scale = 1.0 / (k * k) if h * w <= 2500 else 1.0 / k"),
    "refuses at the image": (CLAIMS["image"], "scale = 1.0 / (k * k); assert h * w < 1024"),
    "takes a trim": (CLAIMS["reject"], "scale = 1.0 / (k * k) if h % k == 0 else 1.0 / k"),
    "takes a trim of columns": (CLAIMS["reject"], "scale = 1.0 / (k * k) if w % k == 0 else 1.0 / k"),
    "takes another dtype": (CLAIMS["bf16"], "scale = 1.0 / (k * k) if x.dtype == nl.bfloat16 else 1.0 / k"),
}


@pytest.mark.parametrize("tier", ["smoke", "standard"])
@pytest.mark.parametrize("name", WRONG)
def test_a_claim_that_is_not_so_fails(name, tier, judge):
    claims, first = WRONG[name]
    status, message = judge(claims, first=first, scale="scale", tier=tier)["honesty"]
    assert status is Status.FAIL, message


@pytest.mark.parametrize("tier", ["smoke", "standard"])
@pytest.mark.parametrize("name", [name for name in CLAIMS if name not in {"any size", "more than any memory"}])
def test_a_right_kernel_that_claims_little_passes(name, tier, judge):
    assert judge(CLAIMS[name], tier=tier)["honesty"][0] is Status.PASS


def test_images_of_a_batch_that_are_mixed_up_fail(judge):
    right = judge(CLAIMS["bf16"], parts=_NCHW, layout="NCHW")
    assert right["batches"] == (Status.PASS, "")
    first_only = judge(CLAIMS["bf16"], parts={**_NCHW, "source": "[0]"}, layout="NCHW")
    assert (first_only["honesty"][0], first_only["batches"][0]) == (Status.PASS, Status.FAIL)
    assert first_only["batches"][1].startswith("image 1 of a batch of 3: ")
    wrong = judge(CLAIMS["bf16"], parts=_NCHW, scale="(1.0 if n == 1 else 0.5) / (k * k)", layout="NCHW")
    assert (wrong["honesty"][0], wrong["batches"][0]) == (Status.PASS, Status.FAIL)
    assert wrong["batches"][1].startswith("image 0 of a batch of 3: ")


def test_a_single_case_is_asked_about_claims_when_the_check_is_named():
    from pytest_nki_pool.spec.case import Case

    case = Case.parse("c41h4w6k2:fp32:ints:s0")
    plan = Plan((spec(CLAIMS["channels"]),), ("baremetal",), "emulator", ("trn2",), cases=(case,))
    assert plan.trials("honesty") == []
    named = Plan(plan.kernels, plan.backends, plan.target, plan.platforms, checks=("honesty",), cases=(case,))
    assert [trial.case for trial in named.trials("honesty") if trial.check.name == "honesty"] == [case]
