"""Wrong average-pool kernels: each makes one small mistake that the conformance suite has to find.

The kernel files import NKI and nothing else, and every function in them stands alone.
"""
