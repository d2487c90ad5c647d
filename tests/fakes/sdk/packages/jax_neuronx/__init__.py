"""Stand-in for `jax_neuronx`. Source: NKI tutorials of SDK 2.20."""

import numpy as np
from neuron_fake import faults
from neuron_fake.compute import compute, through_jax


def nki_call(kernel, *inputs, out_shape, grid=(), **kwargs):
    """Call a kernel whose outputs follow its inputs."""
    several = isinstance(out_shape, (tuple, list))
    shapes = tuple(out_shape) if several else (out_shape,)

    def run(*arrays):
        outputs = [np.empty(shape.shape, shape.dtype) for shape in shapes]
        faults.strike()
        compute(kernel, (*map(np.asarray, arrays), *outputs), {}, tuple(grid))
        spoiled = tuple(map(faults.spoil, outputs))
        return spoiled if several else spoiled[0]

    return through_jax(run, inputs, out_shape)
