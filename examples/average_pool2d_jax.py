"""Average pool on JAX arrays.

python -m pytest_nki_pool.emulator examples/average_pool2d_jax.py    on any machine that has JAX
python examples/average_pool2d_jax.py                                on Neuron hardware with its SDK
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
from jax_neuronx import nki_call
from pytest_nki_pool.kernels.tutorial_out_parameter import tensor_avgpool_kernel_

POOL = 2


def main() -> int:
    image = jnp.arange(2 * 6 * 6, dtype=jnp.float32).reshape(2, 6, 6)
    channels, height, width = image.shape
    pooled = jax.ShapeDtypeStruct((channels, height // POOL, width // POOL), image.dtype)
    result = nki_call(partial(tensor_avgpool_kernel_, pool_size=POOL), image, out_shape=pooled)

    reference = image.reshape(channels, height // POOL, POOL, width // POOL, POOL).mean(axis=(2, 4))
    print("input", image, "NKI result", result, "reference", reference, sep="\n")
    match = bool(jnp.array_equal(result, reference))
    print("match" if match else "differ")
    return 0 if match else 1


if __name__ == "__main__":
    sys.exit(main())
