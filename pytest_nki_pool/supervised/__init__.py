"""Trials in child processes, which may hang, crash or hold a device."""
