"""How a kernel is run: loading it, and carrying arrays through a framework to a target."""
