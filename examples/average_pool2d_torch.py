"""Average pool on PyTorch tensors of an XLA device.

python -m pytest_nki_pool.emulator examples/average_pool2d_torch.py    on any machine that has PyTorch
python examples/average_pool2d_torch.py                                on Neuron hardware with its SDK
"""

import sys

import torch
from pytest_nki_pool.kernels.tutorial_out_parameter import tensor_avgpool_kernel_
from torch_neuronx import nki_jit
from torch_xla.core import xla_model

POOL = 2


def main() -> int:
    device = xla_model.xla_device()
    image = torch.arange(2 * 6 * 6, dtype=torch.bfloat16).reshape(2, 6, 6).to(device)
    channels, height, width = image.shape
    result = torch.zeros((channels, height // POOL, width // POOL), dtype=image.dtype, device=device)
    nki_jit(tensor_avgpool_kernel_)(image, result, POOL)
    xla_model.mark_step()

    reference = torch.nn.functional.avg_pool2d(image, POOL)
    image, result, reference = image.cpu(), result.cpu(), reference.cpu()
    print("input", image, "NKI result", result, "reference", reference, sep="\n")
    match = torch.equal(result, reference)
    print("match" if match else "differ")
    return 0 if match else 1


if __name__ == "__main__":
    sys.exit(main())
