"""Average-pool kernels under test."""
