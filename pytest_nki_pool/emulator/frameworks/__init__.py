"""Array operations in the frameworks that kernels are called from."""
