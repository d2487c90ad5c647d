"""Sweeps: more cases than one run of pytest wants to collect, on the cores of one machine or of many."""
