"""Average pool on NumPy arrays, without a framework ("baremetal").

python -m pytest_nki_pool.emulator examples/average_pool2d_numpy.py    on any machine
python examples/average_pool2d_numpy.py                                on Neuron hardware with its SDK
"""

import sys

import numpy as np
from neuronxcc import nki
from pytest_nki_pool.kernels.tutorial_out_parameter import tensor_avgpool_kernel_

POOL = 2


def main() -> int:
    image = np.arange(2 * 6 * 6, dtype=np.float16).reshape(2, 6, 6)
    channels, height, width = image.shape
    result = np.zeros((channels, height // POOL, width // POOL), image.dtype)
    nki.baremetal(tensor_avgpool_kernel_)(image, result, POOL)

    windows = image.astype(np.float64).reshape(channels, height // POOL, POOL, width // POOL, POOL)
    reference = windows.mean(axis=(2, 4)).astype(image.dtype)
    print("input", image, "NKI result", result, "reference", reference, sep="\n")
    match = np.array_equal(result, reference)
    print("match" if match else "differ")
    return 0 if match else 1


if __name__ == "__main__":
    sys.exit(main())
