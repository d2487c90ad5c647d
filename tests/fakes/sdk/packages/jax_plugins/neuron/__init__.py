"""Stand-in for JAX's Neuron plugin: the CPU's arrays say that they are on a Neuron device.

JAX calls `initialize` when it looks for its devices.
"""

import os


class NeuronDevice:
    platform = "neuron"
    id = 0

    def __repr__(self):
        return "NeuronDevice(id=0)"


def initialize():
    if "neuron" not in os.environ.get("JAX_PLATFORMS", "neuron").split(","):
        return
    import jax
    from jaxlib.xla_client import ArrayImpl

    device, put = NeuronDevice(), jax.device_put
    jax.devices = lambda backend=None: [device]
    jax.device_put = lambda x, to=None, **kwargs: put(x, None if to is device else to, **kwargs)
    ArrayImpl.devices = lambda self: {device}
