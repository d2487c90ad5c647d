"""A large argument that is still being copied when its program is dispatched, on one core."""

import os
import subprocess
import sys

import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'pytest-nki-pool[jax]'")

#: Releases that were seen to hang; 0.10.0, 0.7.1 and 0.6.2 were seen not to.
HANGS = {"0.4.38", "0.10.1", "0.10.2"}

PROGRAM = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp, numpy as np
from pytest_nki_pool.emulator.frameworks.jax import callback_op, from_numpy
from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec

first = callback_op(ArrayOp("first", lambda x: x.ravel()[:1].copy(), lambda x: ArraySpec((1,), x.dtype), statics=()))
image = np.full((128, 512, 512), 3, np.float32)
dispatch = {
    "eager": lambda: first(jnp.asarray(image)),
    "jit of a ready array": lambda: jax.jit(first)(from_numpy(image)),
    "jit of an array on its way": lambda: jax.jit(first)(jnp.asarray(image)),
}[sys.argv[1]]
jax.block_until_ready(jax.jit(first)(jnp.zeros(image.shape, image.dtype)))
print("warm", flush=True)
print(jax.block_until_ready(dispatch())[0], flush=True)
os._exit(0)
"""


@pytest.fixture
def program():
    """Starts the program and waits until it has done everything but the dispatch in question."""
    # Both settings give XLA more threads than cores and would hide the hang.
    environment = {name: value for name, value in os.environ.items() if name not in {"NPROC", "XLA_FLAGS"}}
    started = []

    def start(how):
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, how],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout.readline() == "warm\n", child.communicate()[1]
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


pinned = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can pin a process to one core")


@pinned
@pytest.mark.parametrize("how", ["eager", "jit of a ready array"])
def test_a_large_array_that_is_ready_ends(how, program):
    child = program(how)
    out, err = child.communicate(timeout=20)
    assert (out, child.returncode) == ("3.0\n", 0), err


@pinned
@pytest.mark.skipif(jax.__version__ not in HANGS, reason=f"jax {jax.__version__} is not known to hang")
def test_the_same_program_hangs_without_the_waiting(program):
    with pytest.raises(subprocess.TimeoutExpired):
        program("jit of an array on its way").communicate(timeout=8)
