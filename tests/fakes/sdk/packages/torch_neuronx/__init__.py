"""Stand-in for `torch_neuronx`: the package for PyTorch/XLA, and from 2.13 on TorchNeuron."""

from neuron_fake.kernel import number

if number("torch-neuronx") >= (2, 13):
    from torch_neuronx.native import nki_op as nki_op
    from torch_neuronx.native import wrap_nki as wrap_nki
elif number("torch-neuronx") < (2, 7):  # until SDK 2.23
    from torch_neuronx.xla import nki_jit as nki_jit
