"""What a `KernelSpec` says of a kernel's call, axes and launch grid reaches the kernel, and its result comes back."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool import KernelSpec
from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.checks.base import KernelRaised
from pytest_nki_pool.checks.base import launch as launch_checked
from pytest_nki_pool.emulator.frameworks.op import ResultMismatch
from pytest_nki_pool.launch.errors import KernelSignatureError
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec import oracle
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.verdict import Status

IMAGE = np.arange(3 * 5 * 8, dtype=np.float32).reshape(3, 5, 8) ** 2

HEAD = """
    import functools
    import neuronxcc.nki as nki
    import neuronxcc.nki.language as nl

    SEEN = []

    def windows(tile, c, h, w, k):
        lane, row, down, column, across = nl.mgrid[0:c, 0:h // k, 0:k, 0:w // k, 0:k]
        total = nl.sum(tile[lane, k * row + down, k * column + across], axis=[2, 4], dtype=nl.float32)
        return nl.multiply(total, 1.0 / (k * k), dtype=nl.float32)

    def chw(x, k):
        c, h, w = x.shape
        out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
        nl.store(out, value=windows(nl.load(x), c, h, w, k))
        return out
"""
KERNELS = """
    @nki.jit
    def strided(src, kernel_size, stride, padding):
        SEEN.append((kernel_size, stride, padding))
        return chw(src, stride)

    @nki.jit
    def by_keyword(x, *, pool, mode="none"):
        SEEN.append((pool, mode))
        return chw(x, pool)

    @nki.jit
    def size_first(k, image):
        return chw(image, k)

    @nki.jit
    def output_last(k, image, result):
        c, h, w = image.shape
        nl.store(result, value=windows(nl.load(image), c, h, w, k))

    @nki.baremetal
    def scaled(factor, x, k):
        SEEN.append(factor)
        return chw(x, k)

    bound = functools.partial(scaled, 3)
    jitted_twice = nki.jit(nki.jit(size_first))

    @nki.jit
    def nchw(x, k):
        SEEN.append(x.shape)
        n, c, h, w = x.shape
        out = nl.ndarray((n, c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
        for i in nl.affine_range(n):
            nl.store(out[i], value=windows(nl.load(x[i]), c, h, w, k))
        return out

    @nki.jit
    def nhwc(x, out, k):
        SEEN.append(x.shape)
        n, h, w, c = x.shape
        channel, y, z = nl.mgrid[0:c, 0:h, 0:w]
        to_c, to_y, to_z = nl.mgrid[0:c, 0:h // k, 0:w // k]
        for i in nl.affine_range(n):
            tile = nl.load(x[i, y, z, channel])
            nl.store(out[i, to_y, to_z, to_c], value=windows(tile, c, h, w, k))

    @nki.jit
    def per_channel(x, k):
        SEEN.append(nl.num_programs(0))
        c, h, w = x.shape
        out = nl.ndarray((c, h // k, w // k), dtype=x.dtype, buffer=nl.shared_hbm)
        i = nl.program_id(0)
        nl.store(out[nl.ds(i, 1)], value=windows(nl.load(x[nl.ds(i, 1)]), 1, h, w, k))
        return out

    def undecorated(x, k):
        return per_channel(x, k)

    @nki.jit
    def second(unused, x, k):
        return per_channel(x, k)

    bound_kernel = functools.partial(second, 0)
    bound_per_channel = functools.partial(lambda unused, x, k: per_channel(x, k), 0)
"""


@pytest.fixture
def bench(write):
    return Workbench("emulator", write({"pool.py": HEAD + KERNELS}))


def launch(bench, spec, x=IMAGE, k=2):
    got = bench.launcher(spec, "baremetal", "trn2")(x.copy(), k)
    return got, bench.kernel(spec).loaded.module.SEEN


CALLS = {
    "pair and values": (KernelSpec("pool.py:strided", call=("x", "kk", "k", 0)), [((2, 2), 2, 0)]),
    "functions": (
        KernelSpec("pool.py:strided", call=("x", lambda shape, k: (*shape, k), "k", None)),
        [((3, 5, 8, 2), 2, None)],
    ),
    "the rest by keyword": (KernelSpec("pool.py:strided", extra={"stride": "k", "padding": 1}), [(2, 2, 1)]),
    "all by keyword": (
        KernelSpec("pool.py:strided", extra={"src": "x", "kernel_size": "kk", "stride": "k", "padding": "same"}),
        [((2, 2), 2, "same")],
    ),
    "keyword only": (KernelSpec("pool.py:by_keyword", extra={"pool": "k", "mode": "floor"}), [(2, "floor")]),
    "default of a keyword": (KernelSpec("pool.py:by_keyword", extra={"pool": "k"}), [(2, "none")]),
    "size before input": (KernelSpec("pool.py:size_first", call=("k", "x")), []),
    "output last": (KernelSpec("pool.py:output_last", call=("k", "x", "out")), []),
    "output by keyword": (KernelSpec("pool.py:output_last", call=("k", "x"), extra={"result": "out"}), []),
    "partial of a kernel": (KernelSpec("pool.py:bound"), [3]),
    "kernel of a kernel": (KernelSpec("pool.py:jitted_twice", call=["k", "x"]), []),
    "a batch of one": (KernelSpec("pool.py:nchw", layout="NCHW"), [(1, 3, 5, 8)]),
    "channels last": (KernelSpec("pool.py:nhwc", layout="NHWC"), [(1, 5, 8, 3)]),
    "a grid": (KernelSpec("pool.py:per_channel", grid=(3,)), [3, 3, 3]),
    "a grid of one number": (KernelSpec("pool.py:per_channel", grid=3), [3, 3, 3]),
    "a grid from the shape": (KernelSpec("pool.py:per_channel", grid=lambda shape, k: shape[0]), [3, 3, 3]),
    "a grid for a function": (KernelSpec("pool.py:undecorated", grid=(3,)), [3, 3, 3]),
    "a grid for a partial of a kernel": (KernelSpec("pool.py:bound_kernel", grid=(3,)), [3, 3, 3]),
    "a grid for a partial": (KernelSpec("pool.py:bound_per_channel", grid=[3]), [3, 3, 3]),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_is_called_as_its_spec_says(name, bench):
    spec, seen = CALLS[name]

    got, calls = launch(bench, spec)

    np.testing.assert_array_equal(got, oracle.golden(IMAGE, 2).astype(np.float32))
    assert calls == seen


@pytest.mark.parametrize("name", ["nchw", "nhwc"])
def test_a_batch_keeps_its_images_apart(name, bench):
    images = np.stack([IMAGE, -IMAGE])

    got, _ = launch(bench, KernelSpec(f"pool.py:{name}", layout=name.upper()), images)

    expected = np.stack([oracle.golden(image, 2) for image in images]).astype(np.float32)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_an_output_without_the_axes_of_the_layout_is_no_result(layout, bench, write):
    write({"flat.py": HEAD + "\n    def flat(x, k):\n        return chw(x[0], k)\n"})

    with pytest.raises(ResultMismatch, match=r"the kernel returned \d x \d x \d where its layout declares 1 x "):
        launch(bench, KernelSpec("flat.py:flat", layout=layout))


def test_a_kernel_that_writes_to_its_input_is_seen_through_the_layout(bench, write):
    write(
        {
            "spoils.py": """
            import nki, nki.isa as nisa, nki.language as nl

            @nki.jit
            def spoils(x, k):
                n, h, w, c = x.shape
                zero = nl.ndarray((1, 1, c), dtype=x.dtype, buffer=nl.sbuf)
                nisa.memset(dst=zero, value=0.0)
                nisa.dma_copy(dst=x[0, 0:1, 0:1, :], src=zero)
                out = nl.ndarray((n, 1, 1, c), dtype=x.dtype, buffer=nl.shared_hbm)
                nisa.dma_copy(dst=out[0], src=zero)
                return out
            """
        }
    )
    image = IMAGE[:, :2, :2] + 1
    bench.launcher(KernelSpec("spoils.py:spoils", layout="NHWC"), "baremetal", "trn2")(image, 2)
    assert not image[:, 0, 0].any()
    assert image[:, 1, 1].all()


@pytest.mark.parametrize("cores", [1, 2])
def test_a_logical_core_has_as_many_programs_as_physical_cores(cores, bench, write):
    write(
        {
            "cores.py": """
            import nki, nki.isa as nisa, nki.language as nl

            SEEN = []

            @nki.jit
            def cores(x, k):
                SEEN.append((nl.program_id(0), nl.num_programs(0)))
                out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
                nisa.dma_copy(dst=out, src=x)
                return out
            """
        }
    )
    got, seen = launch(bench, KernelSpec("cores.py:cores", lnc=cores), k=1)
    np.testing.assert_array_equal(got, IMAGE)
    assert seen == [(core, cores) for core in range(cores)]


REFUSED = {
    "no input": (
        KernelSpec("pool.py:strided", call=("k", "k", "k", 0)),
        'call and extra have "x" once, "out" at most once, and "k", "kk" or a function for the pool size',
    ),
    "no pool size": (KernelSpec("pool.py:strided", call=("x", 2, 2, 0)), 'and "k", "kk" or a function'),
    "misspelt role": (KernelSpec("pool.py:strided", call=("x", "K", "k", 0)), "call has 'K', which is no role"),
    "too few": (
        KernelSpec("pool.py:strided", call=("x", "k")),
        "do not fit its signature: missing a required argument",
    ),
    "too many": (KernelSpec("pool.py:size_first", call=("k", "x", 0)), "do not fit its signature: too many positional"),
    "unknown keyword": (KernelSpec("pool.py:size_first", call=("k", "x"), extra={"s": 1}), "unexpected keyword"),
    "layout": (KernelSpec("pool.py:nchw", layout="CHWN"), "no layout 'CHWN'; choose from CHW, NCHW, NHWC"),
    "cores": (KernelSpec("pool.py:nchw", dialect="current", lnc=4), "lnc=4; a logical NeuronCore has 1 or 2"),
    "cores of a legacy kernel": (KernelSpec("pool.py:nchw", lnc=2), "takes grid=(2,) to run on two cores"),
    "grid of a current kernel": (KernelSpec("pool.py:nchw", dialect="current", grid=(2,)), "say lnc=1 or lnc=2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_launched_is_refused_in_words(name, bench):
    spec, says = REFUSED[name]
    with pytest.raises(KernelSignatureError) as caught:
        bench.kernel(spec)
    assert says in str(caught.value)


NOT_ANSWERING = {
    "grid": (KernelSpec("pool.py:strided", call=("x", "k", "k", 0), grid=lambda shape, k: shape[9]), "its grid raised"),
    "no grid": (KernelSpec("pool.py:strided", call=("x", "k", "k", 0), grid=lambda shape, k: None), "its grid raised"),
    "call": (KernelSpec("pool.py:strided", call=("x", lambda shape, k: shape[9], "k", 0)), "its call or extra raised"),
    "extra": (
        KernelSpec("pool.py:by_keyword", call=("x",), extra={"pool": lambda shape, k: shape[9]}),
        "its call or extra raised",
    ),
}


@pytest.mark.parametrize("name", NOT_ANSWERING)
def test_a_function_of_the_spec_that_raises_is_no_refusal_of_the_kernel(name, bench):
    spec, says = NOT_ANSWERING[name]
    check = CHECKS["values"]
    beyond = Case.parse("c300h6w6k2:fp32:ones")  # more channels than claimed, where a refusal would do

    for case in (Case.parse("c2h6w6k2:fp32:ones"), beyond):
        finding = bench.verdict(Trial(check, spec, ("baremetal",), "emulator", "trn2", case)).finding

        assert finding.status is Status.INTERNAL
        assert f"the KernelSpec of {spec.target} does not describe this launch: for shape" in finding.message
        assert says in finding.message
        assert "correct its functions" in finding.message


def test_a_grid_that_raises_for_a_pool_size_of_zero_is_a_refusal(bench):
    spec = KernelSpec("pool.py:strided", call=("x", "k", "k", 0), grid=lambda shape, k: (0 * (shape[1] // k),))
    with pytest.raises(KernelRaised) as caught:
        launch_checked(bench.launcher(spec, "baremetal", "trn2"), IMAGE, 0)
    assert isinstance(caught.value.error, ZeroDivisionError)


SUGGESTED = {
    "strided": 'KernelSpec("pool.py:strided", call=("x", "k", "k", 0))',
    "by_keyword": 'KernelSpec("pool.py:by_keyword", call=("x",), extra={"pool": "k"})',
    "size_first": 'KernelSpec("pool.py:size_first", call=("x", "k"))',
    "scaled": 'KernelSpec("pool.py:scaled", call=("x", None, "k"))',
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_a_signature_that_says_too_little_comes_with_a_spec_to_paste(name, bench):
    with pytest.raises(KernelSignatureError) as caught:
        bench.kernel(KernelSpec(f"pool.py:{name}"))

    assert f"return [{SUGGESTED[name]}]" in str(caught.value)


def test_the_spec_suggested_for_usual_names_works_as_it_stands(bench):
    with pytest.raises(KernelSignatureError) as caught:
        bench.kernel(KernelSpec("pool.py:strided"))
    pasted = str(caught.value).partition("return [")[2].partition("]\n")[0]

    got, _ = launch(bench, eval(pasted, {"KernelSpec": KernelSpec}))  # noqa: S307  (the text is ours)

    np.testing.assert_array_equal(got, oracle.golden(IMAGE, 2).astype(np.float32))
