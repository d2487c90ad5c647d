"""What `import neuronxcc` gives a kernel: the package that holds `nki`."""

from pytest_nki_pool.emulator import legacy as nki

__all__ = ["nki"]
