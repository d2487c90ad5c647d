import subprocess
import sys

import numpy as np
import pytest

from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec, ResultMismatch

X = ArraySpec((2, 3), np.dtype(np.float32))


def identity(x):
    return x


def op_of(run, **options):
    return ArrayOp("op", run, identity, statics=(), **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": "Bad-Name"}, "must consist of", id="name"),
        pytest.param({"arrays": 0}, "must be at least 1", id="no arrays"),
        pytest.param({"outputs": 0}, "must be at least 1", id="no outputs"),
        pytest.param({"statics": (list,)}, "int, float, bool or str", id="static kind"),
        pytest.param({"arrays": 2, "adjoint": identity}, "one array and one output", id="adjoint of two arrays"),
    ],
)
def test_a_description_that_no_framework_could_carry_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ArrayOp(**{"name": "op", "run": identity, "infer": identity} | changes)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        pytest.param(np.zeros((2, 3)), "dtype float64 where infer declares", id="float64"),
        pytest.param(np.zeros((3, 2), np.float32), r"shape \(3, 2\)", id="shape"),
        pytest.param(1.0, "returned float", id="no array"),
        pytest.param(None, "returned NoneType", id="nothing"),
    ],
)
def test_a_result_other_than_inferred_is_an_error(result, message):
    with pytest.raises(ResultMismatch, match=message):
        op_of(lambda x: result).forward([np.zeros((2, 3), np.float32)], ())


def test_a_result_too_few_is_an_error():
    op = ArrayOp("op", lambda x: (x.copy(),), lambda x: (x, x), statics=(), outputs=2)
    with pytest.raises(ResultMismatch, match="returned 1 arrays where 2"):
        op.forward([np.zeros((2, 3), np.float32)], ())


def test_a_gradient_other_than_the_argument_is_an_error():
    op = op_of(identity, adjoint=lambda grad, x: grad.astype(np.float64))
    with pytest.raises(ResultMismatch, match="the adjoint of op"):
        op.backward(np.zeros((2, 3), np.float32), X, ())


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda x: x, id="the argument"),
        pytest.param(lambda x: x[...], id="a view of it"),
        pytest.param(lambda x: np.asfortranarray(x * 1), id="another order"),
        pytest.param(lambda x: np.broadcast_to(np.float32(1), x.shape), id="read-only"),
    ],
)
def test_a_result_gets_memory_of_its_own(run):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (result,) = op_of(run).forward([x], ())
    assert np.array_equal(result, run(x))
    assert not np.shares_memory(result, x)
    assert result.flags.c_contiguous
    assert result.flags.writeable


def test_a_result_with_memory_of_its_own_is_not_copied():
    made = np.zeros((2, 3), np.float32)
    (result,) = op_of(lambda x: made).forward([np.zeros((2, 3), np.float32)], ())
    assert result is made


def test_static_values_become_plain_python_values():
    op = ArrayOp("op", identity, identity, statics=(int, float, bool, str))
    arrays, statics = op.split(["x", np.int64(2), np.float32(0.5), np.True_, "max"])
    assert arrays == ("x",)
    assert statics == (2, 0.5, True, "max")
    assert [type(value) for value in statics] == [int, float, bool, str]


@pytest.mark.parametrize("args", [["x"], ["x", 1, 2], ["x", 1.5], ["x", "1"]], ids=str)
def test_wrong_arguments_are_refused(args):
    with pytest.raises(TypeError, match="op"):
        ArrayOp("op", identity, identity).split(args)


def test_describing_and_telling_apart_imports_no_framework():
    program = (
        "import sys, numpy, pytest_nki_pool.emulator.frameworks.op\n"
        "from pytest_nki_pool.emulator.frameworks.dispatch import framework_of\n"
        "print(framework_of(numpy.zeros(1)), framework_of(1), {'torch', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "numpy  set()"
